# pip install "mcp>=2.3"
# Reads an access token for the hub from standard input: audience (aud) "HUB_ADDRESS".
import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HUB = "HUB_ADDRESS"


async def main(token: str) -> None:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=120) as http:
        async with Client(streamable_http_client(HUB, http_client=http)) as client:
            for tool in (await client.list_tools()).tools:
                print(tool.name, "-", tool.description)


asyncio.run(main(sys.stdin.readline().strip()))
