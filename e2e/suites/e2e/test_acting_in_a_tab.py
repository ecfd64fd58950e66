"""An agent acts in the person's own tab: lists, reads, writes, and what the application itself forbids."""

import asyncio

import pytest
from agents import agent, calling, data, reason, tool_names, words

pytestmark = pytest.mark.anyio

TOOLS = ["add_note", "delete_contact", "find_contact", "list_contacts", "slow_report", "update_contact"]
ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}


async def test_an_agent_sees_the_tools_of_its_users_tab_in_both_eras(world, browser, people, era):
    alice = await people(world, browser, "alice")
    await alice.sign_in()
    async with agent(alice, era) as client:
        assert client.protocol_version == ERAS[era]
        assert await tool_names(client) == [f"crm__{name}" for name in TOOLS]


async def test_the_browser_has_its_own_webmcp_only_where_it_is_switched_on(world, browser, people, request):
    native = "native" in request.node.callspec.id
    alice = await people(world, browser, "alice")
    page = await alice.open("/plain", ready=False)
    assert await page.evaluate("'modelContext' in document") == native


async def test_a_tool_runs_with_the_tabs_own_cookie(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in()
    cookies = {cookie["name"]: cookie for cookie in await alice.context.cookies(world.crm_url)}
    assert cookies["crm_session"]["httpOnly"]
    async with agent(alice, era) as client:
        result = await client.call_tool("crm__find_contact", {"query": "nordwind"})
        assert not result.is_error, words(result)
        assert [contact["name"] for contact in data(result)["contacts"]] == ["Greta Lindqvist"]
    await page.wait_for_selector("#activity >> text=find_contact")


async def test_a_write_waits_for_a_person_and_runs_once_approved(world, browser, people, desks, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in("/")
    async with agent(alice, era) as client:
        phone = f"+46 8 {abs(hash((era, id(browser)))) % 10**6:06}"
        desk = await desks(alice)
        async with calling(client, "crm__update_contact", {"id": "c1", "phone": phone}) as call:
            card = await desk.first()
            assert (card["source"], card["tool"]) == ("crm", "update_contact")
            assert card["arguments"] == {"id": "c1", "phone": phone}
            assert not call.done()
            status, answer = await asyncio.to_thread(desk.decide, card, "approve")
            assert status == 200, answer
            result = await asyncio.wait_for(call, 30)
    assert not result.is_error, words(result)
    assert data(result)["phone"] == phone
    assert await page.text_content('[data-contact="c1"] [data-field="phone"]') == phone


async def test_a_refused_write_does_not_reach_the_tab(world, native_browser, people, desks, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        desk = await desks(alice)
        async with calling(client, "crm__delete_contact", {"id": "c3"}) as call:
            status, answer = await asyncio.to_thread(desk.decide, await desk.first(), "refuse")
            assert status == 200, answer
            result = await asyncio.wait_for(call, 30)
    assert result.is_error and reason(result) == "approval_refused", words(result)
    assert await page.query_selector('[data-contact="c3"]')


async def test_apr_01_an_approval_of_something_else_is_stale(world, native_browser, people, desks):
    alice = await people(world, native_browser, "alice")
    await alice.sign_in()
    async with agent(alice) as client:
        desk = await desks(alice)
        async with calling(client, "crm__add_note", {"id": "c2", "text": "once"}) as call:
            card = await desk.first()
            other = {**card, "digest": card["definition"]}
            status, answer = await asyncio.to_thread(desk.decide, other, "approve")
            assert status == 409, answer
            assert (await asyncio.to_thread(desk.decide, card, "refuse"))[0] == 200
            assert reason(await asyncio.wait_for(call, 30)) == "approval_refused"


async def test_the_applications_own_permissions_hold_after_an_approval(world, browser, people, desks, era):
    carol = await people(world, browser, "carol")
    await carol.sign_in()
    async with agent(carol, era) as client:
        desk = await desks(carol)
        async with calling(client, "crm__add_note", {"id": "c1", "text": "hello"}) as call:
            status, answer = await asyncio.to_thread(desk.decide, await desk.first(), "approve")
            assert status == 200, answer
            result = await asyncio.wait_for(call, 30)
    assert result.is_error
    assert "may only read" in words(result)


async def test_arguments_that_do_not_fit_the_schema_never_reach_the_tab(world, native_browser, people, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        result = await client.call_tool("crm__slow_report", {"seconds": "many"})
        assert result.is_error and reason(result) == "arguments_invalid", words(result)
    assert await page.query_selector("#activity >> text=Nothing yet")


async def test_a_second_tab_of_the_same_application_is_the_same_tool(world, native_browser, people):
    alice = await people(world, native_browser, "alice")
    first = await alice.sign_in()
    second = await alice.open("/contacts/c2")
    async with agent(alice) as client:
        assert await tool_names(client) == [f"crm__{name}" for name in TOOLS]
        await first.bring_to_front()
        result = await client.call_tool("crm__list_contacts", {})
        assert not result.is_error, words(result)
    ran = [await page.locator("#activity >> text=list_contacts").count() for page in (first, second)]
    assert sum(ran) == 1
