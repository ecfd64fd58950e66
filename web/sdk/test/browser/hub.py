"""The transport of a hub: a real WebSocket that passes every frame on to the page that tests it.

`/tab` is what the SDK connects to. `/control` is what the suite connects to: it hears of each socket and frame of
`/tab`, and says what the hub should answer. Everything else is a file.
"""

import asyncio
import base64
import hashlib
import json
import mimetypes
import threading
import time
from pathlib import Path

SDK = Path(__file__).resolve().parents[2]
ROUTES = {
    "/sdk/": SDK,
    "/copy/": SDK,  # the same files under another address: a second copy of the SDK
    "/vectors/": SDK.parents[1] / "vectors",
    "/": Path(__file__).resolve().parent / "pages",
}
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; frame-src 'self' http://*.localhost:*; "
    "require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'; form-action 'none'"
)
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class Socket:
    """The server's end of one WebSocket: text messages and the code of the close."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.code = 1006
        self.closing = False

    async def messages(self):
        text = b""
        while True:
            try:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
                mask = await self.reader.readexactly(4)
                data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await self.reader.readexactly(size)))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            kind = first & 0x0F
            if kind == 8:
                self.code = int.from_bytes(data[:2]) if size >= 2 else 1005
                # The browser's answer to our own is not answered again: that would be no clean close.
                if not self.closing:
                    self._frame(8, data)
                return
            if kind in (0, 1):
                text += data
                if first & 0x80:
                    yield text.decode()
                    text = b""

    def send(self, text):
        self._frame(1, text.encode())

    def close(self, code):
        self.closing = True
        self._frame(8, code.to_bytes(2))

    def _frame(self, kind, data):
        size = len(data)
        head = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
        if not self.writer.is_closing():
            self.writer.write(bytes([0x80 | kind]) + head + data)


class Hub:
    """Runs in a thread of its own; `origin` is its address, `log` what the sockets of `/tab` did."""

    def __init__(self):
        self.log = []
        self.tabs = []
        self.answers = {}  # what a test serves beside the files: by path, the type and the text
        self.control = None
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(10)

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(10)

    def until(self, find):
        """The first line of the log that `find` accepts, waiting for it."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = next((news for news in list(self.log) if find(news)), None)
            if found is not None:
                return found
            time.sleep(0.01)
        raise AssertionError(f"the hub never heard it; the log is {self.log}")

    def greet(self, number):
        """Answers the `hello` of a socket; gives that frame."""
        hello = self.until(lambda news: news["socket"] == number and news.get("frame", {}).get("type") == "hello")["frame"]
        welcome = {
            "v": 1, "type": "welcome", "id": hello["id"], "seq": 1, "version": 1, "app": "crm", "origin": self.origin,
            "user": {"issuer": "https://idp.acme.example", "subject": "alice"}, "toolsKnown": False,
            "sessionExpiresAt": 1_900_000_000_000,
            "limits": {"frameBytes": 1_000_000, "tools": 256, "definitionBytes": 16_384, "callsInFlight": 32, "queue": 64, "framesPerSecond": 50},
            "heartbeat": {"intervalMs": 15_000, "deadMs": 40_000},
        }  # fmt: skip
        self._loop.call_soon_threadsafe(self.tabs[number].send, json.dumps(welcome))
        return hello

    def said(self, number, kind):
        """The first frame of that type from a socket, waiting for it."""
        return self.until(lambda news: news["socket"] == number and news.get("frame", {}).get("type") == kind)["frame"]

    def ended(self, number):
        """The close code of a socket, waiting for it."""
        return self.until(lambda news: news["socket"] == number and "closed" in news)["closed"]

    def call(self, number, tool, origin, arguments=None, seq=2):
        """Calls a tool as it was told; `seq` is 2 for a hub that has only greeted. Gives the call's id."""
        call = {
            "v": 1, "type": "call", "id": f"call_{number:08d}{seq:08d}", "seq": seq, "arguments": arguments or {}, "timeoutMs": 60_000, "client": "c",
            "tool": {"name": tool["name"], "hash": self.hash(tool, origin)},
            "agent": {"type": "automated_agent", "verification": "none"}, "class": ["read"], "assertion": "a.b.c",
        }  # fmt: skip
        self._loop.call_soon_threadsafe(self.tabs[number].send, json.dumps(call))
        return call["id"]

    @staticmethod
    def hash(tool, origin):
        """The definition's hash, for definitions without numbers that JSON writes in two ways."""
        text = json.dumps({**tool, "origin": origin}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def result(self, call):
        """What a call answered, waiting for it."""
        frame = self.until(lambda news: news.get("frame", {}).get("id") == call and news["frame"]["type"] in ("result", "error"))["frame"]
        return frame.get("result", frame)

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        self._loop.run_forever()

    async def _end(self):
        open_now = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)
        self._loop.stop()

    async def _serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1].split("?")[0]
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            if "upgrade" in headers:
                await self._upgrade(path, head, reader, writer)
            else:
                await reader.readexactly(int(headers.get("content-length", 0)))
                self._file(path, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _file(self, path, writer):
        prefix = next(prefix for prefix in ROUTES if path.startswith(prefix))
        file = (ROUTES[prefix] / path[len(prefix):]).resolve()
        found = path in self.answers or (file.is_file() and ROUTES[prefix] in file.parents)
        kind, body = mimetypes.guess_type(file.name)[0] or "text/plain", b""
        if path in self.answers:
            kind, body = self.answers[path][0], self.answers[path][1].encode()
        elif found:
            body = file.read_bytes()
        head = [
            f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}",
            f"Content-Type: {kind}; charset=utf-8",
            f"Content-Length: {len(body)}",
            f"Content-Security-Policy: {POLICY}",
            "Access-Control-Allow-Origin: *",  # as the hub does for the SDK of its applications' pages
            "Connection: close",
        ]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    async def _upgrade(self, path, head, reader, writer):
        key = next(line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}"]
        if path == "/tab":
            answer.append("Sec-WebSocket-Protocol: deputy.tab.v1")
        writer.write("\r\n".join(answer).encode() + b"\r\n\r\n")
        socket = Socket(reader, writer)
        origin = next((line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("origin: ")), None)
        await (self._tab(socket, origin) if path == "/tab" else self._control(socket))

    async def _tab(self, socket, origin):
        number = len(self.tabs)
        self.tabs.append(socket)
        self._tell({"socket": number, "opened": True, "origin": origin})
        async for text in socket.messages():
            self._tell({"socket": number, "frame": json.loads(text)})
        self._tell({"socket": number, "closed": socket.code})

    async def _control(self, socket):
        self.control = socket
        async for text in socket.messages():
            order = json.loads(text)
            tab = self.tabs[order["socket"]]
            if "text" in order:
                tab.send(order["text"])
            else:
                tab.close(order["close"])

    def close(self, numbers, code):
        """Closes these sockets, all at once."""
        for number in numbers:
            self._loop.call_soon_threadsafe(self.tabs[number].close, code)

    def _tell(self, news):
        news["at"] = time.monotonic()
        self.log.append(news)
        if self.control is not None:
            self.control.send(json.dumps(news))
