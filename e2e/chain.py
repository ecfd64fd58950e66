"""The whole chain: a person signs in at the hub, the provider asserts who they are to the guard of a ledger, and the ledger hears it."""

import json
import subprocess
import sys

from signing import SigningWorld
from small_world import ROOT, free_port

SCOPES = ["ledger.read", "ledger.write"]


class ChainWorld(SigningWorld):
    """The signing world, and a ledger behind `deputy guard`, which the hub reaches by ID-JAG."""

    def __init__(self, state, ports=(0, 0, 0), guard_port=0):
        self.guard_url = f"http://127.0.0.1:{free_port(guard_port)}"
        super().__init__(state, ports)
        self.resource = f"{self.guard_url}/mcp"
        target = {"audience": self.guard_url, "client_id": "deputy", "resources": [self.resource], "scopes": SCOPES}
        self.idp.command += ["--id-jag", json.dumps([target])]
        self.guard_config = self.state / "guard.toml"
        self.guard_config.write_text(self._guard())
        self.guard = self._program("guard", [self.binary("deputy"), "guard", "--config", self.guard_config])

    def _config(self, hub):
        key = self.state / "deputy.pem"
        make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)]
        subprocess.run(make, check=True, capture_output=True)
        return f"""{super()._config(hub)}
[[server]]
name = "ledger"
url = "{self.guard_url}/mcp"
credential = "id_jag"
authorization_server = "{self.guard_url}"
scopes = {json.dumps(SCOPES)}
client = {{ id = "deputy", private_key_jwt = {{ file = "{key}" }} }}

[server.class]
list_entries = ["read"]
add_entry = ["write"]
"""

    def _guard(self):
        command = json.dumps([sys.executable, str(ROOT / "e2e/ledger.py")])
        return f"""listen = "{self.guard_url.removeprefix("http://")}"
public_url = "{self.guard_url}"
data_dir = "{self.state / "guard-data"}"
users = "any_from_issuer"

[[trusted_issuer]]
issuer = "{self.issuer}"
algorithms = ["ES256"]

[[client]]
client_id = "deputy"
jwks_uri = "{self.hub_url}/.well-known/jwks.json"

[server]
command = {command}
env = {{ PATH = "/usr/bin:/bin" }}

[scopes]
"ledger.read" = ["list_entries"]
"ledger.write" = ["add_entry"]
"""

    def start(self):
        self.start_idp()
        self.start_hub()
        self.guard.start()
        self.guard.wait_for(f"{self.guard_url}/healthz")
        self.start_crm()

    def stop(self):
        self.guard.end()
        super().stop()


class DemoWorld(ChainWorld):
    """The chain under the policy that ships."""

    policy = None
    has_memory = False
