"""The MCP conformance suite's authorization server scenarios, pinned, against the hub that ships: it is one in front of the
identity provider (`[sign_in]`). The suite has no scenario for a resource server; what its code opens is looked at here."""

import html
import json
import re
import subprocess
import tempfile
from pathlib import Path

import httpx2
import pytest
from conformance_auth import AuthorizedHub
from conformance_hub import SUITE, fixture
from conformance_provider import Provider
from small_world import free_port, node

SCENARIOS = {"authorization-server-metadata-endpoint", "authorization-code-grant"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture(scope="module")
def hub():
    with tempfile.TemporaryDirectory(prefix="deputy-conformance-") as folder, fixture("modern") as behind:
        with Provider("conformance-hub", "alice") as provider:
            with AuthorizedHub(Path(folder), provider, behind, sign_in="dynamic_registration = true") as running:
                yield running


def registered(hub, callback):
    """A client without a secret (RFC 7591)."""
    wanted = {"client_name": "Conformance", "redirect_uris": [callback], "token_endpoint_auth_method": "none"}
    answer = hub.person.post(f"{hub.url}/oauth/register", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()["client_id"]


def allow(hub, address):
    """In the person's browser: the hub's consent page, and back to the client."""
    page = hub.person.get(address)
    sealed = re.search(r'name="form" value="([^"]+)"', page.text)
    assert sealed, page.text[:1000]
    fields = {"form": html.unescape(sealed[1]), "most": "read", "all_sources": "on", "decision": "allow"}
    return hub.person.post(f"{hub.url}/oauth/consent", data=fields)


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_authorization_server_scenarios_pass(hub, revision, tmp_path):
    port = free_port()
    client = registered(hub, f"http://127.0.0.1:{port}/callback")
    command = [node(), SUITE, "authorization", "--url", hub.url, "--client-id", client, "--port", str(port)]
    command += ["--resource", f"{hub.url}{hub.path}", "--spec-version", revision, "-o", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as suite:
        try:
            said, address, listens = [], None, False
            for line in suite.stdout:
                said.append(line)
                listens |= line.startswith("Callback server started")
                address = line.strip() if line.startswith(f"{hub.url}/oauth/authorize") else address
                # It may say where to go before it listens for who comes back.
                if address and listens:
                    assert allow(hub, address).status_code == 200
                    address = None
            assert suite.wait(60) == 0, "".join(said)
        finally:
            suite.kill()
    kept = {file.parent.name: json.loads(file.read_text()) for file in tmp_path.glob("*/checks.json")}
    for scenario in SCENARIOS:
        [checks] = [found for name, found in kept.items() if name.startswith(f"authorization-server-{scenario}-2")]
        assert checks and all(check["status"] == "SUCCESS" for check in checks), checks
    assert len(kept) == len(SCENARIOS)


def test_without_a_token_the_way_to_one_is_told_and_another_doors_token_opens_nothing(hub):
    door = f"{hub.url}{hub.path}"
    for headers in ({}, {"Authorization": f"Bearer {hub.provider.access_token(f'{hub.url}/mcp')}"}):
        refused = httpx2.post(door, json=PING, headers=headers, trust_env=False)
        assert refused.status_code == 401
        place = re.search(r'resource_metadata="([^"]+)"', refused.headers["www-authenticate"])[1]
        metadata = httpx2.get(place, trust_env=False).json()
        assert metadata["resource"] == door and metadata["authorization_servers"] == [hub.url]
