"""Whose session it is: another user, another person in the same browser, and the end of a session."""

import asyncio

import pytest
from agents import agent, reason, tool_names, words
from people import follow
from small_world import wait_until

pytestmark = pytest.mark.anyio

GONE = {"session_ended", "tool_unknown", "tab_gone"}


async def test_inv_13_another_user_sees_nothing_of_the_first(world, browser, people, era):
    alice, bob = await people(world, browser, "alice"), await people(world, browser, "bob")
    await alice.sign_in()
    async with agent(alice, era) as of_alice, agent(bob, era) as of_bob:
        assert len(await tool_names(of_alice)) == 6
        assert await tool_names(of_bob) == []
        known = await of_bob.call_tool("crm__list_contacts", {})
        unknown = await of_bob.call_tool("crm__no_such_tool", {})
        assert known.is_error and reason(known) == reason(unknown) == "tool_unknown"
        assert words(known).replace("list_contacts", "") == words(unknown).replace("no_such_tool", "")


async def test_two_users_each_reach_their_own_tab(world, native_browser, people):
    alice, bob = await people(world, native_browser, "alice"), await people(world, native_browser, "bob")
    await alice.sign_in()
    await bob.sign_in()
    async with agent(alice) as of_alice, agent(bob) as of_bob:
        both = await asyncio.gather(*(client.call_tool("crm__list_contacts", {}) for client in (of_alice, of_bob)))
    assert "Greta Lindqvist" in words(both[0]) and "Hana Novak" not in words(both[0])
    assert "Hana Novak" in words(both[1]) and "Greta Lindqvist" not in words(both[1])


async def test_a_tab_whose_browser_now_belongs_to_bob_does_not_act_for_alice(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        await alice.signs_in_beside("bob")
        result = await client.call_tool("crm__list_contacts", {})
        assert result.is_error and reason(result) == "session_changed", words(result)
        assert "Hana Novak" not in words(result)
        await page.wait_for_selector('#deputy-status:not([data-state="open"])')
        again = await client.call_tool("crm__list_contacts", {})
        assert again.is_error and reason(again) in GONE | {"session_changed"}, words(again)


async def test_sign_out_ends_what_the_agent_may_do(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        assert not (await client.call_tool("crm__list_contacts", {})).is_error
        await alice.sign_out(page)
        result = await client.call_tool("crm__list_contacts", {})
        assert result.is_error and reason(result) in GONE, words(result)
        assert await tool_names(client) == []


async def test_a_sign_out_that_only_the_server_hears_ends_the_tab_at_once(world, native_browser, people):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice) as client:
        assert not (await client.call_tool("crm__list_contacts", {})).is_error
        # A page that has never heard of the hub: so nobody but the server can tell it.
        plain = await alice.open("/plain", ready=False)
        await follow(plain, "form button")
        await page.wait_for_selector('#deputy-status:not([data-state="open"])', timeout=1_000)
        result = await client.call_tool("crm__list_contacts", {})
        assert result.is_error and reason(result) == "session_ended", words(result)


async def test_p24_signing_out_in_one_tab_ends_the_others(world, browser, people):
    alice = await people(world, browser, "alice")
    first = await alice.sign_in()
    second = await alice.open("/contacts/c1")
    async with agent(alice) as client:
        await alice.sign_out(first)
        await second.wait_for_selector('#deputy-status[data-state="signed_out"]')
        result = await client.call_tool("crm__list_contacts", {})
        assert result.is_error and reason(result) in GONE, words(result)


async def test_a_closed_tab_takes_its_tools_along(world, native_browser, people, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        assert len(await tool_names(client)) == 6
        await page.close()
        async with asyncio.timeout(5):
            while await tool_names(client):
                await asyncio.sleep(0.1)


async def test_the_audit_log_of_all_this_verifies_and_names_who_did_what(world, native_browser, people):
    alice = await people(world, native_browser, "alice")
    await alice.sign_in()
    async with agent(alice) as client:
        await client.call_tool("crm__list_contacts", {})
    await asyncio.to_thread(world.deputy, "audit", "verify")
    listed = await asyncio.to_thread(lambda: wait_until(
        "the call in the log", lambda: "list_contacts" in (text := world.deputy("audit", "list").stdout) and text
    ))
    assert "alice" in listed
