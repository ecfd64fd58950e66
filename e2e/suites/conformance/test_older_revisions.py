"""The official Python client in each revision of the legacy era, against the hub's own door."""

import asyncio

import mcp.client.session
import pytest
from conformance_hub import conformance_hub
from mcp import Client

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def address():
    with conformance_hub() as address:
        yield address


@pytest.mark.parametrize("revision", ["2025-11-25", "2025-06-18", "2025-03-26"])
async def test_the_client_opens_a_session_lists_and_calls(address, revision, monkeypatch):
    # The client asks for the newest revision that it knows; which one that is, is all that is changed.
    monkeypatch.setattr(mcp.client.session, "LATEST_HANDSHAKE_VERSION", revision)
    async with asyncio.timeout(30), Client(address, mode="legacy") as client:
        assert client.protocol_version == revision
        assert (client.server_info.title is not None) == (revision != "2025-03-26")
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert "crm__list" in names
        results = await asyncio.gather(*(client.call_tool("crm__list", {"n": n}) for n in range(20)))
        assert [result.content[0].text for result in results] == ["done"] * 20
        await client.send_ping()
