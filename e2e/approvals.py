"""A person who decides: signs in with the device flow, lists what waits, approves or refuses."""

import asyncio
import urllib.parse
import urllib.request

from small_world import ask


def _form(url, **fields):
    request = urllib.request.Request(url, data=urllib.parse.urlencode(fields).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    import json

    try:
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


async def api_token(person):
    """An access token for the hub's `/api`, the way `deputy approve` gets one."""
    world = person.world
    asked = _form(f"{world.issuer}/device/auth", client_id="deputy-cli", scope="openid", resource=f"{world.hub_url}/api")
    page = await person.context.new_page()
    await page.goto(asked["verification_uri_complete"])
    await page.click('button[type="submit"]')
    done = False
    while not done:
        await page.wait_for_load_state()
        if await page.query_selector('input[name="login"]'):
            await page.fill('input[name="login"]', person.name)
            await page.fill('input[name="password"]', "any")
        button = await page.query_selector('button[type="submit"]')
        if button:
            await button.click()
        else:
            done = True
    await page.close()
    answer = {}
    async with asyncio.timeout(20):
        while "access_token" not in answer:
            await asyncio.sleep(0.2)
            answer = _form(
                f"{world.issuer}/token",
                grant_type="urn:ietf:params:oauth:grant-type:device_code",
                client_id="deputy-cli",
                device_code=asked["device_code"],
            )
            if answer.get("error") not in (None, "authorization_pending", "slow_down"):
                raise RuntimeError(f"the device flow failed: {answer}")
    return answer["access_token"]
