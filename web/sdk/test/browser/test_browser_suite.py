"""The SDK in a real browser: one suite, on the browser's own WebMCP and on the polyfill."""

import pytest
from run import MODES, browser, hub, report


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    return request.param


def test_every_case_of_the_suite_holds(mode):
    found = report(mode)
    assert found["native"] is (mode == "native")
    assert len(found["cases"]) >= 30
    failed = [f"{case['name']}: {case['error']}" for case in found["cases"] if not case["passed"]]
    assert failed == []


def test_p8_a_page_in_the_back_forward_cache_says_so_and_comes_back_as_the_same_document(mode):
    with hub() as started, browser(mode) as launched:
        page = launched.new_page()
        page.goto(f"{started.origin}/life.html")
        first = started.greet(0)
        started.until(lambda news: news["socket"] == 0 and news.get("frame", {}).get("type") == "tools")
        page.goto(f"{started.origin}/frame.html")
        bye = started.until(lambda news: news["socket"] == 0 and news.get("frame", {}).get("type") == "bye")
        assert bye["frame"]["reason"] == "frozen"
        assert started.until(lambda news: "closed" in news)["closed"] == 4001
        page.go_back(wait_until="commit")
        assert started.greet(1)["docId"] == first["docId"]
        tools = started.until(lambda news: news["socket"] == 1 and news.get("frame", {}).get("type") == "tools")
        assert [tool["name"] for tool in tools["frame"]["tools"]] == ["life.tool"]


def test_p20_a_reloaded_page_is_another_document(mode):
    with hub() as started, browser(mode) as launched:
        page = launched.new_page()
        page.goto(f"{started.origin}/life.html")
        first = started.greet(0)
        page.reload()
        assert started.until(lambda news: "closed" in news)["closed"] in (1001, 1006)
        assert started.greet(1)["docId"] != first["docId"]
