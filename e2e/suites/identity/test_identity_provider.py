"""A real identity provider: npm `oidc-provider`, up and down, and tokens that are not for this door."""

import asyncio

import pytest
from agents import Memory, agent, words
from approvals import Desk
from small_world import ask, wait_until

pytestmark = pytest.mark.anyio


async def test_b5_the_hub_starts_while_the_identity_provider_is_down_and_heals(own_world, native_browser, people):
    await asyncio.to_thread(own_world.start_hub, "/healthz")
    status, _ = await asyncio.to_thread(ask, "GET", f"{own_world.hub_url}/mcp", None, "a.b.c")
    assert status in (401, 405, 503)
    await asyncio.to_thread(own_world.start_crm)
    alice = await people(own_world, native_browser, "alice")
    page = await alice.open("/", ready=False)
    await page.click("a.button")
    assert "cannot be reached" in await page.inner_text("body")
    await asyncio.to_thread(own_world.start_idp)
    await page.goto(own_world.crm_url)
    await page.close()
    await alice.sign_in()
    async with agent(alice) as client:
        result = await client.call_tool("crm__list_contacts", {})
        assert not result.is_error, words(result)


async def test_b5_known_keys_work_while_the_identity_provider_is_down(own_world, native_browser, people):
    await asyncio.to_thread(own_world.start)
    alice = await people(own_world, native_browser, "alice")
    await alice.sign_in()
    async with agent(alice) as client:
        assert not (await client.call_tool("crm__list_contacts", {})).is_error
        await asyncio.to_thread(own_world.idp.end)
        result = await client.call_tool("crm__list_contacts", {})
        assert not result.is_error, words(result)


async def test_a9_a_token_for_another_door_does_not_open_this_one(world, native_browser, people):
    alice = await people(world, native_browser, "alice")
    await alice.sign_in()
    desk = await Desk.of(alice)
    storage = Memory()
    async with agent(alice, storage=storage):
        access_token = storage.tokens.access_token
    initialize = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    for_the_api, _ = await asyncio.to_thread(ask, "POST", f"{world.hub_url}/mcp", initialize, desk.token)
    assert for_the_api == 401
    for_mcp, _ = await asyncio.to_thread(ask, "GET", f"{world.hub_url}/api/approvals", None, access_token)
    assert for_mcp == 401
    ticket = {"app": "crm", "origin": world.crm_url}
    for_agents, _ = await asyncio.to_thread(ask, "POST", f"{world.hub_url}/api/tickets", ticket, access_token)
    assert for_agents == 401


async def test_a13_a_stranger_gets_the_way_to_sign_in_and_no_reason(world):
    answers = [
        await asyncio.to_thread(ask, "POST", f"{world.hub_url}/mcp", {"jsonrpc": "2.0"}, token)
        for token in (None, "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.")
    ]
    assert {status for status, _ in answers} == {401}
    assert len({str(body) for _, body in answers}) == 1


async def test_a_user_the_provider_does_not_know_cannot_sign_in(world, native_browser, people):
    mallory = await people(world, native_browser, "mallory")
    page = await mallory.open("/", ready=False)
    await page.click("a.button")
    await page.fill('input[name="login"]', "mallory")
    await page.fill('input[name="password"]', "any")
    await page.click('button[type="submit"]')
    await page.wait_for_load_state()
    assert page.url.startswith(world.issuer)


async def test_deputy_check_says_that_the_provider_is_down(own_world):
    done = await asyncio.to_thread(own_world.deputy, "check", check=False)
    assert done.returncode != 0
    assert own_world.issuer in done.stdout + done.stderr


def test_deputy_check_is_content_with_this_world(world):
    done = wait_until("a content check", lambda: world.deputy("check", check=False))
    assert done.returncode == 0, done.stdout + done.stderr
