"""`examples/behind-a-proxy`: an application behind the real oauth2-proxy, which has the sessions."""

import asyncio
import contextlib
import time

import pytest
from agents import agent, data, reason, tool_names, words
from conftest import STATE
from people import connected, follow
from rendered import PROXY, At, RenderedWorld, asks

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.long,
    pytest.mark.skipif(not PROXY.exists(), reason="there is no oauth2-proxy: it takes Go, and `./test e2e --all` builds it"),
]

GONE = '#deputy-status:not([data-state="open"])'


@pytest.fixture(scope="module")
def world():
    with RenderedWorld(STATE / "behind-a-proxy") as running:
        running.start_wiki()
        yield At(running, running.wiki_url)


@pytest.fixture
async def alice(world, native_browser, people):
    return await people(world, native_browser, "alice")


async def sign_in(person, name=None):
    """To a page of the application, which the proxy gives nobody who is not signed in."""
    page = await person.open(ready=False)
    await person.through_the_identity_provider(page, name)
    await connected(page)
    return page


@contextlib.contextmanager
def within_a_second(what):
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    assert took < 1, f"{what} took {took:.2f} s"


async def test_an_agent_reads_and_writes_in_a_page_behind_the_proxy(world, browser, people, era):
    alice = await people(world, browser, "alice")
    page = await sign_in(alice)
    assert await page.text_content("#who") == "Alice Adler"
    async with agent(alice, era) as client:
        assert data(await client.call_tool("wiki__read_wiki", {}))["lines"][0]["by"] == "Wiki"
        added = await client.call_tool("wiki__add_line", {"text": f"<i>{era}</i>"})
        assert data(added) == {"added": f"<i>{era}</i>"}, words(added)
    await page.wait_for_selector(f"#lines li:text('<i>{era}</i>')")
    await page.fill('input[name="text"]', "typed by hand")
    await follow(page, "form.add button")
    assert "typed by hand" in await page.text_content("#lines")


async def test_a_sign_out_that_only_the_server_hears_takes_the_tab_along_within_a_second(world, alice):
    page = await sign_in(alice)
    async with agent(alice) as client:
        assert not (await client.call_tool("wiki__read_wiki", {})).is_error
        origin = {"Origin": world.crm_url}
        answer = await asks(alice, "POST", "/sign-out", headers=origin)
        assert answer.headers["location"].startswith("/oauth2/sign_out?rd="), answer
        with within_a_second("the end of the tab"):
            await page.wait_for_selector(GONE)
        result = await client.call_tool("wiki__read_wiki", {})
        assert result.is_error and reason(result) == "session_ended", words(result)
        assert await tool_names(client) == []


async def test_the_pages_own_sign_out_goes_through_proxy_and_provider(world, alice):
    page = await sign_in(alice)
    async with agent(alice) as client:
        await follow(page, "form.sign-out button")
        await follow(page, 'button[value="yes"]')
        await page.wait_for_selector('input[name="login"]')
        result = await client.call_tool("wiki__read_wiki", {})
        assert result.is_error and reason(result) == "session_ended", words(result)


async def test_a_sign_out_at_the_provider_takes_the_tab_along_though_the_proxy_hears_nothing(world, alice):
    page = await sign_in(alice)
    async with agent(alice) as client:
        elsewhere = await alice.context.new_page()
        await elsewhere.goto(f"{world.issuer}/session/end")
        await follow(elsewhere, 'button[value="yes"]')
        with within_a_second("the end of the tab"):
            await page.wait_for_selector(GONE)
        result = await client.call_tool("wiki__read_wiki", {})
        assert result.is_error and reason(result) == "session_ended", words(result)
        # The proxy's cookie is as good as before. What it lets through is refused all the same.
        refused = await asks(alice, "GET", "/me", headers={"Accept": "application/json"})
        assert (refused.status_code, refused.json()) == (401, {"error": "session_ended"})
        # Whoever signs in anew is let in again.
        await page.reload()
        await alice.through_the_identity_provider(page)
        await connected(page)
        assert not (await client.call_tool("wiki__read_wiki", {})).is_error


async def test_whoever_signs_in_next_in_the_same_browser_never_gets_the_first_ones_calls(world, alice):
    await sign_in(alice)
    async with agent(alice) as client:
        # Nobody tells anybody: the cookies are gone, and somebody else signs in.
        await alice.context.clear_cookies()
        second = await sign_in(alice, "bob")
        assert await second.text_content("#who") == "Bob Brandt"
        result = await client.call_tool("wiki__add_line", {"text": "written for Alice"})
        assert result.is_error and reason(result) in {"session_changed", "session_ended"}, words(result)
    await second.reload()
    assert "written for Alice" not in await second.text_content("#lines")


async def test_a_stranger_cannot_say_who_they_are(world, alice, native_browser, people):
    await sign_in(alice)
    bob = await people(world, native_browser, "bob")
    await sign_in(bob)
    names = {"X-Forwarded-User": "alice", "X-Forwarded-Email": "alice@acme.example", "X-Forwarded-Access-Token": "x"}
    forged = {**names, "Authorization": "Bearer e30.e30.e30", "Accept": "application/json"}
    # With a session of one's own, one is who one is.
    answer = await asks(bob, "GET", "/me", headers=forged)
    assert (answer.status_code, answer.json()) == (200, {"subject": "bob"})
    # Without one, nothing reaches the application.
    stranger = await people(world, native_browser, "mallory")
    for path in ("/me", "/lines"):
        answer = await asks(stranger, "GET", path, headers=forged)
        assert answer.status_code == 401 and "session_ended" not in answer.text, "the proxy says so, not the application"
    # The one open route believes only the provider.
    told = {"logout_token": "e30.e30.e30"}
    answer = await asks(stranger, "POST", "/logout/backchannel", form=told)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
    # A page of another site has the cookie, and not the origin.
    foreign = {"Origin": "http://evil.localhost"}
    answer = await asks(bob, "POST", "/deputy-ticket", headers=foreign)
    assert (answer.status_code, answer.json()) == (403, {"error": "foreign_origin"})


async def test_past_the_proxy_the_application_believes_no_header(world):
    assert world.socket.stat().st_mode & 0o777 == 0o600 and world.closed.stat().st_mode & 0o777 == 0o700
    for header in ("X-Forwarded-User: alice", "Authorization: Bearer e30.e30.e30"):
        asked = await asyncio.create_subprocess_exec(
            "curl", "-sS", "--unix-socket", str(world.socket), "-H", header, "-H", "Accept: application/json", "http://wiki/me",
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asked.communicate()
        assert said == b'{"error":"session_ended"}', said
