"""What is killed in mid-call: the agent's wish, the browser, the hub. Clear errors, nothing lost, the log verifies."""

import asyncio
import contextlib
import os
import signal

import pytest
from agents import Memory, agent, calling, reason, tool_names, words
from people import chromium

pytestmark = pytest.mark.anyio

RUNNING = "#activity >> text=slow_report"


@contextlib.asynccontextmanager
async def slow_call(client, page):
    """A call that runs in the tab, and will for a while."""
    async with calling(client, "crm__slow_report", {"seconds": 300}) as call:
        await page.wait_for_selector(RUNNING)
        yield call


async def test_p11_cancelling_reaches_the_code_in_the_tab(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        async with slow_call(client, page) as call:
            call.cancel()
        await page.wait_for_selector("#activity .refused >> text=slow_report", timeout=5_000)
        result = await client.call_tool("crm__list_contacts", {})
        assert not result.is_error, words(result)


async def test_a_slow_call_does_not_hold_up_the_next(world, native_browser, people, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client, slow_call(client, page) as call:
        result = await asyncio.wait_for(client.call_tool("crm__list_contacts", {}), 5)
        assert not result.is_error, words(result)
        assert not call.done()


async def test_p23_navigation_in_mid_call_ends_it_with_a_reason(world, native_browser, people, era):
    alice = await people(world, native_browser, "alice")
    page = await alice.sign_in()
    async with agent(alice, era) as client:
        async with slow_call(client, page) as call:
            await page.goto(f"{world.crm_url}/plain")
            result = await asyncio.wait_for(call, 10)
        # The browser may break off the tool's own request before it ends the page: then the tool still tells that.
        assert result.is_error
        assert reason(result) == "outcome_unknown" or "Failed to fetch" in words(result), (reason(result), words(result))


async def test_a_browser_killed_in_mid_call_leaves_a_clear_error_and_a_whole_log(own_world, people, era, anyio_backend):
    await asyncio.to_thread(own_world.start)
    before = chromium_processes()
    async with chromium() as browser:
        alice = await people(own_world, browser, "alice")
        page = await alice.sign_in()
        async with agent(alice, era) as client:
            async with slow_call(client, page) as call:
                kill(chromium_processes() - before)
                result = await asyncio.wait_for(call, 10)
            assert result.is_error and reason(result) == "outcome_unknown", (reason(result), words(result))
            async with asyncio.timeout(10):
                while await tool_names(client):
                    await asyncio.sleep(0.1)
    await asyncio.to_thread(own_world.deputy, "audit", "verify")


async def test_a_hub_killed_in_mid_call_loses_nothing_and_goes_on(own_world, native_browser, people, era):
    await asyncio.to_thread(own_world.start)
    alice = await people(own_world, native_browser, "alice")
    page = await alice.sign_in()
    storage = Memory()
    # Neither the call nor the end of the client's session can be answered by a hub that is gone.
    with pytest.raises(Exception):
        async with agent(alice, era, storage) as client, slow_call(client, page) as call:
            await asyncio.to_thread(own_world.hub.end, signal.SIGKILL)
            result = await asyncio.wait_for(call, 20)
            raise RuntimeError(f"the call ended: {words(result)}")
    await asyncio.to_thread(own_world.deputy, "audit", "verify")
    await asyncio.to_thread(own_world.start_hub)
    await page.wait_for_selector('#deputy-status[data-state="open"]', timeout=40_000)
    async with agent(alice, era, storage) as client:
        # The tab is welcomed a moment before its tools are there.
        async with asyncio.timeout(20):
            while "crm__list_contacts" not in await tool_names(client):
                await asyncio.sleep(0.05)
        result = await client.call_tool("crm__list_contacts", {})
        assert not result.is_error, words(result)
    done = await asyncio.to_thread(own_world.deputy, "audit", "verify")
    assert done.returncode == 0
    listed = (await asyncio.to_thread(own_world.deputy, "audit", "list")).stdout
    assert "slow_report" in listed


@pytest.mark.long
async def test_a_hub_killed_again_and_again_keeps_a_log_that_verifies(own_world, native_browser, people):
    await asyncio.to_thread(own_world.start)
    alice = await people(own_world, native_browser, "alice")
    page = await alice.sign_in()
    storage = Memory()
    for round in range(10):
        try:
            async with agent(alice, storage=storage) as client:
                async with asyncio.timeout(40):
                    while "crm__list_contacts" not in await tool_names(client):
                        await asyncio.sleep(0.1)
                calls = [asyncio.create_task(client.call_tool("crm__list_contacts", {})) for _ in range(50)]
                done = asyncio.gather(*calls, return_exceptions=True)
                await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.to_thread(own_world.hub.end, signal.SIGKILL)
                await asyncio.wait_for(done, 30)
        except Exception as error:
            print(f"round {round}, closing the client:", error)
        await asyncio.to_thread(own_world.hub.process.wait, 10)
        await asyncio.to_thread(own_world.deputy, "audit", "verify")
        await asyncio.to_thread(own_world.start_hub)
        # What a browser says when the network is back: the SDK then does not wait out its back-off.
        await page.evaluate("window.dispatchEvent(new Event('online'))")
        await page.wait_for_selector('#deputy-status[data-state="open"]', timeout=40_000)


def chromium_processes():
    """This process's descendants that are Chromium."""
    parents, chromium = {}, set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                name, rest = stat.read().rsplit(")", 1)
        except OSError:
            continue
        parents[int(entry)] = int(rest.split()[1])
        if "chrom" in name:
            chromium.add(int(entry))

    def is_ours(process):
        while process in parents:
            process = parents[process]
            if process == os.getpid():
                return True
        return False

    return {process for process in chromium if is_ours(process)}


def kill(processes):
    """SIGKILL to all of them; those that went with the first are no matter."""
    assert processes, "there is nothing to kill"
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
