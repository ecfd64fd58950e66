"""A small world in which Keycloak is the authorization server of the ledger, and npm `oidc-provider` asserts who people are to it:
the hub takes ID-JAGs there (Keycloak's experimental feature `identity-assertion-jwt`)."""

import json
import os
import shutil
import subprocess

from keycloak import HOME, KeycloakWorld
from signing import POLICY, SECRET
from small_world import SmallWorld, free_port

FEATURE = "identity-assertion-jwt"
CLIENT = "deputy-at-keycloak"


class ReceivingWorld(KeycloakWorld):
    """People sign in at `oidc-provider`; Keycloak's realm gives tokens for the ledger."""

    def __init__(self, state):
        self.installed = state / "built"
        super().__init__(state)

    def _issuer(self, port):
        # Keycloak's own addresses, of which this is the authorization server's issuer.
        self._keycloak_port = free_port()
        self.realm = super()._issuer(self._keycloak_port)
        return SmallWorld._issuer(self, port)

    def _identity_provider(self, port):
        self.keycloak = super()._identity_provider(self._keycloak_port)
        provider = SmallWorld._identity_provider(self, port)
        target = {"audience": self.realm, "client_id": CLIENT, "resources": [self.resource], "scopes": ["ledger.read"]}
        provider.command += ["--id-jag", json.dumps([target])]
        return provider

    @property
    def resource(self):
        return f"http://127.0.0.1:{self._ledger_port}/mcp"

    def _config(self, hub):
        (self.state / "policy").mkdir()
        (self.state / "policy/all.cedar").write_text(POLICY)
        (self.state / "idp.secret").write_text(SECRET)
        key = self.state / "deputy.pem"
        make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)]
        subprocess.run(make, check=True, capture_output=True)
        return f"""# Written by the small world at each start.
[hub]
listen = "127.0.0.1:{hub}"
public_url = "{self.hub_url}"
data_dir = "{self.state / "data"}"

[[identity_provider]]
name = "idp"
issuer = "{self.issuer}"
client = {{ id = "deputy", secret = {{ file = "{self.state}/idp.secret" }} }}

[sign_in]
scopes = ["profile", "groups"]
dynamic_registration = true

[policy]
dir = "{self.state}/policy"

[[server]]
name = "ledger"
url = "{self.resource}"
credential = "id_jag"
authorization_server = "{self.realm}"
scopes = ["ledger.read"]
client = {{ id = "{CLIENT}", private_key_jwt = {{ file = "{key}" }} }}

[server.class]
who_am_i = ["read"]
"""

    def build(self):
        """Features are part of what `kc.sh build` makes: a copy of the Keycloak that is installed, with this one."""
        for part in ("bin", "lib", "conf", "providers", "themes"):
            shutil.copytree(HOME / part, self.installed / part)
        command = ["sh", self.installed / "bin/kc.sh", "build", "--db=dev-mem", f"--features={FEATURE}"]
        environment = {**os.environ, "JAVA_OPTS_KC_HEAP": "-Xmx512m"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"Keycloak cannot be built with {FEATURE}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def set_up(self):
        """What an administrator of the realm does, once: whom to trust, the hub's client, and who is who."""
        self.administer(
            "POST",
            "/identity-provider/instances",
            {
                "alias": "provider",
                "providerId": "oidc",
                "enabled": True,
                "config": {
                    "issuer": self.issuer,
                    "jwksUrl": f"{self.issuer}/jwks",
                    "useJwksUrl": "true",
                    "validateSignature": "true",
                    "authorizationUrl": f"{self.issuer}/auth",
                    "tokenUrl": f"{self.issuer}/token",
                    "clientId": "unused",
                    "clientSecret": "unused",
                    "jwtAuthorizationGrantEnabled": "true",
                    "jwtAuthorizationGrantAssertionReuseAllowed": "false",
                    "jwtAuthorizationGrantMaxAllowedAssertionExpiration": "300",
                    "jwtAuthorizationGrantAssertionSignatureAlg": "ES256",
                },
            },
        )
        self.administer(
            "POST",
            "/clients",
            {
                "clientId": CLIENT,
                "publicClient": False,
                "standardFlowEnabled": False,
                "directAccessGrantsEnabled": False,
                "clientAuthenticatorType": "client-jwt",
                # Keycloak grants what the request asks for, and the hub asks for nothing beside the assertion: so what is
                # granted is the default, whatever scopes the assertion has.
                "defaultClientScopes": ["basic", "ledger.read"],
                "attributes": {
                    "use.jwks.url": "true",
                    "jwks.url": f"{self.hub_url}/.well-known/jwks.json",
                    "token.endpoint.auth.signing.alg": "ES256",
                    "oauth2.jwt.authorization.grant.enabled": "true",
                    "oauth2.jwt.authorization.grant.idp": "provider",
                },
            },
        )
        for name in ("alice", "carol"):
            link = {"identityProvider": "provider", "userId": name, "userName": name}
            self.administer("POST", f"/users/{self.user_id(name)}/federated-identity/provider", link)

    def grant_by_default(self, scope):
        """One more scope that Keycloak grants the hub's client without being asked."""
        [client] = self.administer("GET", f"/clients?clientId={CLIENT}")
        [known] = [one for one in self.administer("GET", "/client-scopes") if one["name"] == scope]
        self.administer("PUT", f"/clients/{client['id']}/default-client-scopes/{known['id']}")

    def start(self):
        self.build()
        self._listening.start()
        self.keycloak.start()
        self.start_idp()
        self.ledger.start()
        self.ledger.wait_for(f"http://127.0.0.1:{self._ledger_port}/")
        self.start_hub()
        self.keycloak.wait_for(f"{self.realm}/.well-known/openid-configuration", 180)
        self.set_up()

    def stop(self):
        super().stop()
        self.keycloak.end()
        shutil.rmtree(self.installed, ignore_errors=True)
