"""A small world whose identity provider is a real Keycloak, on the machine's Java; its realm is `keycloak/acme.json`."""

import base64
import hashlib
import html
import http.cookiejar
import http.server
import json
import os
import re
import secrets
import shutil
import sys
import threading
from urllib.parse import parse_qs, urlsplit

import httpx2
from small_world import ROOT, SmallWorld, free_port

HOME = ROOT / ".deputy/tools/keycloak"
REALM = ROOT / "e2e/keycloak/acme.json"
PASSWORD = "any password will do"
# Public clients of the realm come back to where nobody listens: the code is read out of the redirect.
NOWHERE = "http://127.0.0.1:9/callback"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
# The client's compiler is enough for a server that lives for a minute, and starts it sooner.
JVM = "-Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError".split()
# As `kc.sh` has them. Without that script between, the process that is ended is the server.
OPENED = ("java.util", "java.util.concurrent", "java.security", "java.lang")
POLICY = """@id("sales-reads-the-ledger")
permit (principal in Deputy::Group::"sales", action == Deputy::Action::"call", resource)
when { resource.source == "ledger" };
"""


def missing():
    """Why there is no Keycloak here, or nothing."""
    if (HOME / "installed").exists():
        return None
    return "no Keycloak: `./test identity` installs it with the machine's Maven and Java 17 or newer, and says what is missing"


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps the logout tokens that Keycloak posts to an application."""

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.heard += form.get("logout_token", [])
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class KeycloakWorld(SmallWorld):
    """Keycloak, the hub with sign-in through it, and behind the hub a ledger that tells with which token it was called."""

    credential = ""
    # Where the Keycloak is that runs.
    installed = HOME

    def __init__(self, state):
        self.secret = secrets.token_urlsafe(24)
        self._ledger_port = free_port()
        self._application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
        self._application.heard = []
        self._listening = threading.Thread(target=self._application.serve_forever, daemon=True)
        self._administrator = secrets.token_urlsafe(24)
        super().__init__(state)
        self.ledger = self._program(
            "ledger", [sys.executable, ROOT / "e2e/keycloak_ledger.py", "--port", self._ledger_port]
        )

    def _issuer(self, port):
        self.keycloak_url = f"http://127.0.0.1:{port}"
        return f"{self.keycloak_url}/realms/acme"

    def _identity_provider(self, port):
        home = self.state / "keycloak"
        (home / "data/import").mkdir(parents=True)
        for part in ("lib", "conf", "providers", "themes"):
            (home / part).symlink_to(self.installed / part)
        shutil.copy(REALM, home / "data/import")
        environment = {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self._administrator,
            "DEPUTY_HUB": self.hub_url,
            "DEPUTY_SECRET": self.secret,
            "LEDGER_SECRET": secrets.token_urlsafe(24),
            "CRM_LOGOUT": f"http://127.0.0.1:{self._application.server_port}/logout",
        }
        java = f"{os.environ['JAVA_HOME']}/bin/java" if os.environ.get("JAVA_HOME") else "java"
        properties = {
            "kc.home.dir": home,
            "jboss.server.config.dir": home / "conf",
            "java.util.logging.manager": "org.jboss.logmanager.LogManager",
            "picocli.disable.closures": "true",
            "java.util.concurrent.ForkJoinPool.common.threadFactory":
                "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
        }
        return self._program(
            "keycloak",
            ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), java, *JVM]
            + [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
            + [f"-D{name}={value}" for name, value in properties.items()]
            + ["-cp", home / "lib/quarkus-run.jar", "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]
            + ["start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true"]
            + ["--http-host=127.0.0.1", f"--http-port={port}", f"--hostname={self.keycloak_url}"],
        )

    def _config(self, hub):
        (self.state / "policy").mkdir()
        (self.state / "policy/sales.cedar").write_text(POLICY)
        (self.state / "idp.secret").write_text(self.secret)
        return f"""# Written by the small world at each start.
[hub]
listen = "127.0.0.1:{hub}"
public_url = "{self.hub_url}"
data_dir = "{self.state / "data"}"

