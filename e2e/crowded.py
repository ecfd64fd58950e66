"""`python crowded.py PORT`: a server of the modern era over HTTP for a crowd: it echoes, it keeps calls waiting for ever (and says
that they wait), and it grows by a tool when it is told to. Serves until it is killed."""

import asyncio
import sys

import uvicorn
from fixture.http import Exchange, ModernHttp
from fixture.modern import CACHED, Client, Modern
from fixture.wire import text


class Crowded(Modern):
    def __init__(self):
        super().__init__()
        self.grown = 0

    def names(self):
        return ["echo", "wait", "grow", *(f"grown_{at}" for at in range(self.grown))]

    async def result(self, id, method, params, send):
        match method, params.get("name"):
            case "tools/list", _:
                schema = {"type": "object"}
                tools = [{"name": name, "description": name, "inputSchema": schema} for name in self.names()]
                return {"tools": tools, **CACHED}
            case "tools/call", "echo":
                return text(params["arguments"]["word"])
            case "tools/call", "wait":
                await Client(params, send).progress(0, 1, "it waits")
                await asyncio.Event().wait()
            case "tools/call", "grow":
                self.grown += 1
                await self.announce(
                    lambda wanted: wanted.get("toolsListChanged"), "notifications/tools/list_changed", {}
                )
                return text(f"grown_{self.grown - 1}")
        return await super().result(id, method, params, send)


async def main(port):
    door = ModernHttp(Crowded())

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await door(Exchange(scope, receive, send))

    await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off", backlog=4096)).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
