"""Plays the story alone: people in a headless browser, their agents, the hub between them.

Prints a table of steps with times, leaves screenshots in `.deputy/demo/screenshots`, and ends non-zero if a step
fails.
"""

import asyncio
import contextlib
import signal
import sys
import time
import traceback

from agents import Memory, agent, data, reason, tool_names, words
from approvals import Desk
from people import Person, chromium, follow
from chain import DemoWorld
from small_world import ROOT, alone, ask, wait_until

STATE = ROOT / ".deputy/demo"


class Story:
    """The steps so far, what they took, and what they left."""

    def __init__(self, world, browser, stack):
        self.world, self.browser, self.stack = world, browser, stack
        self.steps = []
        self.pages, self.agents, self.people, self.desks, self.tokens = {}, {}, {}, {}, {}
        self.screenshots = STATE / "screenshots"
        self.screenshots.mkdir(parents=True, exist_ok=True)

    async def step(self, what, act, page=None):
        """One step: runs it, says how it went, takes a picture."""
        begin = time.monotonic()
        try:
            told = await act()
            worked = True
        except Exception as error:
            told, worked = f"{type(error).__name__}: {error}".splitlines()[0], False
            traceback.print_exc()
        took = time.monotonic() - begin
        self.steps.append((what, worked, took, told))
        print(f"  {'ok  ' if worked else 'FAIL'} {took:6.2f} s  {what}: {told}", flush=True)
        page = self.pages.get(page)
        if page and not page.is_closed():
            name = f"{len(self.steps):02d}-{what.lower().replace(' ', '-')}.png"
            await page.screenshot(path=self.screenshots / name)
        return worked

    async def signs_in(self, name):
        """A person in a browser of their own, with a tab that agents can reach."""
        person = await Person.arrive(self.world, self.browser, name)
        self.people[name] = person
        self.pages[name] = await person.sign_in()
        return f"{await self.pages[name].text_content('#who')}, tab connected to the hub"

    async def connects(self, name):
        """An MCP client for that person, signed in through their browser."""
        self.tokens[name] = Memory()
        # In a browser of its own: who signs in beside the CRM ends that browser's session at the provider, and not this one.
        person = await Person.arrive(self.world, self.browser, name)
        alone = agent(person, storage=self.tokens[name])
        self.agents[name] = await self.stack.enter_async_context(alone)
        return f"MCP {self.agents[name].protocol_version}"

    async def lists(self, name):
        names = await tool_names(self.agents[name])
        expect(names == sorted(TOOLS), names)
        return f"{len(names)} tools"

    async def reads(self, name, organisation_contact):
        result = await self.agents[name].call_tool("crm__list_contacts", {})
        expect(not result.is_error, words(result))
        found = [contact["name"] for contact in data(result)["contacts"]]
        expect(organisation_contact in found, found)
        return ", ".join(found)

    async def asks_and_is_approved(self, name, tool, arguments):
        """A write: it waits, the person approves exactly it, and it runs. Returns what came of it."""
        if name not in self.desks:
            self.desks[name] = await Desk.of(self.people[name])
        desk = self.desks[name]
        call = asyncio.create_task(self.agents[name].call_tool(tool, arguments))
        try:
            approval = await desk.first()
            status, answer = await asyncio.to_thread(desk.decide, approval, "approve")
            expect(status == 200, (status, answer))
            return await asyncio.wait_for(call, 30)
        finally:
            call.cancel()

    async def changes_a_phone_number(self):
        arguments = {"id": "c1", "phone": "+46 8 555 99 99"}
        result = await self.asks_and_is_approved("alice", "crm__update_contact", arguments)
        expect(not result.is_error, words(result))
        shown = await self.pages["alice"].text_content('[data-contact="c1"] [data-field="phone"]')
        expect(shown == arguments["phone"], shown)
        return f"Alice approved; her page shows {shown}"

    async def may_not_write(self):
        result = await self.asks_and_is_approved("carol", "crm__add_note", {"id": "c1", "text": "hello"})
        expect(result.is_error and "may only read" in words(result), words(result))
        return "Carol approved, the CRM itself refused: she may only read"

    async def sees_nothing(self):
        """Bob has no tab: neither Alice's tools nor a trace of them."""
        person = await Person.arrive(self.world, self.browser, "bob")
        self.people["bob"] = person
        await self.connects("bob")
        names = await tool_names(self.agents["bob"])
        expect(names == LEDGER, names)
        result = await self.agents["bob"].call_tool("crm__list_contacts", {})
        expect(result.is_error and reason(result) == "tool_unknown", (reason(result), words(result)))
        return "Bob's agent sees no tool of the CRM, and a guessed name is unknown"

    async def reads_the_ledger(self):
        """A server that knows no identity: by ID-JAG and its guard it hears who asks, and nobody saw a page or a key."""
        pages = len(self.people["alice"].context.pages)
        result = await self.agents["alice"].call_tool("ledger__list_entries", {})
        expect(not result.is_error, words(result))
        expect(data(result)["looking"] == "alice", data(result))
        expect(len(self.people["alice"].context.pages) == pages, "a page opened")
        return "the ledger heard `alice`, by a token for her that the hub exchanged, without a page"

    async def is_disabled(self):
        """An administrator disables Carol at the provider: her agent is out at the hub within a second."""
        token = self.tokens["carol"].tokens.access_token
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        hub = f"{self.world.hub_url}/mcp"
        status, _ = await asyncio.to_thread(ask, "POST", hub, ping, token)
        expect(status not in (401, 403), status)
        begin = time.monotonic()
        status, answer = await asyncio.to_thread(ask, "POST", f"{self.world.issuer}/admin/disable?person=carol")
        expect(status == 204, (status, answer))
        await asyncio.to_thread(wait_until, "Carol being out", lambda: ask("POST", hub, ping, token)[0] == 401, 1)
        return f"her agent got 401 after {(time.monotonic() - begin) * 1000:.0f} ms"

    async def signs_in_beside(self):
        """Bob signs in in Alice's browser, on a page without the SDK. Her tab must not act with his cookies."""
        self.pages["beside"] = await self.people["alice"].signs_in_beside("bob")
        result = await self.agents["alice"].call_tool("crm__list_contacts", {})
        # The page says whose it is now; and the provider, whose session for Alice ended, may have told the hub before.
        ended = ("session_changed", "session_ended", "tab_gone", "tool_unknown")
        expect(result.is_error and reason(result) in ended, (reason(result), words(result)))
        return f"the call for Alice was refused: {reason(result)}"

    async def signs_out(self):
        """Alice signs in again, her agent works again, she signs out, and it no longer does."""
        alice = self.people["alice"]
        await self.pages["beside"].goto(f"{self.world.crm_url}/plain")
        await follow(self.pages["beside"], "a.button")
        await alice.through_the_identity_provider(self.pages["beside"], "alice")
        await self.pages["alice"].close()
        self.pages["alice"] = await alice.open("/")
        await self.reads("alice", "Greta Lindqvist")
        await alice.sign_out(self.pages["alice"])
        result = await self.agents["alice"].call_tool("crm__list_contacts", {})
        expect(result.is_error, words(result))
        expect(reason(result) in ("session_ended", "tool_unknown", "tab_gone"), reason(result))
        return f"refused after sign-out: {reason(result)}"

    async def log_holds(self):
        """While the hub runs, and once it has ended and signed its last line."""
        await asyncio.to_thread(self.world.deputy, "audit", "verify")
        await asyncio.to_thread(self.world.hub.end)
        done = await asyncio.to_thread(self.world.deputy, "audit", "verify")
        said = (done.stderr + done.stdout).splitlines()
        return next(line for line in said if line.startswith("ok")).removeprefix("ok").strip()


