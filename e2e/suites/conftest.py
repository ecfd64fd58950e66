"""One small world per run, people with browser profiles of their own per test."""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest
from approvals import Desk
from people import Person, chromium
from small_world import ROOT, SmallWorld

# One directory per run, so that two runs in one checkout do not meet. Those of runs that are over go first.
STATE = ROOT / f".deputy/test/{os.getpid()}"


def pytest_sessionstart(session):
    # Asked to stop, it ends what it started, as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for old in STATE.parent.glob("*"):
        if not Path(f"/proc/{old.name}").exists():
            shutil.rmtree(old, ignore_errors=True)


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("DEPUTY_TEST_ALL"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def world():
    """Identity provider, hub and CRM on free ports, for all tests that break nothing."""
    with SmallWorld(STATE / "world") as running:
        yield running


@pytest.fixture
def own_world(request):
    """A world for one test that breaks something. Not started."""
    running = SmallWorld(STATE / request.node.name.replace("[", "-").replace("]", ""))
    yield running
    running.stop()


@pytest.fixture(scope="session", params=["native", "polyfill"])
async def browser(request, anyio_backend):
    """Debian's Chromium, once with its own WebMCP and once with the SDK's polyfill."""
    async with chromium(native=request.param == "native") as running:
        yield running


@pytest.fixture(scope="session")
async def native_browser(anyio_backend):
    """Debian's Chromium with its own WebMCP, for tests that do not depend on which."""
    async with chromium() as running:
        yield running


@pytest.fixture(params=["legacy", "auto"])
def era(request):
    """The MCP client's mode: `legacy` speaks 2025-11-25, `auto` finds 2026-07-28."""
    return request.param


@pytest.fixture
async def people(anyio_backend):
    """`await people(world, browser, name)`: a person with a fresh profile, gone after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def arrive(world, browser, name):
            person = await Person.arrive(world, browser, name)
            stack.push_async_callback(_leave, person.context)
            return person

        yield arrive


async def _leave(context):
    # The browser may have been killed by the test.
    with contextlib.suppress(Exception):
        await context.close()


@pytest.fixture(scope="session")
def desks():
    """`await desks(person)`: the person's desk for approvals; each signs in once per run."""
    known = {}

    async def desk(person):
        key = (person.world.hub_url, person.name)
        if key not in known:
            known[key] = await Desk.of(person)
        return known[key]

    return desk
