"""Traces, held against a real OpenTelemetry Collector: it takes what the hub sends, and reads it as the guide says."""

import asyncio
import re

import httpx2
import pytest
from collected import COLLECTOR, SECRET, CollectedWorld, said
from conftest import STATE
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from small_world import ask, wait_until
from tokens import access_token

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.long,
    pytest.mark.skipif(not COLLECTOR.exists(), reason="there is no collector: it takes Go, and `./test e2e --all` builds it"),
]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, CLIENT = 2, 3
ENTITY = {"name": "0badc0de", "entityType": "secret", "observations": ["nobody else's business"]}


@pytest.fixture(scope="module")
def world():
    with CollectedWorld(STATE / "collected") as running:
        yield running


@pytest.fixture(scope="module")
def token(world):
    return access_token(world, "alice")


async def call(world, token, tool, arguments, meta=None):
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        async with Client(streamable_http_client(f"{world.hub_url}/mcp", http_client=http)) as client:
            return await client.call_tool(tool, arguments, meta=meta)


def of_trace(world, trace, count):
    """The spans of one trace, as soon as there are so many."""

    def enough():
        spans = [(span, resource) for span, resource in world.taken() if span["traceId"] == trace]
        return spans if len(spans) >= count else None

    return wait_until(f"{count} spans of `{trace}` at the collector", enough)


async def test_a_collector_takes_a_call_as_one_trace_below_the_clients_own_span(world, token):
    meta = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "acme=1"}
    result = await call(world, token, "memory__create_entities", {"entities": [ENTITY]}, meta)
    assert not result.is_error, result
    spans = [span for span, _ in await asyncio.to_thread(of_trace, world, TRACE, 5)]
    (root,) = (span for span in spans if span["kind"] == SERVER)
    assert (root["name"], root["parentSpanId"], root["traceState"]) == ("tools/call create_entities", PARENT, "acme=1")
    children = {span["name"] for span in spans if span.get("parentSpanId") == root["spanId"]}
    assert children >= {"decide", "record intent", "tools/call create_entities", "record outcome"}, children
    (effect,) = (span for span in spans if span["kind"] == CLIENT and span["name"] == "tools/call create_entities")
    assert said(effect).items() >= {"gen_ai.tool.name": "create_entities", "deputy.source": "memory"}.items()
    for span in spans:
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        # W3C's `sampled`, and OTLP's word on whether the parent is of another process.
        assert span["flags"] & 1 and bool(span["flags"] & 0x200) == (span is root), span


async def test_each_span_says_which_hub_it_is_of(world, token):
    await call(world, token, "memory__read_graph", {})
    taken = await asyncio.to_thread(wait_until, "spans", lambda: world.taken())
    kept = {frozenset(resource.items()) for _, resource in taken}
    assert len(kept) == 1, "one hub, one resource"
    resource = dict(next(iter(kept)))
    assert (resource["service.name"], resource["telemetry.sdk.language"]) == ("deputy-of-acme", "rust")
    assert resource["service.version"] and resource["service.instance.id"]


async def test_a_refused_call_is_an_error_with_its_reason(world, token):
    trace = "0af7651916cd43dd8448eb211c80319c"
    refused = await call(world, token, "memory__no_such_tool", {}, {"traceparent": f"00-{trace}-{PARENT}-01"})
    assert refused.is_error
    spans = [span for span, _ in await asyncio.to_thread(of_trace, world, trace, 1)]
    (root,) = (span for span in spans if span["kind"] == SERVER)
    assert root["status"] == {"code": 2} and said(root)["error.type"] == "tool_unknown", root
    assert "no_such_tool" not in str(spans), "a name that does not exist may be anything"


async def test_no_secret_nobodys_name_and_nothing_of_what_was_said_is_at_the_collector(world, token):
    trace = "1af7651916cd43dd8448eb211c80319d"
    await call(world, token, "memory__create_entities", {"entities": [ENTITY]}, {"traceparent": f"00-{trace}-{PARENT}-01"})
    await asyncio.to_thread(of_trace, world, trace, 5)
    told = world.lines.read_text()
    for secret in (SECRET, token, "alice", ENTITY["name"], ENTITY["observations"][0], "Bearer", "eyJ"):
        assert secret not in told, secret
    assert SECRET not in world.hub.log.read_text()


async def test_the_collector_refused_nothing_and_the_check_finds_it(world, token):
    await call(world, token, "memory__read_graph", {})
    await asyncio.to_thread(wait_until, "spans", lambda: world.taken())
    log = world.hub.log.read_text()
    assert not [line for line in log.splitlines() if "WARN" in line or "ERROR" in line], log
    assert not re.search(r"error|refused|dropped", world.collector.log.read_text(), re.I)
    checked = await asyncio.to_thread(world.deputy, "check")
    assert "the collector of traces answers at" in checked.stdout, checked.stdout


async def test_z_a_collector_that_comes_back_gets_what_comes_then(world, token):
    # The last: it takes the collector away.
    await asyncio.to_thread(world.collector.end)
    assert not (await call(world, token, "memory__read_graph", {})).is_error, "a call does not notice"
    await asyncio.to_thread(world.start_collector)
    trace = "2af7651916cd43dd8448eb211c80319e"
    await call(world, token, "memory__read_graph", {}, {"traceparent": f"00-{trace}-{PARENT}-01"})
    await asyncio.to_thread(of_trace, world, trace, 3)
    assert ask("GET", f"{world.hub_url}/healthz")[0] == 200
