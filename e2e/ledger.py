"""A ledger that knows no identity of its own: an MCP server on stdio, made with the official SDK. Whoever starts it says who asks, in
`_meta["dev.deputy/user"]`; what it has no name for it does not do."""

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("ledger")
ENTRIES = [{"by": "the auditor", "text": "opening balance", "amount": 1000}]


def person(context):
    """Who asks, as the guard before this server says it."""
    meta = context.request_context.meta
    said = dict(meta or {}).get("dev.deputy/user") if not hasattr(meta, "model_dump") else meta.model_dump().get("dev.deputy/user")
    if not said:
        raise PermissionError("nobody said who asks")
    return said["sub"]


@server.tool()
def list_entries(context: Context) -> dict:
    """Every entry of the ledger, and who is looking."""
    return {"looking": person(context), "entries": ENTRIES}


@server.tool()
def add_entry(text: str, amount: int, context: Context) -> dict:
    """Adds an entry in the name of whoever asks."""
    entry = {"by": person(context), "text": text, "amount": amount}
    ENTRIES.append(entry)
    return entry


if __name__ == "__main__":
    server.run("stdio")
