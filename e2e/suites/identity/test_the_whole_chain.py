"""From a browser's sign-in to a call of a server that knows no identity: hub, ID-JAG of npm `oidc-provider`, `deputy guard`, ledger."""

import asyncio
import time

import pytest
from agents import Memory, data, words
from chain import ChainWorld
from conftest import STATE
from signing import agent
from small_world import ask, wait_until

pytestmark = pytest.mark.anyio
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture(scope="module")
def chain():
    with ChainWorld(STATE / "chain") as running:
        yield running


async def test_a_ledger_hears_who_asks_and_nobody_saw_a_second_page_or_a_key(chain, native_browser, people):
    alice, bob = [await people(chain, native_browser, name) for name in ("alice", "bob")]
    async with agent(alice) as client:
        read = await client.call_tool("ledger__list_entries", {})
        assert not read.is_error, words(read)
        assert data(read)["looking"] == "alice"
        added = await client.call_tool("ledger__add_entry", {"text": "paper", "amount": -12})
        assert not added.is_error, words(added)
        assert data(added)["by"] == "alice"
    async with agent(bob) as client:
        assert data(await client.call_tool("ledger__list_entries", {}))["looking"] == "bob"
    log = (await asyncio.to_thread(chain.deputy, "audit", "list", "--json")).stdout
    assert '"token_exchanged"' in log and '"exchange"' in log
    assert "eyJ" not in log, "no token is in the log"
    await asyncio.to_thread(chain.deputy, "audit", "verify")


async def test_the_ledger_can_be_reached_by_nobody_but_through_its_guard(chain, native_browser, people):
    bob = await people(chain, native_browser, "bob")
    storage = Memory()
    async with agent(bob, storage=storage) as client:
        assert not (await client.call_tool("ledger__list_entries", {})).is_error
    # d3: the hub's own token for Bob's agent opens the hub, and nothing of the guard's.
    for token in (None, storage.tokens.access_token):
        status, _ = await asyncio.to_thread(ask, "POST", f"{chain.guard_url}/mcp", PING, token)
        assert status == 401
    text = "\n".join(path.read_text(errors="replace") for path in (chain.state / "logs").glob("*.log"))
    assert storage.tokens.access_token not in text and "eyJ" not in text


async def test_whoever_is_disabled_at_the_provider_is_out_within_a_second_everywhere(chain, native_browser, people):
    carol = await people(chain, native_browser, "carol")
    storage = Memory()
    async with agent(carol, storage=storage) as client:
        assert not (await client.call_tool("ledger__list_entries", {})).is_error
    token = storage.tokens.access_token
    began = time.monotonic()
    status, _ = await asyncio.to_thread(ask, "POST", f"{chain.issuer}/admin/disable?person=carol")
    assert status == 204
    wait_until("Carol's agent being out", lambda: ask("POST", f"{chain.hub_url}/mcp", PING, token)[0] == 401, 1)
    assert time.monotonic() - began < 1
