"""MCP servers as people run them, as processes behind the hub, used by the official Python client in both eras."""

import asyncio
import subprocess
import sys

import pytest
from conformance_hub import conformance_hub
from mcp import Client
from small_world import ROOT, node

pytestmark = pytest.mark.anyio

ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
WORDS = "what stands in the file"


def of_npm(name, *arguments):
    return [node(), str(ROOT / f"e2e/servers/node_modules/@modelcontextprotocol/server-{name}/dist/index.js"), *arguments]


def of_pypi(name, *arguments):
    return [sys.executable, "-m", f"mcp_server_{name}", *arguments]


@pytest.fixture
def folder(tmp_path):
    """A repository with a file that is not committed."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "file.txt").write_text(WORDS)
    return str(tmp_path)


async def used(command, mode, tool, arguments):
    """Whether one call failed, and what it says; the server's tools are listed before."""
    with conformance_hub("--command", *command) as address:
        async with asyncio.timeout(60), Client(address, mode=mode) as client:
            assert client.protocol_version == ERAS[mode]
            assert tool in [listed.name for listed in (await client.list_tools()).tools]
            result = await client.call_tool(tool, arguments)
            return result.is_error, result.content[0].text


@pytest.mark.parametrize("mode", ERAS)
async def test_filesystem(folder, mode):
    done = await used(of_npm("filesystem", folder), mode, "read_text_file", {"path": f"{folder}/file.txt"})
    assert done == (False, WORDS)


@pytest.mark.parametrize("mode", ERAS)
async def test_everything(mode):
    failed, said = await used(of_npm("everything"), mode, "echo", {"message": WORDS})
    assert WORDS in said and not failed


@pytest.mark.parametrize("mode", ERAS)
async def test_memory(mode):
    failed, said = await used(of_npm("memory"), mode, "read_graph", {})
    assert "entities" in said and not failed


@pytest.mark.parametrize("mode", ERAS)
async def test_git(folder, mode):
    failed, said = await used(of_pypi("git", "--repository", folder), mode, "git_status", {"repo_path": folder})
    assert "file.txt" in said and not failed


@pytest.mark.parametrize("mode", ERAS)
async def test_time(mode):
    command = of_pypi("time", "--local-timezone", "UTC")
    failed, said = await used(command, mode, "get_current_time", {"timezone": "UTC"})
    assert "UTC" in said and not failed


@pytest.mark.parametrize("mode", ERAS)
async def test_fetch(mode):
    """It fetches nothing from this machine, and nothing else is sure to be there: its own refusal arrives as it is."""
    command = of_pypi("fetch", "--ignore-robots-txt")
    failed, said = await used(command, mode, "fetch", {"url": "http://127.0.0.1:9/"})
    assert failed and "link-local" in said
