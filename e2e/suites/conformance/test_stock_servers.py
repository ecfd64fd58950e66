"""MCP servers as people run them, behind the hub that ships and with an identity provider's tokens, used by the official
Python client in both eras and at both addresses: listed, called, refused to somebody else, and all of it in the log."""

import asyncio

import httpx2
import pytest
from agents import reason, tool_names, words
from stock import WORDS

pytestmark = pytest.mark.anyio

ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
# A tool of each, its arguments, whether it fails, and what it says. `fetch` fetches nothing from this machine, and nothing
# else is sure to be there: its own refusal arrives as it is.
CALLS = {
    "files": ("read_text_file", {"path": "{folder}/file.txt"}, False, WORDS),
    "everything": ("echo", {"message": WORDS}, False, WORDS),
    "memory": ("read_graph", {}, False, "entities"),
    "git": ("git_status", {"repo_path": "{folder}"}, False, "file.txt"),
    "time": ("get_current_time", {"timezone": "UTC"}, False, "UTC"),
    "fetch": ("fetch", {"url": "http://127.0.0.1:9/"}, True, "link-local"),
    "everything-http": ("echo", {"message": WORDS}, False, WORDS),
    "everything-sse": ("echo", {"message": WORDS}, False, WORDS),
}


def door(server, address):
    """The path of an address, and what a tool of the server is called there."""
    return (f"/s/{server}/mcp", "") if address == "/s" else ("/mcp", f"{server}__")


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("address", ["/s", "/mcp"])
@pytest.mark.parametrize("server", CALLS)
async def test_a_stock_server_is_used_by_whom_policy_lets_and_nobody_else(stock, server, address, mode):
    tool, arguments, fails, said = CALLS[server]
    arguments = {name: value.format(folder=stock.folder) for name, value in arguments.items()}
    path, prefix = door(server, address)
    before = len(await asyncio.to_thread(stock.log))
    async with asyncio.timeout(60), stock.client("alice", path, mode) as client:
        assert client.protocol_version == ERAS[mode]
        # At `/mcp` a server that takes its time to start is missing until it has started.
        while prefix + tool not in await tool_names(client):
            await asyncio.sleep(0.5)
        result = await client.call_tool(prefix + tool, arguments)
        assert (result.is_error, said in words(result)) == (fails, True), words(result)
    async with asyncio.timeout(60), stock.client("bob", path, mode) as client:
        assert prefix + tool not in await tool_names(client)
        refused = await client.call_tool(prefix + tool, arguments)
        assert refused.is_error and reason(refused) == "policy_denied", words(refused)
    log = [line for line in await asyncio.to_thread(stock.log, source=server, tool=tool) if line["seq"] >= before]
    calls = [line for line in log if "call" in line]
    assert [(line["kind"], line["user"]["subject"], line.get("outcome") or line.get("reason")) for line in calls] == [
        ("intent", "alice", None),
        ("outcome", "alice", "failed" if fails else "succeeded"),
        ("refusal", "bob", "policy_denied"),
    ]
    assert calls[0]["call"] == calls[1]["call"] != calls[2]["call"]
    await asyncio.to_thread(stock.deputy, "audit", "verify")


@pytest.mark.parametrize("path", ["/s/files/mcp", "/mcp"])
async def test_a_token_for_another_door_opens_no_stock_server(stock, path):
    others = ["/s/git/mcp", "/mcp" if path != "/mcp" else "/s/files/mcp"]
    tokens = [await asyncio.to_thread(stock.token, "alice", other) for other in others]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    async with httpx2.AsyncClient(trust_env=False) as http:
        for token in [*tokens, "a.b.c"]:
            headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
            answer = await http.post(f"{stock.hub_url}{path}", json=message, headers=headers)
            assert answer.status_code == 401
