"""MCP servers as people run them behind the hub that ships: a config, a policy, an identity provider's tokens, a log."""

import contextlib
import json
import socket
import subprocess
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from small_world import ROOT, SmallWorld, free_port, node, wait_until
from tokens import access_token

SERVERS = ROOT / "e2e/servers/node_modules/@modelcontextprotocol"
WORDS = "what stands in the file"

# Alice uses the servers, Bob none of them; Carol has the one with very many tools besides.
POLICY = """@id("alice-uses-servers")
permit (principal, action == Deputy::Action::"call", resource)
when { principal.subject == "alice" && resource.source_kind == "server" && resource.source != "many" };

@id("carol-uses-servers")
permit (principal, action == Deputy::Action::"call", resource)
when { principal.subject == "carol" && resource.source_kind == "server" };
"""


def of_npm(name, *arguments):
    return [node(), str(SERVERS / f"server-{name}/dist/index.js"), *arguments]


def of_pypi(name, *arguments):
    return [sys.executable, "-m", f"mcp_server_{name}", *arguments]


class StockWorld(SmallWorld):
    """The identity provider and the hub, with the stock servers behind it."""

    def __init__(self, state):
        self.ports = {"everything-http": free_port(), "everything-sse": free_port()}
        super().__init__(state)
        self.folder = self.state / "folder"
        self.folder.mkdir()
        subprocess.run(["git", "init", "--quiet", self.folder], check=True)
        (self.folder / "file.txt").write_text(WORDS)
        (self.state / "policy").mkdir()
        (self.state / "policy/servers.cedar").write_text(POLICY)
        kinds = {"everything-http": "streamableHttp", "everything-sse": "sse"}
        self.servers = [
            self._program(name, ["/usr/bin/env", f"PORT={port}", *of_npm("everything", kinds[name])])
            for name, port in self.ports.items()
        ]
        self._tokens = {}

    def _config(self, hub):
        folder, path = str(self.state / "folder"), {"PATH": "/usr/bin:/bin"}
        memory = {**path, "MEMORY_FILE_PATH": str(self.state / "memory.jsonl")}
        programs = {
            "files": (of_npm("filesystem", folder), path),
            "everything": (of_npm("everything"), path),
            "memory": (of_npm("memory"), memory),
            "git": (of_pypi("git", "--repository", folder), path),
            "time": (of_pypi("time", "--local-timezone", "UTC"), path),
            "fetch": (of_pypi("fetch", "--ignore-robots-txt"), path),
            "many": ([sys.executable, str(ROOT / "e2e/many.py")], path),
        }
        blocks = [super()._config(hub), f'[policy]\ndir = "{self.state / "policy"}"\n']
        for name, (command, environment) in programs.items():
            values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in environment.items())
            blocks.append(f'[[server]]\nname = "{name}"\ncommand = {json.dumps(command)}\nenv = {{ {values} }}\n')
        for name, place in (("everything-http", "mcp"), ("everything-sse", "sse")):
            blocks.append(f'[[server]]\nname = "{name}"\nurl = "http://127.0.0.1:{self.ports[name]}/{place}"\n')
        return "\n".join(blocks)

    def start(self):
        for server in self.servers:
            server.start()
        for name, port in self.ports.items():
            wait_until(f"`{name}` listening", lambda port=port: _listens(port))
        self.start_idp()
        self.start_hub()

    def stop(self):
        super().stop()
        for server in self.servers:
            server.end()

    def token(self, name, path):
        """The person's token for this door; one per run."""
        if (name, path) not in self._tokens:
            self._tokens[name, path] = access_token(self, name, path)
        return self._tokens[name, path]

    @contextlib.asynccontextmanager
    async def client(self, name, path, mode, **options):
        """The official Python client, with this person's token for this door."""
        headers = {"authorization": f"Bearer {self.token(name, path)}"}
        timeout = httpx2.Timeout(30, read=120)
        async with httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=False) as http:
            transport = streamable_http_client(f"{self.hub_url}{path}", http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield client

    def log(self, **like):
        """The lines of the log that have these members, oldest first."""
        lines = self.deputy("audit", "list", "--json", "--limit", "0").stdout.splitlines()
        lines = sorted(map(json.loads, lines), key=lambda line: line["seq"])
        subject = like.pop("subject", None)
        return [
            line
            for line in lines
            if all(line.get(name) == value for name, value in like.items())
            and (subject is None or line.get("user", {}).get("subject") == subject)
        ]


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
