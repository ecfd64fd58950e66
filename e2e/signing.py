"""A small world in which people sign in at the hub, and agents get their tokens from it."""

import asyncio
import contextlib
import httpx2
from agents import Callback, Memory, decide
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from small_world import SmallWorld
from stock import of_npm

SECRET = "deputy-secret-of-the-small-world"
POLICY = '@id("everything")\npermit (principal, action, resource);\n'


class SigningWorld(SmallWorld):
    """The identity provider, the hub as an authorization server in front of it, the CRM, and a server with a memory."""

    registration = "true"
    # What is allowed; `None` is what ships.
    policy = POLICY
    has_memory = True

    def _config(self, hub):
        (self.state / "idp.secret").write_text(SECRET)
        text = super()._config(hub).replace(
            "[[identity_provider]]\n",
            f'[[identity_provider]]\nclient = {{ id = "deputy", secret = {{ file = "{self.state}/idp.secret" }} }}\n',
        )
        text += f"""
[sign_in]
scopes = ["profile", "groups"]
dynamic_registration = {self.registration}
"""
        if self.policy:
            (self.state / "policy").mkdir(exist_ok=True)
            (self.state / "policy/all.cedar").write_text(self.policy)
            text += f'\n[policy]\ndir = "{self.state}/policy"\n'
        return text + self._memory() if self.has_memory else text

    def _memory(self):
        command = ", ".join(f'"{part}"' for part in of_npm("memory"))
        return f"""
[[server]]
name = "memory"
command = [{command}]
env = {{ PATH = "/usr/bin:/bin", MEMORY_FILE_PATH = "{self.state}/memory.jsonl" }}

[server.class]
read_graph = ["read"]
create_entities = ["write"]
delete_entities = ["destructive"]
"""


@contextlib.asynccontextmanager
async def agent(person, path="/mcp", storage=None, most=None, decision="allow", shot=None, asked=None, mode="auto"):
    """An official MCP client that the person lets act, on the hub's own pages."""
    async with Callback() as back:

        choices = list(most) if isinstance(most, (list, tuple)) else [most]

        async def redirect(url):
            back.begin()
            page = await person.context.new_page()
            await page.goto(url)
            # The last choice holds for every further round.
            choice = choices.pop(0) if len(choices) > 1 else choices[0]
            was_asked = await decide(person, page, decision, choice, shot)
            if asked is not None:
                asked.append(was_asked)
            await back.came(page)

        async def callback():
            query = await asyncio.wait_for(back.answer, 10)
            if "code" not in query:
                raise PermissionError(query.get("error"))
            return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

        auth = OAuthClientProvider(
            server_url=f"{person.world.hub_url}{path}",
            client_metadata=OAuthClientMetadata(client_name="Small world's agent", redirect_uris=[back.url]),
            storage=storage or Memory(),
            redirect_handler=redirect,
            callback_handler=callback,
        )
        timeout = httpx2.Timeout(30, read=300)
        async with httpx2.AsyncClient(auth=auth, timeout=timeout, trust_env=False) as http:
            transport = streamable_http_client(f"{person.world.hub_url}{path}", http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client
