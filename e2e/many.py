"""A server with more tools than fit one of the hub's pages: 1,020 of them, given out by 150. A message per line, in the legacy era."""

import json
import sys

COUNT, PAGE = 1020, 150


def page(params):
    begin = int((params or {}).get("cursor") or 0)
    end = min(begin + PAGE, COUNT)
    schema = {"type": "object", "properties": {}}
    tools = [{"name": f"tool_{at:04}", "description": f"Number {at}", "inputSchema": schema} for at in range(begin, end)]
    return {"tools": tools, **({"nextCursor": str(end)} if end < COUNT else {})}


def result(message):
    match message["method"]:
        case "initialize":
            server = {"name": "many", "version": "1.0.0"}
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list":
            return page(message.get("params"))
        case "tools/call":
            return {"content": [{"type": "text", "text": message["params"]["name"]}]}
        case "ping":
            return {}
    return None


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        known = result(message)
        answer = {"error": {"code": -32601, "message": "no such method"}} if known is None else {"result": known}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