[[identity_provider]]
name = "acme"
preset = "keycloak"
issuer = "{self.issuer}"
client = {{ id = "deputy", secret = {{ file = "{self.state}/idp.secret" }} }}

[sign_in]
scopes = ["groups", "ledger.read"]
ask_again = "30s"
dynamic_registration = true

[policy]
dir = "{self.state}/policy"

[[server]]
name = "ledger"
url = "http://127.0.0.1:{self._ledger_port}/mcp"
{self.credential}

[server.class]
who_am_i = ["read"]
"""

    def start(self):
        self._listening.start()
        self.idp.start()
        self.ledger.start()
        self.ledger.wait_for(f"http://127.0.0.1:{self._ledger_port}/")
        self.idp.wait_for(f"{self.issuer}/.well-known/openid-configuration", 120)
        self.start_hub()

    def stop(self):
        super().stop()
        self.ledger.end()
        if self._listening.is_alive():
            self._application.shutdown()
        self._application.server_close()

    @property
    def logout_tokens(self):
        """Those that the application got, oldest first."""
        return self._application.heard

    def administer(self, method, path, body=None):
        """One request to Keycloak's admin interface for the realm, with a token that lives for a minute."""
        with httpx2.Client(trust_env=False, timeout=30) as web:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self._administrator}
            token = web.post(f"{self.keycloak_url}/realms/master/protocol/openid-connect/token", data=form).json()
            headers = {"authorization": f"Bearer {token['access_token']}"}
            answer = web.request(method, f"{self.keycloak_url}/admin/realms/acme{path}", json=body, headers=headers)
            answer.raise_for_status()
            return answer.json() if answer.content else None

    def user_id(self, name):
        (user,) = self.administer("GET", f"/users?username={name}&exact=true")
        return user["id"]

    def set_enabled(self, name, enabled):
        self.administer("PUT", f"/users/{self.user_id(name)}", {"enabled": enabled})

    def end_sessions(self, name):
        """What *Sign out all active sessions* of one user does in the admin console."""
        self.administer("POST", f"/users/{self.user_id(name)}/logout")

    def sign_in(self, name, client, scope="openid", back=NOWHERE):
        """The tokens that an application gets for a person: Keycloak's login page answered by hand, a code with PKCE."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": client,
            "response_type": "code",
            "redirect_uri": back,
            "scope": scope,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        # Keycloak marks its cookies `Secure`, and a browser takes this machine for secure without https.
        policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https"))
        jar = http.cookiejar.CookieJar(policy)
        with httpx2.Client(trust_env=False, timeout=30, cookies=jar) as web:
            page = web.get(f"{self.issuer}/protocol/openid-connect/auth", params=query)
            form = re.search(r'<form[^>]* action="([^"]+)"', page.text)
            if not form:
                raise RuntimeError(f"Keycloak shows no form (status {page.status_code}): {page.text[:500]}")
            answer = web.post(html.unescape(form[1]), data={"username": name, "password": PASSWORD})
            place = answer.headers.get("location", "")
            if not place.startswith(back):
                raise RuntimeError(f"Keycloak did not let `{name}` in (status {answer.status_code})")
            (code,) = parse_qs(urlsplit(place).query)["code"]
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        status, tokens = self.token(fields, client)
        if status != 200:
            raise RuntimeError(f"no token for `{name}`: {tokens}")
        return tokens

    def token(self, fields, client="deputy"):
        """One request to the token endpoint; the hub's client shows its secret in the header."""
        with httpx2.Client(trust_env=False, timeout=30) as web:
            place = f"{self.issuer}/protocol/openid-connect/token"
            if client == "deputy":
                answer = web.post(place, data=fields, auth=(client, self.secret))
            else:
                answer = web.post(place, data={**fields, "client_id": client})
            return answer.status_code, answer.json()

    def exchange(self, subject_token, **other):
        """The hub's form of standard token exchange, for the ledger."""
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "requested_token_type": ACCESS_TOKEN,
            "audience": "ledger",
            "scope": "ledger.read",
            "subject_token": subject_token,
            "subject_token_type": ACCESS_TOKEN,
        }
        return self.token(form | other)


def looked_into(token, part=1):
    """The claims of a token (part 0: its header), whoever signed it."""
    text = token.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
