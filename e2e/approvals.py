"""A person who decides: signs in with the device flow, lists what waits, approves or refuses."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request

from small_world import ask


class Desk:
    """The hub's `/api/approvals`, as one person sees it."""

    def __init__(self, world, token):
        self.world, self.token = world, token

    @classmethod
    async def of(cls, person):
        """Signs the person in the way `deputy approve` does: the device flow, in their own browser."""
        return cls(person.world, await _device_flow(person, f"{person.world.hub_url}/api"))

    def waiting(self):
        """What waits for this person."""
        status, answer = ask("GET", f"{self.world.hub_url}/api/approvals", token=self.token)
        assert status == 200, (status, answer)
        return answer["approvals"]

    async def first(self, seconds=20.0):
        """The first question, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while not (found := await asyncio.to_thread(self.waiting)):
            assert time.monotonic() < deadline, f"nothing waits for a decision after {seconds:g} s"
            await asyncio.sleep(0.05)
        return found[0]

    def decide(self, approval, decision):
        """Approves or refuses exactly what was shown."""
        url = f"{self.world.hub_url}/api/approvals/{approval['id']}"
        return ask("POST", url, {"decision": decision, "digest": approval["digest"]}, self.token)


async def _device_flow(person, resource):
    """RFC 8628 with the client `deputy-cli`."""
    issuer = person.world.issuer
    asked = await asyncio.to_thread(
        _form, f"{issuer}/device/auth", client_id="deputy-cli", scope="openid", resource=resource
    )
    await confirm_device(person, asked["verification_uri_complete"])
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "deputy-cli",
        "device_code": asked["device_code"],
    }
    async with asyncio.timeout(20):
        while "access_token" not in (answer := await asyncio.to_thread(_form, f"{issuer}/token", **fields)):
            if answer["error"] not in ("authorization_pending", "slow_down"):
                raise RuntimeError(f"the device flow failed: {answer}")
            await asyncio.sleep(0.2)
    return answer["access_token"]


async def confirm_device(person, address):
    """What a person does with the address that a device shows them."""
    page = await person.context.new_page()
    await page.goto(address)
    while button := await page.query_selector('button[type="submit"]'):
        if await page.query_selector('input[name="login"]'):
            await page.fill('input[name="login"]', person.name)
            await page.fill('input[name="password"]', "any password will do")
        async with page.expect_navigation():
            await button.click()
    await page.close()


def _form(url, **fields):
    request = urllib.request.Request(url, data=urllib.parse.urlencode(fields).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)
