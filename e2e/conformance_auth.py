"""The hub that ships, with a config, in front of a server of the conformance suite that wants OAuth: the OAuth client that the
suite tests is the hub's.

The hub learns no authorization server from the server behind it: an operator writes it down. Here `Server` is the operator's
look at the server's own metadata, before the hub is there, and what it says goes into the hub's config.
"""

import contextlib
import html
import json
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import httpx2
from conformance_provider import Provider
from small_world import SmallWorld, free_port, wait_until

SERVER = "fixture"
PERMIT = '@id("everything")\npermit (principal, action, resource);\n'


class Server:
    """The suite's server as an operator writes it down: `issuer` and `resource` are what its metadata says."""

    def __init__(self, url, http):
        self.url, self._http = url, http
        self.look()

    def look(self):
        said = self._metadata()
        self.issuer, self.resource = said["authorization_servers"][0], said["resource"]

    def _metadata(self):
        """RFC 9728 sections 3.1 and 5.1: at the server's own path, at the root, or where a refusal says."""
        place = httpx2.URL(self.url)
        for path in (f"/.well-known/oauth-protected-resource{place.path}", "/.well-known/oauth-protected-resource"):
            answer = self._http.get(place.copy_with(path=path))
            if answer.status_code == 200:
                return answer.json()
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        refused = self._http.post(place, json=message, headers={"Accept": "application/json, text/event-stream"})
        named = re.search(r'resource_metadata="([^"]+)"', refused.headers.get("www-authenticate", ""))
        return self._http.get(named[1]).json()


class AuthorizedHub:
    """`deputy serve` with one server behind it, and one person signed in."""

    def __init__(self, folder, provider, url, settings="", sign_in=""):
        """`settings`: lines of the server's `[[server]]`, whose address is `url`; `sign_in`: those of `[sign_in]`."""
        self.folder, self.provider, self.behind, self.sign_in_lines = folder, provider, url, sign_in
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.path = f"/s/{SERVER}/mcp"
        for part in ("data", "policy"):
            (folder / part).mkdir()
        (folder / "policy/all.cedar").write_text(PERMIT)
        subprocess.run([SmallWorld.binary("deputy"), "vault", "key", folder / "vault.key"], check=True, capture_output=True)
        self.secret = kept(folder, "provider", "the-hubs-secret-at-the-provider")
        self.config = folder / "deputy.toml"
        self.write(settings)

    def write(self, settings):
        """The config, with these lines of the server's."""
        self.config.write_text(f"""[hub]
listen = "127.0.0.1:{self.port}"
public_url = "{self.url}"
data_dir = "{self.folder}/data"

[[identity_provider]]
name = "idp"
issuer = "{self.provider.issuer}"
discovery_url = "{self.provider.url}/.well-known/openid-configuration"
client = {{ id = "{self.provider.client}", secret = {self.secret} }}

[sign_in]
{self.sign_in_lines}

[policy]
dir = "{self.folder}/policy"

[vault]
master_key = {{ file = "{self.folder}/vault.key" }}

[[server]]
name = "{SERVER}"
url = "{self.behind}"
{settings}
""")

    def __enter__(self):
        self.person = httpx2.Client(trust_env=False, follow_redirects=True, timeout=30)
        self.start()
        return self

    def start(self):
        with (self.folder / "hub.log").open("ab") as log:
            command = [SmallWorld.binary("deputy"), "serve", "--config", self.config]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            wait_until("the hub being ready", self._ready, 60)
            self.sign_in()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()
        print((self.folder / "hub.log").read_text(errors="replace")[-8000:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ready(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "hub.log").read_text(errors="replace")[-3000:])
        with contextlib.suppress(httpx2.TransportError):
            return self.person.get(f"{self.url}/healthz").status_code == 200

    def sign_in(self):
        """In the person's browser: to the provider, and back."""
        page = self.person.get(f"{self.url}/login/start")
        if page.status_code != 200 or not str(page.url).startswith(f"{self.url}/login"):
            raise RuntimeError(f"nobody is signed in: {page.status_code} {page.url} {page.text[:500]}")

    def token(self):
        """What the person's agent brings to the server's own door."""
        return self.provider.access_token(f"{self.url}{self.path}")

    def page_in(self, answer):
        """The hub's page that an answer wants the person to open, if it wants that."""
        found = re.search(re.escape(self.url) + r"/connect/[a-z0-9-]+", json.dumps(answer))
        return found and found[0]

    def connect(self, page):
        """In the person's browser: yes on the hub's page, then to the authorization server, which asks nothing, and back."""
        shown = self.person.get(page)
        form = re.search(r'<form[^>]* action="([^"]+)"[^>]*>.*?name="form" value="([^"]+)"', shown.text, re.S)
        if shown.status_code != 200 or not form:
            raise RuntimeError(f"{page} cannot be used: {shown.status_code} {shown.text[:1500]}")
        back = self.person.post(httpx2.URL(page).join(html.unescape(form[1])), data={"form": html.unescape(form[2])})
        if back.status_code != 200 or not str(back.url).startswith(self.url):
            raise RuntimeError(f"the server was not connected: {back.status_code} {back.url} {back.text[:1500]}")


def kept(folder, name, text):
    """Where a secret is, as the config says it."""
    place = folder / f"{name}.secret"
    place.touch(mode=0o600)
    place.write_text(text)
    return f'{{ file = "{place}" }}'


@contextlib.contextmanager
def hub_for(scenario, url, context):
    """A hub as this scenario needs it, ready to be asked, and its server."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deputy-conformance-")))
        server = Server(url, stack.enter_context(httpx2.Client(trust_env=False, timeout=30)))
        own = context.get("idp_client_id", "conformance-hub")
        if "idp_id_token" in context:
            exchange = (context["idp_token_endpoint"], context["idp_id_token"])
            provider = Provider(own, "demo-user@example.com", context["idp_issuer"], exchange)
        else:
            provider = Provider(own, "alice")
        stack.enter_context(provider)
        lines = lines_of(scenario, folder, server, context)
        yield stack.enter_context(AuthorizedHub(folder, provider, url, lines)), server


def lines_of(scenario, folder, server, context):
    """How the server's `[[server]]` says by which right it is called."""
    credential = CREDENTIALS.get(scenario, "user_oauth")
    lines = {"credential": json.dumps(credential), "authorization_server": json.dumps(server.issuer)}
    client = _client(scenario, folder, context)
    if client:
        inside = ", ".join(f"{name} = {value}" for name, value in client.items())
        lines["client"] = f"{{ {inside} }}"
    elif credential == "user_oauth":
        # By its own document where that is read; else it registers itself.
        lines["register"] = "true"
    return "\n".join(f"{name} = {value}" for name, value in lines.items())


def _client(scenario, folder, context):
    """The hub's client at the server's authorization server, where it was registered beforehand."""
    if scenario == "auth/basic-cimd":
        # The one address that the suite takes: the hub's document where an operator serves it from.
        return {"id": '"https://conformance-test.local/client-metadata.json"'}
    known = {"id": json.dumps(context.get("client_id"))}
    if "private_key_pem" in context:
        return {**known, "private_key_jwt": kept(folder, "client", context["private_key_pem"])}
    if "client_secret" in context:
        return {**known, "secret": kept(folder, "client", context["client_secret"])}
    return None


# In all others the person is asked at the server's own authorization server.
CREDENTIALS = {
    "auth/client-credentials-jwt": "client_credentials",
    "auth/client-credentials-basic": "client_credentials",
    "auth/enterprise-managed-authorization": "id_jag",
}
