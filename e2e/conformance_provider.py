"""An identity provider for one hub under the conformance suite: it signs one person in without a question.

The suite's own provider (of enterprise-managed authorization) signs nobody in: it has no page, publishes no keys, and its one
ID token has no nonce. So this one stands at its place, under its issuer, and where the hub exchanges the ID token that it was
given here, this puts the suite's ID token into the form, changes nothing else of it, and hands back what the suite says.
"""

import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class Provider:
    """Answers on a loopback port until it is closed. `exchange`: the suite's token endpoint and ID token."""

    def __init__(self, client, subject, issuer=None, exchange=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.client, self.subject, self.exchange = client, subject, exchange
        self.codes, self.given = {}, None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Door", (Door,), {"provider": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.issuer = issuer or self.url
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def signed(self, kind, **claims):
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": self.subject, "iat": now, "exp": now + 3600, **claims}
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"typ": kind, "kid": "one"})

    def access_token(self, audience):
        """What an agent of this person brings to one door of the hub."""
        return self.signed("at+jwt", aud=audience, client_id="conformance-client", jti=secrets.token_hex(8))

    def discovery(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self):
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**key, "kid": "one", "alg": "ES256", "use": "sig"}]}

    def authorized(self, asked):
        """The address to which the browser goes back."""
        code = secrets.token_hex(8)
        self.codes[code] = asked["nonce"]
        back = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urllib.parse.urlencode(back)}"

    def token(self, form):
        """Status and body."""
        if form["grant_type"] == EXCHANGE and self.exchange:
            return self.exchanged(form)
        nonce = self.codes.pop(form.get("code"), None)
        if nonce is None:
            return 400, {"error": "invalid_grant"}
        self.given = self.signed("JWT", aud=self.client, nonce=nonce)
        access = secrets.token_hex(16)
        return 200, {"access_token": access, "token_type": "Bearer", "expires_in": 3600, "id_token": self.given}

    def exchanged(self, form):
        endpoint, id_token = self.exchange
        if form["subject_token"] != self.given:
            return 400, {"error": "invalid_grant", "error_description": "this is not the ID token that the hub was given"}
        body = urllib.parse.urlencode({**form, "subject_token": id_token}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(endpoint, body, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


class Door(BaseHTTPRequestHandler):
    """The provider's addresses."""

    provider = None

    def do_GET(self):
        place = urllib.parse.urlsplit(self.path)
        if place.path == "/authorize":
            self.send_response(302)
            self.send_header("location", self.provider.authorized(dict(urllib.parse.parse_qsl(place.query))))
            self.send_header("content-length", "0")
            self.end_headers()
        elif place.path == "/.well-known/openid-configuration":
            self.say(200, self.provider.discovery())
        elif place.path == "/jwks":
            self.say(200, self.provider.jwks())
        else:
            self.say(404, {})

    def do_POST(self):
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        self.say(*self.provider.token(dict(urllib.parse.parse_qsl(form))))

    def say(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: what it was asked is in the suite's own checks."""
