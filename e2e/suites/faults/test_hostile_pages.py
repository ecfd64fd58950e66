"""A page whose tools answer too much, or never: each call ends with a clear reason, and the tab lives on."""

import asyncio
import time

import pytest
from agents import agent, reason, words

pytestmark = pytest.mark.anyio

# In the operator's words it reads, so no person is asked.
TOOL = "crm__hostile"
REGISTER = """async (answer) => {
  const answers = {
    huge: () => "x".repeat(100_000_000),
    long: () => "0123456789".repeat(20_000),
    hidden: () => "a\\u202eb\\u001b[31mc\\u200bd",
    never: () => new Promise(() => {}),
  };
  await document.modelContext.registerTool({
    name: "hostile",
    description: "Answers as it likes.",
    inputSchema: { type: "object" },
    execute: answers[answer],
  });
}"""


async def offers(client, page, answer):
    """The page registers a hostile tool, and the hub lists it: this page's, and not that of a test before, whose tab is
    listed for two more seconds (P24)."""
    await until_listed(client, False)
    await page.evaluate(REGISTER, answer)
    await until_listed(client, True)


async def until_listed(client, wanted):
    async with asyncio.timeout(10):
        while wanted != any(tool.name == TOOL for tool in (await client.list_tools(cache_mode="bypass")).tools):
            await asyncio.sleep(0.05)


async def lives_on(client):
    """The same tab answers the next call."""
    result = await client.call_tool("crm__list_contacts", {})
    assert not result.is_error, words(result)


async def test_p17_a_result_of_100_mb_fails_only_its_own_call(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        await offers(client, page, "huge")
        result = await client.call_tool(TOOL, {})
        assert result.is_error and reason(result) == "too_large", words(result)
        await lives_on(client)
        assert await page.get_attribute("#deputy-status", "data-state") == "open"


async def test_p29_a_long_text_is_cut_labelled_and_read_on(world, native_browser, people, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        await offers(client, page, "long")
        result = await client.call_tool(TOOL, {})
        assert result.meta["dev.deputy/trust"] == "untrusted" and result.meta["dev.deputy/tool"] == "hostile"
        assert result.meta["dev.deputy/origin"] == world.crm_url
        text = ""
        while "dev.deputy/more" in result.meta:
            assert len(words(result)) <= 65_536
            *parts, marker = result.content
            text += "".join(part.text for part in parts)
            handle = result.meta["dev.deputy/more"]["handle"]
            assert handle in marker.text
            result = await client.call_tool("deputy__more", {"handle": handle})
            assert not result.is_error, words(result)
        assert text + words(result) == "0123456789" * 20_000


async def test_p29_what_nobody_sees_does_not_reach_the_agent(world, native_browser, people, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        await offers(client, page, "hidden")
        result = await client.call_tool(TOOL, {})
        assert words(result) == "abcd" and result.meta["dev.deputy/removed"] == 7, (words(result), result.meta)


async def test_p12_a_tool_that_never_answers_ends_at_its_time(world, native_browser, people):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice) as client:
        await offers(client, page, "never")
        began = time.monotonic()
        result = await client.call_tool(TOOL, {})
        assert 58 <= time.monotonic() - began <= 65
        assert result.is_error and reason(result) == "upstream_timeout", (reason(result), words(result))
        await lives_on(client)