LEDGER = ["ledger__add_entry", "ledger__list_entries"]
TOOLS = LEDGER + sorted(
    f"crm__{name}"
    for name in ("list_contacts", "find_contact", "update_contact", "add_note", "delete_contact", "slow_report")
)


def expect(condition, otherwise):
    """A claim of the story, with what was found where it does not hold."""
    if not condition:
        raise AssertionError(f"found {otherwise!r}")


async def play():
    world = DemoWorld(STATE)
    try:
        async with contextlib.AsyncExitStack() as stack:
            browser = await stack.enter_async_context(chromium())
            story = Story(world, browser, stack)
            if await story.step("The small world starts", lambda: starts(world)):
                await tell(story)
        return story.steps
    finally:
        world.stop()


async def starts(world):
    await asyncio.to_thread(world.start)
    return f"{world.crm_url}, {world.hub_url}, {world.issuer}"


async def tell(story):
    """The story, in order."""
    step = story.step
    await step("Alice signs in", lambda: story.signs_in("alice"), "alice")
    await step("Her agent connects", lambda: story.connects("alice"))
    await step("It lists her tools", lambda: story.lists("alice"))
    await step("It reads", lambda: story.reads("alice", "Greta Lindqvist"), "alice")
    await step("It asks and changes a contact", story.changes_a_phone_number, "alice")
    await step("It reads the ledger", story.reads_the_ledger)
    await step("Carol signs in", lambda: story.signs_in("carol"), "carol")
    await step("Her agent connects too", lambda: story.connects("carol"))
    await step("It may not write", story.may_not_write, "carol")
    await step("Bob sees nothing of the others", story.sees_nothing)
    await step("Carol is disabled at the provider", story.is_disabled)
    await step("Bob signs in beside Alice", story.signs_in_beside, "alice")
    await step("Alice signs out", story.signs_out, "alice")
    await step("The audit log verifies", story.log_holds)


def table(steps):
    width = max(len(what) for what, *_ in steps)
    lines = [f"  {'step':<{width}}  {'time':>8}  result"]
    lines += [f"  {what:<{width}}  {took:6.2f} s  {'ok' if worked else 'FAILED'}" for what, worked, took, _ in steps]
    return "\n".join(lines)


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    held = alone(STATE.parent / "demo.lock")
    steps = asyncio.run(play())
    held.close()
    failed = sum(not worked for _, worked, *_ in steps)
    print(f"\n{table(steps)}\n\nscreenshots: {STATE / 'screenshots'}\nlogs: {STATE / 'logs'}")
    print(f"{len(steps) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
