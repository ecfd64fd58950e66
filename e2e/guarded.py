"""`deputy guard` before a stock npm server, as the how-to page has it: an identity provider's key, a client's key, a config."""

import contextlib
import http.server
import json
import secrets
import threading
import time

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from small_world import Program, SmallWorld, free_port, node
from stock import SERVERS

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT = "hub"


class Signer:
    """Somebody who signs: the identity provider, the client."""

    def __init__(self, name):
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwks(self):
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "kid": self.name, "alg": "ES256", "use": "sig"}]}

    def sign(self, kind, claims):
        return jwt.encode(claims, self._key, "ES256", headers={"typ": kind, "kid": self.name})


class Guarded:
    """A guard on a free port, and everybody it knows."""

    def __init__(self, state):
        self.folder = state / "files"
        self.folder.mkdir()
        (self.folder / "file.txt").write_text("what stands in the file")
        self.idp, self.hub = Signer("idp"), Signer(CLIENT)
        self._published = self._publish()
        self.issuer = f"http://127.0.0.1:{self._published.server_port}"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.resource = f"{self.url}/mcp"
        self.denied = state / "denied.txt"
        (state / "hub.jwks.json").write_text(json.dumps(self.hub.jwks()))
        self.config = state / "guard.toml"
        self.config.write_text(self._config(port))
        program = [SmallWorld.binary("deputy"), "guard", "--config", self.config]
        self.guard = Program("guard", program, state / "guard.log")

    def _publish(self):
        body = json.dumps(self.idp.jwks()).encode()

        class Keys(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "application/jwk-set+json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _config(self, port):
        command = [node(), str(SERVERS / "server-filesystem/dist/index.js"), str(self.folder)]
        return f"""
listen = "127.0.0.1:{port}"
public_url = "{self.url}"
data_dir = "./guard-data"
users = "any_from_issuer"
denied_file = "denied.txt"

[[trusted_issuer]]
issuer = "{self.issuer}"
jwks_uri = "{self.issuer}/jwks"
algorithms = ["ES256"]

[[client]]
client_id = "{CLIENT}"
jwks_file = "hub.jwks.json"

[server]
command = {json.dumps(command)}
env = {{ PATH = "/usr/bin:/bin" }}

[scopes]
"files.read" = ["read_text_file", "list_directory"]
"files.write" = ["write_file"]
"""

    def __enter__(self):
        self.guard.start()
        self.guard.wait_for(f"{self.url}/healthz")
        return self

    def __exit__(self, *_):
        self.guard.end()
        self._published.shutdown()

    def jag(self, **other):
        """What the identity provider says of Alice."""
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "alice", "aud": self.url, "client_id": CLIENT, "resource": self.resource}
        claims |= {"scope": "files.read", "jti": secrets.token_hex(8), "iat": now, "exp": now + 300}
        return self.idp.sign("oauth-id-jag+jwt", claims | other)

    def id_token(self, **other):
        """What the identity provider said when Alice signed in at the hub."""
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "alice", "aud": CLIENT, "nonce": "n", "iat": now, "exp": now + 300}
        return self.idp.sign("JWT", claims | other)

    def redeem(self, assertion, client=CLIENT, **other):
        now = int(time.time())
        proof = {"iss": client, "sub": client, "aud": self.url, "jti": secrets.token_hex(8), "iat": now, "exp": now + 60}
        form = {
            "grant_type": GRANT,
            "assertion": assertion,
            "client_assertion_type": ASSERTION,
            "client_assertion": self.hub.sign("client-authentication+jwt", proof),
            **other,
        }
        with httpx2.Client(trust_env=False, timeout=30) as http:
            return http.post(f"{self.url}/oauth/token", data=form)

    def token(self, **other):
        answer = self.redeem(self.jag(**other))
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    @contextlib.asynccontextmanager
    async def client(self, token, mode):
        """The official Python client with this token."""
        headers = {"authorization": f"Bearer {token}"}
        timeout = httpx2.Timeout(30, read=120)
        async with httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=False) as http:
            transport = streamable_http_client(self.resource, http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client
