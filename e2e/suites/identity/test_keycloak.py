"""A real Keycloak: sign-in on its own pages, groups, the end of a session there, standard token exchange."""

import asyncio
import json
import time

import pytest
from agents import Memory, tool_names, words
from conftest import STATE
from keycloak import KeycloakWorld, looked_into, missing
from signing import agent
from small_world import ask, wait_until

if missing():
    pytest.skip(missing(), allow_module_level=True)

pytestmark = pytest.mark.anyio
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture(scope="module")
def keycloak():
    with KeycloakWorld(STATE / "keycloak") as running:
        yield running


def is_refused(world, token):
    return ask("POST", f"{world.hub_url}/mcp", PING, token)[0] == 401


async def acting(people, world, browser, name):
    """A person's agent that has acted once, and may not go on: what it holds, and what it was told."""
    person = await people(world, browser, name)
    storage = Memory()
    async with agent(person, storage=storage, most="read") as client:
        result = await client.call_tool("ledger__who_am_i", {})
        told = words(result)
        assert not result.is_error, told
    return storage.tokens.access_token, told


async def test_people_sign_in_on_keycloaks_page_and_their_group_decides(keycloak, native_browser, people):
    alice = await people(keycloak, native_browser, "alice")
    async with agent(alice, most="read", shot=keycloak.state / "consent.png") as client:
        assert "ledger__who_am_i" in await tool_names(client)
        result = await client.call_tool("ledger__who_am_i", {})
        assert not result.is_error, words(result)
    carol = await people(keycloak, native_browser, "carol")
    async with agent(carol, most="read") as client:
        assert "ledger__who_am_i" not in await tool_names(client), "Carol is not in sales"
        result = await client.call_tool("ledger__who_am_i", {})
        assert result.is_error
    log = await asyncio.to_thread(keycloak.deputy, "audit", "list", "--json", "--limit", "0")
    assert "eyJ" not in log.stdout, "no token is in the log"
    lines = [json.loads(line) for line in log.stdout.splitlines()]
    subjects = {keycloak.user_id("alice"), keycloak.user_id("carol")}
    assert subjects <= {line.get("user", {}).get("subject") for line in lines if line["kind"] == "sign_in"}


async def test_a_wrong_password_signs_nobody_in(keycloak):
    with pytest.raises(RuntimeError, match="did not let `mallory` in"):
        await asyncio.to_thread(keycloak.sign_in, "mallory", "crm-web")


async def test_c5_who_is_disabled_at_keycloak_is_out_when_the_hub_asks_again(keycloak, native_browser, people):
    token, _ = await acting(people, keycloak, native_browser, "bob")
    assert not is_refused(keycloak, token)
    await asyncio.to_thread(keycloak.set_enabled, "bob", False)
    try:
        # `ask_again` is 30 s, the least there is.
        await asyncio.to_thread(wait_until, "the end of Bob's agent", lambda: is_refused(keycloak, token), 40)
    finally:
        await asyncio.to_thread(keycloak.set_enabled, "bob", True)
    assert is_refused(keycloak, token), "enabling the account again gives nothing back"


async def test_keycloaks_logout_token_has_what_back_channel_logout_asks_for(keycloak):
    tokens = await asyncio.to_thread(keycloak.sign_in, "carol", "crm-web")
    before = len(keycloak.logout_tokens)
    await asyncio.to_thread(keycloak.end_sessions, "carol")
    await asyncio.to_thread(wait_until, "a logout token", lambda: len(keycloak.logout_tokens) > before)
    claims, identity = looked_into(keycloak.logout_tokens[-1]), looked_into(tokens["id_token"])
    assert claims["iss"] == keycloak.issuer
    assert claims["aud"] in ("crm-web", ["crm-web"])
    assert claims["sub"] == identity["sub"] and claims["sid"] == identity["sid"]
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["jti"] and claims["iat"] and "nonce" not in claims
    assert looked_into(keycloak.logout_tokens[-1], 0)["typ"] == "logout+jwt"


