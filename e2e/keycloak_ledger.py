"""An MCP server that tells with which token it was called. One JSON answer per request, in the legacy era.

It verifies nothing: tests do, and they ask it what came over the wire.
"""

import argparse
import base64
import http.server
import json

TOOL = {
    "name": "who_am_i",
    "description": "The claims of the token with which this server was called.",
    "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
    "annotations": {"readOnlyHint": True},
}


def claims(header):
    """What stands in a bearer token; `null` where there is none."""
    kind, _, token = (header or "").partition(" ")
    if kind != "Bearer" or token.count(".") != 2:
        return None
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def result(message, header):
    match message["method"]:
        case "initialize":
            server = {"name": "ledger", "version": "1.0.0"}
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(claims(header))}]}
        case "ping":
            return {}
    return None


class Ledger(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(200 if self.path == "/" else 405)

    def do_DELETE(self):
        self._answer(405)

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in message or "method" not in message:
            return self._answer(202)
        known = result(message, self.headers.get("authorization"))
        answer = {"error": {"code": -32601, "message": "no such method"}} if known is None else {"result": known}
        return self._answer(200, {"jsonrpc": "2.0", "id": message["id"], **answer})

    def _answer(self, status, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", arguments.parse_args().port), Ledger).serve_forever()


if __name__ == "__main__":
    main()
