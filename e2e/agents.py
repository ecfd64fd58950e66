"""The official Python MCP client, signed in as a person through that person's own browser."""

import contextlib
import json
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

CALLBACK = "http://127.0.0.1:39999/callback"


class Memory:
    """Where the client keeps what it was given."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def oauth(person, storage):
    """OAuth by the 401 challenge; the person's browser goes where the client asks it to."""
    answer = {}

    async def redirect(url):
        page = await person.context.new_page()

        async def arrived(route):
            answer["url"] = route.request.url
            await route.fulfill(body="The agent is signed in. This tab may be closed.")

        await page.route(f"{CALLBACK}*", arrived)
        await page.goto(url)
        await person.through_the_identity_provider(page)
        await page.close()

    async def callback():
        query = {name: values[0] for name, values in parse_qs(urlsplit(answer["url"]).query).items()}
        if "code" not in query:
            raise RuntimeError(f"the identity provider refused: {query}")
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    return OAuthClientProvider(
        server_url=f"{person.world.hub_url}/mcp",
        client_metadata=OAuthClientMetadata(client_name="Small world's agent", redirect_uris=[CALLBACK]),
        storage=storage,
        redirect_handler=redirect,
        callback_handler=callback,
    )


@contextlib.asynccontextmanager
async def agent(person, mode="auto", storage=None, **options):
    """An MCP client that acts for `person`; `mode` is the era."""
    auth = oauth(person, storage or Memory())
    timeout = httpx2.Timeout(30, read=300)
    async with httpx2.AsyncClient(auth=auth, timeout=timeout, trust_env=False) as http:
        transport = streamable_http_client(f"{person.world.hub_url}/mcp", http_client=http)
        async with Client(transport, mode=mode, **options) as client:
            yield client


async def tool_names(client):
    """The names that the person's agent sees now."""
    return sorted(tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools)


def words(result):
    """What a result says to a model."""
    return "\n".join(part.text for part in result.content if part.type == "text")


def reason(result):
    """The stable code of a refusal, if it is one."""
    return (result.meta or {}).get("dev.deputy/reason")


def data(result):
    """What a result says to a program."""
    return result.structured_content if result.structured_content is not None else json.loads(words(result))