async def test_c1_a_session_ended_in_keycloaks_admin_console_ends_the_agent_within_a_second(
    keycloak, native_browser, people
):
    token, _ = await acting(people, keycloak, native_browser, "alice")
    assert not is_refused(keycloak, token)
    await asyncio.to_thread(keycloak.end_sessions, "alice")
    began = time.monotonic()
    await asyncio.to_thread(wait_until, "the end of Alice's agent", lambda: is_refused(keycloak, token), 1)
    assert time.monotonic() - began < 1


async def test_standard_token_exchange_turns_the_persons_token_into_one_for_the_ledger_alone(keycloak):
    back = f"{keycloak.hub_url}/login/callback"
    subject = await asyncio.to_thread(keycloak.sign_in, "alice", "deputy", "openid groups ledger.read", back)
    status, answer = await asyncio.to_thread(keycloak.exchange, subject["access_token"])
    assert status == 200, answer
    assert answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert answer["token_type"] == "Bearer" and "refresh_token" not in answer
    claims, person = looked_into(answer["access_token"]), looked_into(subject["access_token"])
    assert claims["aud"] == "ledger" and claims["azp"] == "deputy"
    assert claims["sub"] == person["sub"] and claims["iss"] == keycloak.issuer
    assert "ledger.read" in claims["scope"].split() and "groups" not in claims["scope"].split()
    assert claims["exp"] - claims["iat"] <= 300


async def test_standard_token_exchange_takes_an_applications_token_only_if_it_names_the_hubs_client(keycloak):
    named = await asyncio.to_thread(keycloak.sign_in, "alice", "crm-web", "openid for-the-hub")
    assert "deputy" in looked_into(named["access_token"])["aud"]
    status, answer = await asyncio.to_thread(keycloak.exchange, named["access_token"])
    assert status == 200, answer
    assert looked_into(answer["access_token"])["aud"] == "ledger"
    other = await asyncio.to_thread(keycloak.sign_in, "alice", "crm-web")
    status, answer = await asyncio.to_thread(keycloak.exchange, other["access_token"])
    assert status in (400, 403), answer
    assert "access_token" not in answer


async def test_standard_token_exchange_refuses_a_target_that_was_not_set_up_and_an_id_token(keycloak):
    back = f"{keycloak.hub_url}/login/callback"
    subject = await asyncio.to_thread(keycloak.sign_in, "alice", "deputy", "openid ledger.read", back)
    status, answer = await asyncio.to_thread(keycloak.exchange, subject["access_token"], audience="crm-web")
    assert status == 400 and "access_token" not in answer, answer
    id_token = {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}
    status, answer = await asyncio.to_thread(keycloak.exchange, subject["id_token"], **id_token)
    assert status == 400 and "access_token" not in answer, answer


async def test_what_keycloak_does_with_a_wider_scope_is_known_it_grants_it(keycloak):
    back = f"{keycloak.hub_url}/login/callback"
    subject = await asyncio.to_thread(keycloak.sign_in, "alice", "deputy", "openid ledger.read", back)
    assert "groups" not in looked_into(subject["access_token"])["scope"].split()
    status, answer = await asyncio.to_thread(keycloak.exchange, subject["access_token"], scope="ledger.read groups")
    # So the hub has to look at what comes back, and the guide asks for the executor that narrows.
    assert status == 200 and "groups" in answer["scope"].split(), answer


class ExchangingWorld(KeycloakWorld):
    """The ledger takes tokens for itself alone, and the hub gets them at Keycloak."""

    credential = """credential = "token_exchange"
audience = "ledger"
scopes = ["ledger.read"]
unasked_scopes = ["profile"]
"""


async def test_d3_the_ledger_gets_the_persons_exchanged_token_and_never_the_agents_own(native_browser, people):
    world = ExchangingWorld(STATE / "exchanging")
    try:
        await asyncio.to_thread(world.start)
        token, told = await acting(people, world, native_browser, "alice")
        claims = json.loads(told)
        assert claims["aud"] == "ledger" and claims["azp"] == "deputy" and claims["iss"] == world.issuer
        assert claims["sub"] == looked_into(token)["sub"] == await asyncio.to_thread(world.user_id, "alice")
        assert "ledger.read" in claims["scope"].split()
    finally:
        await asyncio.to_thread(world.stop)
