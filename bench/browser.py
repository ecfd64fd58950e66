"""`browser`: `tools/call` into a real Chromium, beside the tool's own time in the page, in one run.

The page measures its tools itself: `execute` is wrapped where the page registers it, so that what remains is the SDK, the
browser's socket and the hub. The agent speaks plain HTTP, so that no client library is measured.
"""

import asyncio
import http.client
import json
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))

from agents import Memory, agent  # noqa: E402
from people import Person, chromium  # noqa: E402
from small_world import SmallWorld  # noqa: E402

ROUNDS, CALLS = 6, 40
# More slowly than a tab may speak: 50 frames a second are 16 calls (P18).
PACE = 0.07

# The SDK puts its own `registerTool` before the browser's, and calls what the page gave it: so the page's side is timed.
MEASURE = """
window.took = [];
const timed = (register) => (tool, ...more) => register({ ...tool, async execute(...given) {
  const began = performance.now();
  try { return await tool.execute(...given); } finally { window.took.push(performance.now() - began); }
} }, ...more);
const define = Object.defineProperty;
Object.defineProperty = (on, name, how) =>
  define(on, name, name === "registerTool" && how.value ? { ...how, value: timed(how.value) } : how);
"""

POLICY = """
@id("own") permit (principal, action, resource) when { resource has owner && resource.owner == principal };
"""


class Caller:
    """`tools/call` over one connection that is kept alive."""

    def __init__(self, world, token):
        self.connection = http.client.HTTPConnection(urlsplit(world.hub_url).netloc)
        self.token, self.count = token, 0

    def call(self, tool, arguments):
        """Seconds, and the answer."""
        self.count += 1
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        }
        params = {"name": f"crm__{tool}", "arguments": arguments, "_meta": meta}
        body = json.dumps({"jsonrpc": "2.0", "id": self.count, "method": "tools/call", "params": params})
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": f"crm__{tool}",
        }
        began = time.perf_counter()
        self.connection.request("POST", "/mcp", body, headers)
        answer = self.connection.getresponse().read()
        took = time.perf_counter() - began
        result = json.loads(answer)["result"]
        if result.get("isError") is not False:
            raise RuntimeError(f"`{tool}` was answered with {result}")
        return took, result


def state():
    return ROOT / ".deputy/bench/browser"


async def measure():
    world = SmallWorld(state())
    policy = world.state / "policy"
    policy.mkdir()
    (policy / "bench.cedar").write_text(POLICY)
    world.config.write_text(world.config.read_text() + f'\n[policy]\ndir = "{policy}"\n')
    rows = []
    with world:
        async with chromium() as browser:
            alice = await Person.arrive(world, browser, "alice")
            await alice.context.add_init_script(MEASURE)
            page = await alice.sign_in()
            memory = Memory()
            async with agent(alice, storage=memory) as client:
                await client.list_tools()
            caller = Caller(world, memory.tokens.access_token)
            contact = await asyncio.to_thread(first_contact, caller)
            for kind, tool, arguments in (
                ("read", "find_contact", {"query": "a"}),
                ("write", "update_contact", {"id": contact, "phone": "+34 600 000 000"}),
            ):
                rows.append(await in_turns(caller, page, kind, tool, arguments))
    return rows


def first_contact(caller):
    result = caller.call("list_contacts", {})[1]
    found = result.get("structuredContent") or json.loads(result["content"][0]["text"])
    return found["contacts"][0]["id"]


async def in_turns(caller, page, kind, tool, arguments):
    """Calls through the hub; the page says what of it was its own tool."""
    through, own = [], []
    for turn in range(ROUNDS + 1):
        await page.evaluate("window.took.length = 0")
        some = await asyncio.to_thread(batch, caller, tool, arguments)
        took = await page.evaluate("window.took")
        # The first round warms up.
        if turn:
            through += [one * 1e6 for one in some]
            own += [one * 1e3 for one in took]
    if len(own) != len(through):
        raise RuntimeError(f"the page ran {len(own)} of {len(through)} calls")
    adds = [whole - part for whole, part in zip(through, own)]
    cuts = statistics.quantiles(through, n=100)
    return {
        "case": "browser",
        "era": "2026-07-28",
        "class": kind,
        "conns": 1,
        "p50_us": round(statistics.median(through)),
        "p90_us": round(cuts[89]),
        "p99_us": round(cuts[98]),
        "tool_us": round(statistics.median(own)),
        "over_us": round(statistics.median(adds)),
    }


def batch(caller, tool, arguments):
    took = []
    for _ in range(CALLS):
        time.sleep(PACE)
        took.append(caller.call(tool, arguments)[0])
    return took


def main():
    rows = asyncio.run(measure())
    if "--json" in sys.argv:
        for row in rows:
            print(json.dumps(row))
        return
    bar, end = (" | ", " |") if "--markdown" in sys.argv else ("  ", "")
    lines = [list(rows[0])] + [[str(value) for value in row.values()] for row in rows]
    for at, line in enumerate(lines):
        print(("| " if end else "") + bar.join(line) + end)
        if at == 0 and end:
            print("|" + "---|" * len(line))


main()
