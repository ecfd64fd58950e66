"""`deputy guard` before `@modelcontextprotocol/server-filesystem`, with the official Python client."""

import asyncio
import time

import httpx2
import pytest
from agents import words
from guarded import Guarded

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with Guarded(tmp_path_factory.mktemp("guarded")) as running:
        yield running


def post(guarded, token, method, session=None, **params):
    headers = {"accept": "application/json, text/event-stream"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    headers |= {"mcp-session-id": session} if session else {}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    with httpx2.Client(trust_env=False, timeout=60) as http:
        return http.post(guarded.resource, headers=headers, json=message)


def opened(guarded, token):
    opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    answer = post(guarded, token, "initialize", **opening)
    assert answer.status_code == 200, answer.text
    return answer.headers["mcp-session-id"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_stock_server_is_used_with_the_tools_of_the_scope(guarded, mode):
    token = await asyncio.to_thread(guarded.token)
    async with guarded.client(token, mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"read_text_file", "list_directory"}
        result = await client.call_tool("read_text_file", {"path": str(guarded.folder / "file.txt")})
        assert "what stands in the file" in words(result)


def test_who_has_no_token_is_shown_the_way_and_gets_no_further(guarded):
    answer = post(guarded, None, "initialize")
    assert answer.status_code == 401
    where = answer.headers["www-authenticate"].split('resource_metadata="')[1].split('"')[0]
    with httpx2.Client(trust_env=False) as http:
        metadata = http.get(where).json()
        assert metadata["resource"] == guarded.resource
        server = http.get(f"{metadata['authorization_servers'][0]}/.well-known/oauth-authorization-server").json()
    assert server["authorization_grant_profiles_supported"] == ["urn:ietf:params:oauth:grant-profile:id-jag"]


# What is wrong with an assertion: claims of its own, and what the request says beside it.
WRONG = {
    "wrong aud": ({"aud": "https://other.example"}, {}, "invalid_grant"),
    "two audiences": (lambda guarded: {"aud": [guarded.url, "https://other.example"]}, {}, "invalid_grant"),
    "the resource as aud": (lambda guarded: {"aud": guarded.resource}, {}, "invalid_grant"),
    "for another client": ({"client_id": "other"}, {}, "invalid_grant"),
    "by another client": ({}, {"client": "other"}, "invalid_client"),
    "expired": (lambda _: {"iat": int(time.time()) - 400, "exp": int(time.time()) - 60}, {}, "invalid_grant"),
    "too long": (lambda _: {"exp": int(time.time()) + 900}, {}, "invalid_grant"),
    "a scope that it has not": ({}, {"scope": "files.write"}, "invalid_scope"),
    "a scope that nobody has": ({"scope": "admin"}, {}, "invalid_scope"),
    "another resource": ({"resource": "https://other.example/mcp"}, {}, "invalid_grant"),
    "another resource asked for": ({}, {"resource": "https://other.example/mcp"}, "invalid_target"),
    "slash after aud": (lambda guarded: {"aud": f"{guarded.url}/"}, {}, "invalid_grant"),
    "slash after iss": (lambda guarded: {"iss": f"{guarded.issuer}/"}, {}, "invalid_grant"),
    "slash after resource": (lambda guarded: {"resource": f"{guarded.resource}/"}, {}, "invalid_grant"),
    "two slashes in resource": (lambda guarded: {"resource": f"{guarded.url}//mcp"}, {}, "invalid_grant"),
}


@pytest.mark.parametrize("name", WRONG)
def test_d15_no_assertion_is_redeemed_that_is_not_exactly_for_here(guarded, name):
    claims, form, error = WRONG[name]
    answer = guarded.redeem(guarded.jag(**(claims(guarded) if callable(claims) else claims)), **form)
    assert answer.json()["error"] == error, answer.text
    assert "access_token" not in answer.text


def test_d15_an_assertion_is_redeemed_once(guarded):
    jag = guarded.jag()
    first, second = guarded.redeem(jag), guarded.redeem(jag)
    assert (first.status_code, first.json()["scope"], "refresh_token" in first.json()) == (200, "files.read", False)
    assert second.json()["error"] == "invalid_grant"


def test_d15_an_id_token_is_no_assertion_whatever_it_says(guarded):
    now = int(time.time())
    here = {"aud": guarded.url, "client_id": "hub", "resource": guarded.resource, "scope": "files.read", "jti": "j"}
    for token in (guarded.id_token(), guarded.id_token(**here), guarded.id_token(**here, exp=now + 60)):
        assert guarded.redeem(token).json()["error"] == "invalid_grant"


def test_d15_a_scope_is_never_more_than_the_assertion_has(guarded):
    answer = guarded.redeem(guarded.jag(), scope="files.read files.write")
    assert answer.json()["scope"] == "files.read", answer.text


def test_e4_an_assertion_is_good_once_even_when_the_guard_was_killed_in_between(guarded):
    jag = guarded.jag()
    assert guarded.redeem(jag).status_code == 200
    assert guarded.redeem(jag).json()["error"] == "invalid_grant"
    guarded.guard.process.kill()
    guarded.guard.process.wait()
    guarded.guard.start()
    guarded.guard.wait_for(f"{guarded.url}/healthz")
    assert guarded.redeem(jag).json()["error"] == "invalid_grant"


def test_a_tool_outside_the_scope_says_which_scope_it_takes(guarded):
    token = guarded.token()
    session = opened(guarded, token)
    path = guarded.folder / "new.txt"
    call = {"name": "write_file", "arguments": {"path": str(path), "content": "x"}}
    answer = post(guarded, token, "tools/call", session, **call)
    assert answer.status_code == 403
    assert 'scope="files.write"' in answer.headers["www-authenticate"]
    assert not path.exists()
    more = guarded.token(scope="files.read files.write")
    assert post(guarded, more, "tools/call", session, **call).status_code == 200
    assert path.read_text() == "x"


def test_e6_a_denied_person_stops_at_the_next_request(guarded):
    alice, bob = guarded.token(), guarded.token(sub="bob")
    sessions = {token: opened(guarded, token) for token in (alice, bob)}
    guarded.denied.write_text(f"{guarded.issuer} alice\n")
    try:
        assert post(guarded, alice, "ping", sessions[alice]).status_code == 401
        assert post(guarded, bob, "ping", sessions[bob]).status_code == 200
        assert guarded.redeem(guarded.jag()).json()["error"] == "invalid_grant"
    finally:
        guarded.denied.write_text("")


def test_r3_another_persons_session_is_as_unknown_as_none(guarded):
    session = opened(guarded, guarded.token())
    bob = guarded.token(sub="bob")
    assert post(guarded, bob, "ping", session).status_code == 404
    assert post(guarded, bob, "ping", "none").status_code == 404


def test_the_guards_log_holds_no_token(guarded):
    token, jag = guarded.token(), guarded.jag()
    guarded.redeem(jag)
    log = guarded.guard.log.read_text()
    assert token not in log and jag not in log and "eyJ" not in log
