"""Documents as browsers really have them: copied, left in mid-call, embedded in each other."""

import pytest
from run import MODES, browser, hub

STORED = """async () => [
  sessionStorage.length, localStorage.length, document.cookie, (await indexedDB.databases()).length, (await caches.keys()).length, history.state,
]"""


@pytest.fixture(params=MODES)
def world(request):
    with hub() as started, browser(request.param) as launched:
        yield started, launched.new_page()


def names(tools):
    return [tool["name"] for tool in tools["tools"]]


def test_p20_a_duplicated_tab_is_another_document_since_nothing_is_stored(world):
    hub, page = world
    page.goto(f"{hub.origin}/life.html")
    first = hub.greet(0)
    hub.said(0, "tools")
    assert page.evaluate(STORED) == [0, 0, "", 0, 0, None]
    # `window.open` copies sessionStorage; a tab id in there would be two tabs' id.
    page.evaluate("void sessionStorage.setItem('copied', 'yes')")
    with page.expect_popup() as opened:
        page.evaluate("void window.open(location.href)")
    assert opened.value.evaluate("sessionStorage.getItem('copied')") == "yes", "this browser copies it"
    second = hub.greet(1)
    hub.said(1, "tools")
    assert second["docId"] != first["docId"]
    assert not any("closed" in news for news in hub.log), "neither takes the other's place"


def test_p23_a_page_that_is_reloaded_in_mid_call_says_that_nobody_knows_the_outcome(world):
    hub, page = world
    page.goto(f"{hub.origin}/slow.html")
    hub.greet(0)
    hub.call(0, hub.said(0, "tools")["tools"][0], hub.origin)
    hub.said(0, "started")
    page.reload()
    error = hub.said(0, "error")
    assert (error["code"], error["message"]) == ("outcome_unknown", "the page was left in mid-call")
    assert hub.ended(0) in (1001, 1006)
    assert not any(news.get("frame", {}).get("type") == "bye" for news in hub.log), "a reload looks like a close (P24)"


def test_p23_a_page_that_is_left_for_another_in_mid_call_says_so_and_is_frozen(world):
    hub, page = world
    page.goto(f"{hub.origin}/slow.html")
    hub.greet(0)
    hub.call(0, hub.said(0, "tools")["tools"][0], hub.origin)
    hub.said(0, "started")
    page.goto(f"{hub.origin}/frame.html")
    assert hub.said(0, "error")["code"] == "outcome_unknown"
    assert hub.said(0, "bye")["reason"] == "frozen"
    assert hub.ended(0) == 4001


@pytest.mark.parametrize("inner", ["hr.localhost", "crm.localhost"], ids=["another origin", "the same origin"])
def test_a_frame_is_not_connected_unless_it_says_so_and_its_tools_are_not_the_embedding_pages(world, inner):
    hub, page = world
    port = hub.origin.rsplit(":", 1)[1]
    page.goto(f"http://crm.localhost:{port}/outer.html#{inner},")
    hub.greet(0)
    assert names(hub.said(0, "tools")) == ["outer.tool"]
    framed = page.frame_locator("iframe").locator("html[data-connected]")
    framed.wait_for(state="attached")
    assert framed.get_attribute("data-connected") == "framed"
    assert len(hub.tabs) == 1


def test_a_frame_that_says_so_is_listed_under_its_own_origin(world):
    hub, page = world
    port = hub.origin.rsplit(":", 1)[1]
    page.goto(f"http://crm.localhost:{port}/outer.html#hr.localhost,connected")
    listed = {}
    for number in (0, 1):
        origin = hub.until(lambda news: news["socket"] == number and "opened" in news)["origin"]
        hub.greet(number)
        listed[origin] = names(hub.said(number, "tools"))
    assert listed == {f"http://crm.localhost:{port}": ["outer.tool"], f"http://hr.localhost:{port}": ["inner.tool"]}


def test_p9_thirty_documents_come_back_to_a_restarted_hub_over_some_seconds_with_one_attempt_each(world):
    hub, page = world
    page.goto(f"{hub.origin}/crowd.html")
    first = {hub.greet(number)["docId"] for number in range(30)}
    hub.close(range(30), 1012)
    again = [hub.greet(number)["docId"] for number in range(30, 60)]
    assert set(again) == first and len(again) == 30, "each came back once, as itself"
    opened = sorted(news["at"] for news in hub.log if news.get("opened") and news["socket"] >= 30)
    assert opened[-1] - opened[0] > 1.5, "they do not come at once"
    assert max(sum(at <= other < at + 0.25 for other in opened) for at in opened) <= 15
    assert len(hub.tabs) == 60
