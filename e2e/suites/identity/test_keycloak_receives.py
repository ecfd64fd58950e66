"""A real Keycloak as the receiver of ID-JAGs: npm `oidc-provider` asserts who somebody is, and Keycloak gives the hub a token for the
ledger. Both wrote their half without the other, and without us."""

import asyncio
import json

import pytest
from agents import words
from conftest import STATE
from keycloak import missing
from keycloak_receiver import CLIENT, ReceivingWorld
from signing import agent

if missing():
    pytest.skip(missing(), allow_module_level=True)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def world():
    with ReceivingWorld(STATE / "keycloak-receives") as running:
        yield running


async def called(world, browser, people, name):
    person = await people(world, browser, name)
    async with agent(person) as client:
        return await client.call_tool("ledger__who_am_i", {})


async def exchanges(world, kind):
    """The log's lines of one kind, oldest first; there is no token in any line."""
    log = (await asyncio.to_thread(world.deputy, "audit", "list", "--json", "--limit", "0")).stdout
    assert "eyJ" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    return sorted((line for line in lines if line["kind"] == kind), key=lambda line: line["seq"])


async def test_the_ledger_gets_keycloaks_token_for_whom_the_provider_asserts(world, native_browser, people):
    result = await called(world, native_browser, people, "alice")
    assert not result.is_error, words(result)
    claims = json.loads(words(result))
    assert claims["iss"] == world.realm and claims["azp"] == CLIENT
    assert claims["aud"] == "ledger" and claims["scope"] == "ledger.read"
    assert claims["sub"] == await asyncio.to_thread(world.user_id, "alice"), "Keycloak's own name for her"
    [line] = await exchanges(world, "token_exchanged")
    assert line["detail"]["authorization_server"] == world.realm


async def test_whom_keycloak_has_no_link_for_gets_nothing(world, native_browser, people):
    result = await called(world, native_browser, people, "bob")
    assert result.is_error, words(result)
    [line] = await exchanges(world, "exchange_refused")
    assert line["detail"]["why"] == "exchange_invalid_grant"


async def test_what_keycloak_does_with_the_assertions_scopes_is_known_it_grants_its_own_defaults(
    world, native_browser, people
):
    await asyncio.to_thread(world.grant_by_default, "groups")
    result = await called(world, native_browser, people, "carol")
    # Nothing wider than was asked for is used: the hub reads what was granted.
    assert result.is_error, words(result)
    lines = await exchanges(world, "exchange_refused")
    assert lines[-1]["detail"]["why"] == "exchange_unusable"
