"""`examples/server-rendered`: an application whose sessions live on its server alone, and which tells the hub when one ends."""

import asyncio
import contextlib
import re
import sqlite3
import time

import pytest
from agents import agent, data, reason, tool_names, words
from conftest import STATE
from people import follow
from rendered import At, RenderedWorld, asks

pytestmark = pytest.mark.anyio

GONE = '#deputy-status:not([data-state="open"])'


@pytest.fixture(scope="module")
def world():
    with RenderedWorld(STATE / "server-rendered") as running:
        yield At(running, running.expenses_url)


@pytest.fixture
async def alice(world, native_browser, people):
    return await people(world, native_browser, "alice")


def forms_token(text):
    return re.search(r'name="csrf-token" content="([^"]+)"', text)[1]


@contextlib.contextmanager
def within_a_second(what):
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    assert took < 1, f"{what} took {took:.2f} s"


async def test_an_agent_reads_and_writes_in_a_page_that_the_server_renders(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in()
    await page.fill('input[name="title"]', "<b>Lunch</b>")
    await page.fill('input[name="amount"]', "12.50")
    await follow(page, "form.add button")
    await page.wait_for_selector('#deputy-status[data-state="open"]')
    async with agent(alice, era) as client:
        listed = await client.call_tool("expenses__list_expenses", {})
        assert {"title": "<b>Lunch</b>", "amount": "12.50"}.items() <= data(listed)["expenses"][0].items()
        added = await client.call_tool("expenses__add_expense", {"title": f"Taxi for {era}", "amount": 30})
        assert data(added) == {"added": f"Taxi for {era}"}, words(added)
    await page.wait_for_selector(f"#expenses td:text('Taxi for {era}')")
    assert await page.locator("#expenses b").count() == 0, "what people typed is no markup"


async def test_a_session_that_an_administrator_ends_on_the_server_takes_its_tab_along_within_a_second(world, alice):
    page = await alice.sign_in()
    async with agent(alice) as client:
        assert not (await client.call_tool("expenses__list_expenses", {})).is_error
        # Another process than the one that serves: it has only the table, and what came with the ticket.
        assert int((await asyncio.to_thread(world.flask, "end-sessions", "alice")).split()[0]) >= 1
        with within_a_second("the end of the tab"):
            await page.wait_for_selector(GONE)
        result = await client.call_tool("expenses__list_expenses", {})
        assert result.is_error and reason(result) == "session_ended", words(result)
        assert await tool_names(client) == []


async def test_a_session_that_nobody_uses_takes_its_tab_along(world, alice):
    page = await alice.sign_in()
    async with agent(alice) as client:
        with sqlite3.connect(world.environment["DATABASE"]) as tables:
            assert tables.execute("UPDATE sessions SET used_at = 0 WHERE subject = 'alice'").rowcount >= 1
        await page.wait_for_selector(GONE, timeout=3_000)
        result = await client.call_tool("expenses__list_expenses", {})
        assert result.is_error and reason(result) == "session_ended", words(result)


async def test_a_sign_out_that_only_the_server_hears_takes_the_tab_along_within_a_second(world, alice):
    page = await alice.sign_in()
    async with agent(alice) as client:
        form = {"csrf_token": forms_token(await page.content())}
        # Not by the page's button, so the page's script says nothing to anybody.
        answer = await asks(alice, "POST", "/sign-out", form=form)
        assert answer.status_code == 302 and answer.headers["location"].startswith(world.issuer), answer
        with within_a_second("the end of the tab"):
            await page.wait_for_selector(GONE)
        result = await client.call_tool("expenses__list_expenses", {})
        assert result.is_error and reason(result) == "session_ended", words(result)


async def test_the_pages_own_sign_out_ends_what_agents_may_do(world, alice):
    page = await alice.sign_in()
    async with agent(alice) as client:
        await alice.sign_out(page)
        result = await client.call_tool("expenses__list_expenses", {})
        assert result.is_error and reason(result) == "session_ended", words(result)
        assert await tool_names(client) == []


async def test_a_session_of_the_same_user_elsewhere_goes_on(world, native_browser, people, alice):
    here = await alice.sign_in()
    elsewhere = await people(world, native_browser, "alice")
    there = await elsewhere.sign_in()
    async with agent(elsewhere) as client:
        await alice.sign_out(here)
        assert not (await client.call_tool("expenses__list_expenses", {})).is_error
    assert await there.get_attribute("#deputy-status", "data-state") == "open"


async def test_whoever_signs_in_next_in_the_same_browser_never_gets_the_first_ones_calls(world, alice):
    await alice.sign_in()
    async with agent(alice) as client:
        await client.call_tool("expenses__add_expense", {"title": "Only Alice's", "amount": 1})
        second = await alice.context.new_page()
        await second.goto(f"{world.crm_url}/sign-in?again")
        await alice.through_the_identity_provider(second, "bob")
        assert await second.text_content("#who") == "Bob Brandt"
        result = await client.call_tool("expenses__add_expense", {"title": "Written for Alice", "amount": 1})
        assert result.is_error and reason(result) == "session_ended", words(result)
    await second.reload()
    assert "Nothing yet." in await second.text_content("#expenses")


async def test_what_a_stranger_sends_is_refused(world, alice):
    await alice.sign_in()
    assert (await asks(alice, "POST", "/expenses", form={"title": "x", "amount": "1"})).status_code == 400
    assert (await asks(alice, "POST", "/sign-out")).status_code == 400
    foreign = await asks(alice, "POST", "/deputy-ticket", headers={"Origin": "http://evil.localhost"})
    assert (foreign.status_code, foreign.json()) == (403, {"error": "foreign_origin"})
    forged = await asks(alice, "GET", "/expenses", headers={"Deputy-Assertion": "e30.e30.e30"})
    assert (forged.status_code, forged.json()) == (403, {"error": "assertion_invalid"})


async def test_nothing_in_the_browser_is_a_token(world, alice):
    page = await alice.sign_in()
    cookies = {cookie["name"]: cookie for cookie in await alice.context.cookies(world.crm_url)}
    assert cookies["expenses_session"]["httpOnly"] and len(cookies["expenses_session"]["value"]) == 43
    kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.documentElement.outerHTML])")
    assert "eyJ" not in kept + str([cookie["value"] for name, cookie in cookies.items() if name != "expenses_forms"])
