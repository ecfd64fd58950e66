"""People in a real browser: signing in, signing out, and the pages they look at."""

import asyncio
import contextlib
import shutil
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

# For root in a sealed network; see what each does in Chromium's own list of switches.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
NATIVE = "--enable-features=WebMCP"
# Where a name is asked for: at `oidc-provider`, at Keycloak.
LOGIN = 'input[name="login"], input[name="username"]'


@contextlib.asynccontextmanager
async def chromium(native=True):
    """Debian's Chromium, headless, with native WebMCP or without."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        raise FileNotFoundError("`chromium` is not installed: run ./test or ./demo once")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, headless=True, args=[*FLAGS, *([NATIVE] if native else [])]
        )
        try:
            yield browser
        finally:
            await browser.close()


class Person:
    """Somebody with a browser profile of their own."""

    def __init__(self, world, context, name):
        self.world, self.context, self.name = world, context, name

    @classmethod
    async def arrive(cls, world, browser, name):
        """A fresh profile, nobody signed in."""
        context = await browser.new_context(viewport={"width": 1200, "height": 760})
        context.set_default_timeout(20_000)
        return cls(world, context, name)

    async def open(self, path="/", ready=True):
        """A page of the CRM, in a tab of its own; `ready` waits until the hub has it."""
        page = await self.context.new_page()
        await page.goto(f"{self.world.crm_url}{path}")
        if ready:
            await connected(page)
        return page

    async def sign_in(self, path="/"):
        """Signs in to the CRM in a new tab and returns it, connected to the hub."""
        page = await self.open(path, ready=False)
        await follow(page, "a.button")
        await self.through_the_identity_provider(page)
        await connected(page)
        return page

    async def through_the_identity_provider(self, page, name=None):
        """Answers what the identity provider asks, until it sends the browser away."""
        host = urlsplit(self.world.issuer).netloc
        async with asyncio.timeout(30):
            while urlsplit(page.url).netloc == host:
                # Between two of its pages there is nothing to ask: the next round finds the next page.
                with contextlib.suppress(PlaywrightError):
                    if not await self._answer(page, name or self.name):
                        await asyncio.sleep(0.05)

    @staticmethod
    async def _answer(page, name):
        login = await page.query_selector(LOGIN)
        consent = await page.query_selector('input[name="prompt"][value="consent"]')
        if login:
            await page.fill(LOGIN, name, timeout=2_000)
            await page.fill('input[name="password"]', "any password will do", timeout=2_000)
        if login or consent:
            async with page.expect_navigation(timeout=10_000):
                await page.click('button[type="submit"]', timeout=2_000)
        return login or consent

    async def signs_in_beside(self, name):
        """Somebody else signs in in the same browser, on a page that has never heard of the hub."""
        page = await self.open("/plain", ready=False)
        await follow(page, "a.button")
        await self.through_the_identity_provider(page, name)
        await page.wait_for_selector("#who")
        return page

    async def sign_out(self, page):
        """Signs out with the page's own button."""
        await follow(page, "form.sign-out button")
        await follow(page, 'button[value="yes"]')
        await page.wait_for_selector("a.button")


async def connected(page):
    """Waits until the page says that agents can reach it."""
    await page.wait_for_selector('#deputy-status[data-state="open"]')


async def follow(page, selector):
    """Clicks what leads to another page, and waits for that page."""
    async with page.expect_navigation():
        await page.click(selector)
