"""A world with the two applications of `examples/`: one whose sessions live on its server, one behind oauth2-proxy."""

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from signing import POLICY
from small_world import ROOT, SmallWorld, free_port, node, wait_until

EXAMPLES = ROOT / "examples"
PROXY = ROOT / ".deputy/tools/bin/oauth2-proxy"


class At:
    """The same world, for people who look at one application of it."""

    def __init__(self, world, url):
        self._world, self.crm_url = world, url

    def __getattr__(self, name):
        return getattr(self._world, name)


class RenderedWorld(SmallWorld):
    """Identity provider, hub, and the two applications; the one behind the proxy is started by `start_wiki`."""

    def __init__(self, state):
        self.expenses_port, self.proxy_port = free_port(), free_port()
        self.expenses_url = f"http://expenses.localhost:{self.expenses_port}"
        self.wiki_url = f"http://wiki.localhost:{self.proxy_port}"
        super().__init__(state)
        secret = {"expenses-web": secrets.token_urlsafe(24), "wiki-proxy": secrets.token_urlsafe(24)}
        self.idp.command += ["--clients", json.dumps(self._clients(secret))]
        self.environment = {
            "ORIGIN": self.expenses_url,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "ISSUER": self.issuer,
            "CLIENT_ID": "expenses-web",
            "CLIENT_SECRET": secret["expenses-web"],
            "HUB": self.hub_url,
            "DATABASE": str(self.state / "expenses.sqlite3"),
        }
        app = EXAMPLES / "server-rendered/app.py"
        self.expenses = self._program("expenses", [sys.executable, app], self.environment)
        # Nobody else may look into it; and a socket's address is short.
        self.closed = Path(tempfile.mkdtemp(prefix="wiki-"))
        self.socket = self.closed / "app.sock"
        self.wiki = self._program("wiki", [node(), EXAMPLES / "behind-a-proxy/app.js"], self._wiki())
        self.proxy = self._program("proxy", self._proxy(), {
            "OAUTH2_PROXY_CLIENT_SECRET": secret["wiki-proxy"],
            "OAUTH2_PROXY_COOKIE_SECRET": secrets.token_hex(16),
        })

    def _clients(self, secret):
        wiki = {
            "client_id": "wiki-proxy",
            "client_secret": secret["wiki-proxy"],
            "redirect_uris": [f"{self.wiki_url}/oauth2/callback"],
            "post_logout_redirect_uris": [f"{self.wiki_url}/"],
            # By its address: programs outside the browser know no `.localhost`.
            "backchannel_logout_uri": f"http://127.0.0.1:{self.proxy_port}/logout/backchannel",
            "backchannel_logout_session_required": True,
        }
        expenses = {
            "client_id": "expenses-web",
            "client_secret": secret["expenses-web"],
            "redirect_uris": [f"{self.expenses_url}/callback"],
            "post_logout_redirect_uris": [f"{self.expenses_url}/"],
        }
        return [expenses, wiki]

    def _wiki(self):
        return {
            "ORIGIN": self.wiki_url,
            "SOCKET": str(self.socket),
            "ISSUER": self.issuer,
            "CLIENT_ID": "wiki-proxy",
            "HUB": self.hub_url,
        }

    def _proxy(self):
        """The example's configuration as it is; only addresses are this world's, and http on loopback."""
        return [
            PROXY,
            "--config", EXAMPLES / "behind-a-proxy/proxy.cfg",
            "--oidc-issuer-url", self.issuer,
            "--redirect-url", f"{self.wiki_url}/oauth2/callback",
            "--http-address", f"127.0.0.1:{self.proxy_port}",
            "--upstream", f"unix://{self.socket}",
            "--whitelist-domain", urlsplit(self.issuer).netloc,
            "--cookie-secure=false",
        ]

    def _config(self, hub):
        (self.state / "policy").mkdir()
        (self.state / "policy/all.cedar").write_text(POLICY)
        return f"""{super()._config(hub)}
[[app]]
name = "expenses"
origins = ["{self.expenses_url}"]
audiences = ["expenses-web"]
token = "id_token"
identity_provider = "idp"

[app.class]
list_expenses = ["read"]
add_expense = ["write"]

[[app]]
name = "wiki"
origins = ["{self.wiki_url}"]
audiences = ["wiki-proxy"]
token = "id_token"
identity_provider = "idp"

[app.class]
read_wiki = ["read"]
add_line = ["write"]

[policy]
dir = "{self.state / "policy"}"
"""

    def start(self):
        self.start_idp()
        self.start_hub()
        self.expenses.start()
        self.expenses.wait_for(f"{self.expenses_url}/")

    def start_wiki(self):
        self.wiki.start()
        wait_until("the wiki listening on its socket", self._listens)
        self.proxy.start()
        self.proxy.wait_for(f"http://127.0.0.1:{self.proxy_port}/ping")

    def _listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return self.socket.exists() and probe.connect_ex(str(self.socket)) == 0

    def stop(self):
        for program in (self.proxy, self.wiki, self.expenses):
            program.end()
        shutil.rmtree(self.closed, ignore_errors=True)
        super().stop()

    def flask(self, *arguments):
        """One command of the application with its sessions on the server, as its administrator."""
        command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
        environment = {**os.environ, **self.environment}
        folder = EXAMPLES / "server-rendered"
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


async def asks(person, method, path, headers=None, form=None):
    """One request with the cookies of the person's browser, of which no page of it knows. Redirects are not followed."""
    url = person.world.crm_url
    cookies = {cookie["name"]: cookie["value"] for cookie in await person.context.cookies(url)}

    def send():
        with httpx2.Client(trust_env=False, timeout=30, cookies=cookies) as http:
            return http.request(method, f"{url}{path}", headers=headers, data=form)

    return await asyncio.to_thread(send)
