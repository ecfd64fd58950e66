"""The hub that ships, with a config, in front of a server of the conformance suite that wants OAuth: the OAuth client that the
suite tests is the hub's.

The hub learns no authorization server from the server behind it: an operator writes it down. Here `written_down` is the
operator: it reads the server's own metadata once, before the hub is there, and what it says goes into the hub's config.
"""

import contextlib
import json
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
        self.url = url
        said = self._metadata(http)
        self.issuer, self.resource = said["authorization_servers"][0], said["resource"]
        self.scopes = said.get("scopes_supported", [])

    def _metadata(self, http):
        """RFC 9728 section 3.1: at the server's own path, or at the root."""
        place = httpx2.URL(self.url)
        for path in (f"/.well-known/oauth-protected-resource{place.path}", "/.well-known/oauth-protected-resource"):
            answer = http.get(place.copy_with(path=path))
            if answer.status_code == 200:
                return answer.json()
        raise RuntimeError(f"{self.url} does not say what its authorization server is")


class AuthorizedHub:
    """`deputy serve` with one server behind it, and one person signed in."""

    def __init__(self, folder, provider, url, settings="", sign_in=""):
        """`settings`: lines of the server's `[[server]]`, whose address is `url`; `sign_in`: those of `[sign_in]`."""
        self.folder, self.provider = folder, provider
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.path = f"/s/{SERVER}/mcp"
        for part in ("data", "policy"):
            (self.folder / part).mkdir()
        (self.folder / "policy/all.cedar").write_text(PERMIT)
        secret = kept(folder, "provider", "the-hubs-secret-at-the-provider")
        self.config = self.folder / "deputy.toml"
        self.config.write_text(f"""[hub]
listen = "127.0.0.1:{port}"
public_url = "{self.url}"
data_dir = "{self.folder}/data"

[[identity_provider]]
name = "idp"
issuer = "{provider.issuer}"
discovery_url = "{provider.url}/.well-known/openid-configuration"
client = {{ id = "{provider.client}", secret = {secret} }}

[sign_in]
{sign_in}

[policy]
dir = "{self.folder}/policy"

[[server]]
name = "{SERVER}"
url = "{url}"
{settings}
""")

    def __enter__(self):
        self.log = (self.folder / "hub.log").open("wb")
        command = [SmallWorld.binary("deputy"), "serve", "--config", self.config]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        try:
            self.person = httpx2.Client(trust_env=False, follow_redirects=True, timeout=30)
            wait_until("the hub being ready", self._ready, 60)
            self.sign_in()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        print((self.folder / "hub.log").read_text(errors="replace")[-8000:])

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


def _lines(**values):
    return "\n".join(f"{name} = {value}" for name, value in values.items())


def _own(id, **proof):
    inside = ", ".join(f"{name} = {value}" for name, value in {"id": json.dumps(id), **proof}.items())
    return f"{{ {inside} }}"


@contextlib.contextmanager
def hub_for(scenario, url, context):
    """A hub as this scenario needs it, ready to be asked."""
    settings = SETTINGS[scenario]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deputy-conformance-")))
        http = stack.enter_context(httpx2.Client(trust_env=False, timeout=30))
        server = Server(url, http)
        own = context.get("idp_client_id", "conformance-hub")
        if "idp_id_token" in context:
            exchange = (context["idp_token_endpoint"], context["idp_id_token"])
            provider = Provider(own, "demo-user@example.com", context["idp_issuer"], exchange)
        else:
            provider = Provider(own, "alice")
        stack.enter_context(provider)
        lines = settings(folder, server, context)
        yield stack.enter_context(AuthorizedHub(folder, provider, url, lines))


def kept(folder, name, text):
    """Where a secret is, as the config says it."""
    place = folder / f"{name}.secret"
    place.touch(mode=0o600)
    place.write_text(text)
    return f'{{ file = "{place}" }}'


def _pinned(credential):
    """The lines of a server whose client at its authorization server was registered beforehand."""

    def settings(folder, server, context):
        if "private_key_pem" in context:
            proof = {"private_key_jwt": kept(folder, "client", context["private_key_pem"])}
        else:
            proof = {"secret": kept(folder, "client", context["client_secret"])}
        return _lines(
            credential=json.dumps(credential),
            authorization_server=json.dumps(server.issuer),
            resource=json.dumps(server.resource),
            client=_own(context["client_id"], **proof),
        )

    return settings


SETTINGS = {
    "auth/client-credentials-jwt": _pinned("client_credentials"),
    "auth/client-credentials-basic": _pinned("client_credentials"),
    "auth/enterprise-managed-authorization": _pinned("id_jag"),
}
