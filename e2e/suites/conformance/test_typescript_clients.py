"""MCP's own TypeScript clients in front of the hub that ships: the one of both eras, and the one that most programs still
have; at a server's own address and at `/mcp`. The Python client is in front of the same servers (`test_stock_servers`)."""

import asyncio
import json
import os

import pytest
from small_world import ROOT, node, wait_until

pytestmark = pytest.mark.anyio

# The SDK, and the revision that it finds or wants.
CLIENTS = {
    "client-modern": ("client", "modern", "2026-07-28"),
    "client-legacy": ("client", "legacy", "2025-11-25"),
    "sdk": ("sdk", "legacy", "2025-11-25"),
}
MANY = [f"tool_{at:04}" for at in range(1020)]


@pytest.fixture(params=CLIENTS)
def client(request):
    return CLIENTS[request.param]


async def used(stock, client, who, path, prefix, *steps):
    """What came of each step."""
    sdk, era, revision = client
    token = await asyncio.to_thread(stock.token, who, path)
    command = [node(), str(ROOT / "e2e/clients/use.js"), "--sdk", sdk, "--era", era]
    command += ["--url", f"{stock.hub_url}{path}", "--prefix", prefix, *steps]
    program = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "DEPUTY_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(program.communicate(), 90)
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 0, errors.decode()[-3000:]
    done = json.loads(out)
    assert done["version"] == revision
    return done


DOORS = {
    "own": ("/s/everything/mcp", "", ""),
    "own-http": ("/s/everything-http/mcp", "", ""),
    "own-sse": ("/s/everything-sse/mcp", "", ""),
    "all": ("/mcp", "everything__", "everything+"),
}


@pytest.mark.parametrize("door", DOORS)
async def test_everything_that_a_server_has_is_used_by_a_typescript_client(stock, client, door):
    path, prefix, before = DOORS[door]
    steps = ["list", "call", "resources", "prompts", "progress", "elicitation", "cancel"]
    done = await used(stock, client, "alice", path, prefix, *steps)
    assert f"{prefix}echo" in done["list"]["names"]
    assert done["call"] == {"isError": False, "texts": ["Echo: Grüße"]}
    uri = f"{before}demo://resource/static/document/features.md"
    assert uri in done["resources"]["uris"] and done["resources"]["uri"] == uri
    assert "Features" in done["resources"]["text"]
    assert f"{prefix}args-prompt" in done["prompts"]["names"] and "Turin" in done["prompts"]["text"]
    # Whoever has its answer may not hear of the last step any more.
    assert done["progress"]["seen"][:3] == [[1, 4], [2, 4], [3, 4]], done["progress"]
    assert "completed" in done["progress"]["texts"][0]
    assert len(done["elicitation"]["questions"]) == 1
    assert "Ada Lovelace" in "".join(done["elicitation"]["texts"])
    assert done["cancel"]["rejected"] and done["cancel"]["next"] == ["Echo: next"]
    assert done["cancel"]["took"] < 20_000
    await asyncio.to_thread(wait_until, "the outcome of the call that was given up", lambda: cancelled(stock, path))
    await asyncio.to_thread(stock.deputy, "audit", "verify")


def cancelled(stock, path):
    """The last long call of this server's is over because it was given up."""
    source = path.split("/")[2] if path != "/mcp" else "everything"
    lines = stock.log(source=source, tool="trigger-long-running-operation", subject="alice")
    return lines[-1]["kind"] == "outcome" and lines[-1]["outcome"] == "cancelled"


@pytest.mark.parametrize("path", ["/s/many/mcp", "/mcp"])
async def test_a_list_of_more_than_a_page_is_whole_for_a_typescript_client(stock, client, path):
    prefix = "" if path != "/mcp" else "many__"
    done = await used(stock, client, "carol", path, prefix, "--wants", MANY[-1], "list")
    names = done["list"]["names"]
    assert [name for name in names if name.startswith(f"{prefix}tool_")] == [prefix + name for name in MANY]
    assert len(set(names)) == len(names)
    assert path == "/mcp" or done["list"]["pages"] == 2


async def test_a_refusal_reaches_a_typescript_client_as_a_result_with_its_reason(stock, client):
    done = await used(stock, client, "bob", "/s/everything/mcp", "", "refused")
    assert done["refused"] == {"isError": True, "reason": "policy_denied"}
