"""What a person does on a terminal: signs in with the device flow, sees what waits, decides it."""

import asyncio
import re

import pytest
from agents import agent, calling, data, reason, words
from approvals import confirm_device

pytestmark = pytest.mark.anyio


async def test_deputy_approve_signs_in_with_the_device_flow(world, native_browser, people):
    bob = await people(world, native_browser, "bob")
    command = [world.binary("deputy"), "approve", "--config", world.config]
    deputy = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL
    )
    said = ""
    async with asyncio.timeout(60):
        while not (address := re.search(r"http\S+user_code=\S+", said)):
            line = await deputy.stdout.readline()
            assert line, said
            said += line.decode()
        await confirm_device(bob, address.group())
        rest = (await deputy.stdout.read()).decode()
        assert await deputy.wait() == 0, said + rest
    assert "nothing waits for you" in rest


async def test_deputy_approve_decides_what_it_shows(world, native_browser, people, desks, era, tmp_path):
    alice = await people(world, native_browser, "alice")
    await alice.sign_in()
    desk = await desks(alice)
    token = tmp_path / "token"
    token.write_text(desk.token)
    async with agent(alice, era) as client:
        for note, flags in ((f"approved in {era}", ()), (f"refused in {era}", ("--refuse",))):
            async with calling(client, "crm__add_note", {"id": "c4", "text": note}) as call:
                card = await desk.first()
                done = await asyncio.to_thread(world.deputy, "approve", card["id"], "--token-file", str(token), *flags)
                assert note in done.stdout
                result = await asyncio.wait_for(call, 30)
            if flags:
                assert reason(result) == "approval_refused", words(result)
            else:
                assert note in data(result)["notes"]


def test_deputy_connect_names_the_hub(world):
    assert f"{world.hub_url}/mcp" in world.deputy("connect", "generic").stdout
