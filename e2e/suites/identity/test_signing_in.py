"""People sign in at the hub through npm `oidc-provider`, on real pages, and agents get their tokens from the hub."""

import asyncio
import time

import pytest
from agents import Memory, tool_names, words
from signing import SigningWorld, agent
from conftest import STATE
from small_world import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def signing_world():
    with SigningWorld(STATE / "signing") as running:
        yield running


async def test_an_agent_gets_its_token_from_the_hub_after_one_page_and_no_second_one(
    signing_world, native_browser, people
):
    alice = await people(signing_world, native_browser, "alice")
    asked = []
    async with agent(alice, asked=asked, shot=signing_world.state / "consent.png") as client:
        assert "memory__read_graph" in await tool_names(client)
        result = await client.call_tool("memory__create_entities", {"entities": [
            {"name": "Deputy", "entityType": "hub", "observations": ["acts as Alice"]}]})
        assert not result.is_error, words(result)
    # The same agent again, in a client that kept nothing but its registration: the person is not asked again.
    async with agent(alice, asked=asked) as client:
        assert not (await client.call_tool("memory__read_graph", {})).is_error
    assert asked[0] is True
    log = await asyncio.to_thread(signing_world.deputy, "audit", "list", "--json")
    kinds = [line for line in log.stdout.splitlines()]
    text = "\n".join(kinds)
    for kind in ("login_began", "access_granted", "client_registered", "sign_in", "intent", "outcome"):
        assert f'"{kind}"' in text, kind
    assert "eyJ" not in text, "no token is in the log"


async def test_a_permission_to_read_does_not_write_and_the_person_is_asked_for_more(
    signing_world, native_browser, people
):
    bob = await people(signing_world, native_browser, "bob")
    asked = []
    # The page lets only look at first, and to change when the agent comes back for it (403, `insufficient_scope`).
    async with agent(bob, most=["read", "write"], asked=asked) as client:
        assert not (await client.call_tool("memory__read_graph", {})).is_error
        assert asked == [True]
        result = await client.call_tool("memory__create_entities", {"entities": []})
        assert not result.is_error, words(result)
        assert asked == [True, True]
    log = (await asyncio.to_thread(signing_world.deputy, "audit", "list", "--json")).stdout
    assert '"grant_exceeded"' in log


async def test_who_says_no_is_asked_for_nothing(signing_world, native_browser, people):
    carol = await people(signing_world, native_browser, "carol")
    with pytest.raises(BaseException) as refused:
        async with agent(carol, decision="refuse"):
            pass
    assert "access_denied" in repr(_leaves(refused.value))


async def test_the_person_sees_and_ends_what_agents_may_do_and_running_ones_notice_within_a_second(
    signing_world, native_browser, people
):
    alice = await people(signing_world, native_browser, "alice")
    storage = Memory()
    async with agent(alice, storage=storage) as client:
        assert not (await client.call_tool("memory__read_graph", {})).is_error
        page = await alice.context.new_page()
        await page.goto(f"{signing_world.hub_url}/login")
        await page.screenshot(path=signing_world.state / "login.png", full_page=True)
        assert "Small world's agent" in await page.inner_text("table")
        await page.click('form[action="/login/end"] button')
        await page.wait_for_selector("a.button")
        token = storage.tokens.access_token
    from small_world import ask

    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    began = time.monotonic()
    wait_until("the token ended", lambda: ask("POST", f"{signing_world.hub_url}/mcp", body, token)[0] == 401, 1)
    assert time.monotonic() - began < 1


async def test_deputy_revoke_ends_a_persons_agents_from_the_command_line(signing_world, native_browser, people):
    alice = await people(signing_world, native_browser, "alice")
    storage = Memory()
    async with agent(alice, storage=storage) as client:
        assert not (await client.call_tool("memory__read_graph", {})).is_error
    listed = await asyncio.to_thread(signing_world.deputy, "revoke", "--list")
    assert "may go as far as write for `alice`" in listed.stdout, listed.stdout
    await asyncio.to_thread(signing_world.deputy, "revoke", "user", signing_world.issuer, "alice")
    from small_world import ask

    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert ask("POST", f"{signing_world.hub_url}/mcp", body, storage.tokens.access_token)[0] == 401


def _leaves(error):
    """What went wrong, out of the groups that task groups wrap it in."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
