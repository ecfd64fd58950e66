"""A crowd of MCP clients before one hub, each with a connection that it wants to keep: small enough for a thousand."""

import asyncio
import collections
import itertools
import json
import socket
import sys
import time
from pathlib import Path

from small_world import ROOT, SmallWorld, free_port, wait_until
from tokens import access_token

POLICY = """@id("alice-uses-servers")
permit (principal, action == Deputy::Action::"call", resource)
when { principal.subject == "alice" && resource.source_kind == "server" };
"""
SERVER = "crowded"
# How many agents of hers Alice has: each is a principal of its own, and has its share of the crowd.
AGENTS = 10
# How long one request may go without any answer before its client says that it waits for ever.
PATIENCE = 30.0
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "crowd", "version": "1.0.0"},
}


class CrowdWorld(SmallWorld):
    """Identity provider, hub, and one server behind it at an address."""

    def __init__(self, state):
        self.upstream_port = free_port()
        super().__init__(state)
        (self.state / "policy").mkdir()
        (self.state / "policy/servers.cedar").write_text(POLICY)
        self.upstream = self._program("upstream", [sys.executable, ROOT / "e2e/crowded.py", self.upstream_port])

    def _config(self, hub):
        return f"""{super()._config(hub)}
[policy]
dir = "{self.state / "policy"}"

[[server]]
name = "{SERVER}"
url = "http://127.0.0.1:{self.upstream_port}/mcp"

[server.class]
echo = ["read"]
"""

    def start(self):
        self.start_upstream()
        self.start_idp()
        self.start_hub()
        doors = ["/mcp", f"/s/{SERVER}/mcp"]
        self.tokens = {door: [access_token(self, "alice", door) for _ in range(AGENTS)] for door in doors}

    def start_upstream(self):
        self.upstream.start()
        wait_until("the upstream listening", lambda: _listens(self.upstream_port))

    def stop(self):
        super().stop()
        self.upstream.end()

    def hub_memory_kb(self):
        lines = Path(f"/proc/{self.hub.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Refused(Exception):
    """An answer that is no success: its status, and whether it says to come again."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {headers} {body[:300]!r}")
        self.status, self.comes_again = status, "retry-after" in headers


class Answer:
    """The answer to one request on a connection of its own."""

    def __init__(self, status, headers, reader, writer):
        self.status, self.headers, self.reader, self.writer = status, headers, reader, writer

    async def messages(self):
        """What comes: of a stream one by one, else the one that there is. Ends with the connection."""
        if "text/event-stream" in self.headers.get("content-type", ""):
            async for line in self.reader:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        elif body := await self.reader.read():
            yield json.loads(body)

    def close(self):
        self.writer.transport.abort()


async def ask(port, method, path, headers, body=b""):
    """Sends one request; gives its answer as soon as there is one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()] + [f"content-length: {len(body)}", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        status = await reader.readline()
        if not status:
            raise ConnectionResetError("the connection ended before the answer")
        told = {}
        while (line := (await reader.readline()).strip()):
            name, _, value = line.decode().partition(":")
            told[name.lower()] = value.strip()
        status = int(status.split()[1])
        if status >= 300:
            raise Refused(status, told, await reader.read())
        return Answer(status, told, reader, writer)
    except BaseException:
        writer.transport.abort()
        raise


class Client:
    """One of the crowd. `kind` is what it keeps open: `session` (legacy, at `/mcp`), `listen` (modern, at the server's own
    address), `call` (modern, a call that takes for ever)."""

    def __init__(self, crowd, at, kind):
        self.crowd, self.at, self.kind = crowd, at, kind
        self.door = "/mcp" if kind == "session" else f"/s/{SERVER}/mcp"
        self.token = crowd.world.tokens[self.door][at % AGENTS]
        self.ids = itertools.count(1)
        self.session = self.kept = None
        self.changes = 0
        self.ended = asyncio.Event()
        self.end = None

    def _headers(self, more):
        accept = "application/json, text/event-stream"
        return {"authorization": f"Bearer {self.token}", "accept": accept, "content-type": "application/json", **more}

    async def _post(self, method, params):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            message["id"] = next(self.ids)
        if self.kind == "session":
            headers = {"mcp-session-id": self.session} if self.session else {}
        else:
            message["params"] = {**params, "_meta": {**META, "progressToken": 1} if self.kind == "call" else META}
            headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
            if "name" in params:
                headers["mcp-name"] = params["name"]
        port = self.crowd.port
        return await ask(port, "POST", self.door, self._headers(headers), json.dumps(message).encode())

    async def result(self, method, params):
        """What answers one request."""
        answer = await self._post(method, params)
        try:
            async for message in answer.messages():
                if "id" in message and "method" not in message:
                    return message
        finally:
            answer.close()
        raise ConnectionResetError("the stream ended before the answer")

    async def come(self):
        """Comes, and comes again as long as it is told to, until it has what it wants to keep."""
        await self._until_through(self._come_once)

    async def call(self, word):
        """A call's answer; repeated as long as a refusal says that this can be."""
        name = "echo" if self.kind != "session" else f"{SERVER}__echo"

        async def once():
            answer = await self.result("tools/call", {"name": name, "arguments": {"word": word}})
            result = answer["result"]
            if result.get("isError"):
                raise NotNow(reason(answer))
            return result["content"][0]["text"]

        return await self._until_through(once)

    async def _until_through(self, once):
        while True:
            try:
                return await asyncio.wait_for(once(), PATIENCE)
            except TimeoutError:
                self.crowd.met["waited for ever"] += 1
                raise AssertionError(f"{self.kind} {self.at} had no answer within {PATIENCE:g} s") from None
            except OSError as error:
                self.crowd.met[type(error).__name__] += 1
            except NotNow as error:
                assert error.reason in ("upstream_unavailable", "outcome_unknown", "busy", "upstream_timeout"), error.reason
                self.crowd.met[error.reason] += 1
            except Refused as error:
                self.crowd.met[error.status] += 1
                is_forgotten = error.status == 404 and self.session
                assert is_forgotten or (error.status in (429, 503) and error.comes_again), error
                if is_forgotten:
                    self.session = None
            await asyncio.sleep(0.25)

    async def _come_once(self):
        if self.kind == "session":
            if not self.session:
                self.session = await self._initialize()
            answer = await ask(self.crowd.port, "GET", self.door, self._headers({"mcp-session-id": self.session}))
        elif self.kind == "listen":
            answer = await self._post("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            first = await anext(answer.messages())
            assert first["method"] == "notifications/subscriptions/acknowledged", first
        else:
            answer = await self._post("tools/call", {"name": "wait", "arguments": {}})
            first = await anext(answer.messages())
            # Until it says that it waits it may not even have begun.
            if first.get("method") != "notifications/progress":
                raise NotNow(reason(first))
        self.ended = asyncio.Event()
        self.kept = asyncio.create_task(self._hear(answer))

    async def _initialize(self):
        opening = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": META["io.modelcontextprotocol/clientInfo"],
        }
        answer = await self._post("initialize", opening)
        session = answer.headers["mcp-session-id"]
        answer.close()
        self.session = session
        (await self._post("notifications/initialized", {})).close()
        listed = await self.result("tools/list", {})
        assert any(tool["name"] == f"{SERVER}__echo" for tool in listed["result"]["tools"]), listed
        return session

    async def _hear(self, answer):
        try:
            async for message in answer.messages():
                if message.get("method") == "notifications/tools/list_changed":
                    self.changes += 1
                if "result" in message:
                    self.end = reason(message)
        except OSError:
            self.end = "connection"
        finally:
            answer.close()
            self.ended.set()

    def leave(self):
        if self.kept:
            self.kept.cancel()


def reason(message):
    """Why a call did not succeed."""
    return message["result"].get("_meta", {}).get("dev.deputy/reason")


class NotNow(Exception):
    """A call was refused for a reason that passes."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Crowd:
    """All of them."""

    def __init__(self, world, **kinds):
        self.world, self.port = world, int(world.hub_url.rpartition(":")[2])
        # What clients met on their way: a kind of error, a status, a reason, and how often.
        self.met = collections.Counter()
        each = [kind for kind, count in kinds.items() for _ in range(count)]
        self.clients = [Client(self, at, kind) for at, kind in enumerate(each)]

    def of(self, *kinds):
        return [client for client in self.clients if client.kind in kinds]

    async def all_come(self, seconds):
        """Everybody at once; how long it took until the last one was through."""
        return await self.together((client.come() for client in self.clients), seconds)

    async def all_call(self, seconds):
        """Everybody at once; each has its own answer."""

        async def one(client):
            word = f"word of {client.at}"
            assert await client.call(word) == word

        return await self.together((one(client) for client in self.clients), seconds)

    async def all_ended(self, clients, seconds):
        """What each kept has ended."""
        return await self.together((client.ended.wait() for client in clients), seconds)

    async def all_hear(self, clients, seconds):
        """Each is told of one change more."""
        before = {client: client.changes for client in clients}

        async def one(client):
            while client.changes == before[client]:
                await asyncio.sleep(0.05)

        return await self.together((one(client) for client in clients), seconds)

    async def together(self, each, seconds):
        """All of these; how long it took until the last was done."""
        began = time.monotonic()
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            for one in each:
                tasks.create_task(one)
        return time.monotonic() - began

    async def all_are_refused(self, what, count, seconds):
        """So many were refused so since the crowd was last asked what it met."""
        async with asyncio.timeout(seconds):
            while self.met[what] < count:
                await asyncio.sleep(0.02)

    def leave(self):
        for client in self.clients:
            client.leave()
