"""The official Python MCP client, signed in as a person through that person's own browser."""

import asyncio
import contextlib
import json
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata


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


class Callback:
    """The loopback address to which the identity provider sends the browser back (RFC 8252 section 7.3)."""

    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def begin(self):
        """Another round: a client that needs more asks the person again."""
        if self.answer.done():
            self.answer = asyncio.get_running_loop().create_future()

    async def came(self, page):
        """Waits until the browser is back here, and closes its page: one that is still on its way may never close."""
        await asyncio.wait_for(asyncio.shield(self.answer), 10)
        await page.wait_for_url(lambda url: url.startswith(self.url))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await page.close()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def _serve(self, reader, writer):
        words = (await reader.readline()).decode().split(" ")
        if len(words) < 2:
            # A browser opens connections in advance, and closes those that it does not need.
            writer.close()
            return
        path = words[1]
        text = b"The agent is signed in. This tab may be closed."
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(text), text))
        await writer.drain()
        writer.close()
        if path.startswith("/callback?") and not self.answer.done():
            self.answer.set_result({name: values[0] for name, values in parse_qs(urlsplit(path).query).items()})


async def decide(person, page, decision="allow", most=None, shot=None):
    """Through the identity provider, and a yes or no on the hub's consent page, if that comes."""
    await person.through_the_identity_provider(page)
    if urlsplit(page.url).netloc != urlsplit(person.world.hub_url).netloc:
        return False
    if shot:
        await page.screenshot(path=shot, full_page=True)
    if most:
        await page.check(f'input[name="most"][value="{most}"]')
    await page.click(f'button[value="{decision}"]')
    return True


def oauth(person, storage, back):
    """OAuth by the 401 challenge; the person's browser goes where the client asks it to."""

    async def redirect(url):
        back.begin()
        page = await person.context.new_page()
        await page.goto(url)
        await decide(person, page)
        await back.came(page)

    async def callback():
        query = await asyncio.wait_for(back.answer, 10)
        if "code" not in query:
            raise RuntimeError(f"the identity provider refused: {query}")
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    return OAuthClientProvider(
        server_url=f"{person.world.hub_url}/mcp",
        client_metadata=OAuthClientMetadata(client_name="Small world's agent", redirect_uris=[back.url]),
        storage=storage,
        redirect_handler=redirect,
        callback_handler=callback,
    )


@contextlib.asynccontextmanager
async def agent(person, mode="auto", storage=None, **options):
    """An MCP client that acts for `person`; `mode` is the era."""
    async with Callback() as back:
        auth = oauth(person, storage or Memory(), back)
        timeout = httpx2.Timeout(30, read=300)
        async with httpx2.AsyncClient(auth=auth, timeout=timeout, trust_env=False) as http:
            transport = streamable_http_client(f"{person.world.hub_url}/mcp", http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield client


@contextlib.asynccontextmanager
async def calling(client, tool, arguments):
    """A call under way, as a task. Whatever becomes of it, it is over when this is left."""
    call = asyncio.create_task(client.call_tool(tool, arguments))
    try:
        yield call
    finally:
        # A second cancel would interrupt the client while it tells the hub of the first.
        if not call.cancelling():
            call.cancel()
        await asyncio.gather(call, return_exceptions=True)


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
