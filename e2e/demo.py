"""Starts the small world and keeps it until Ctrl-C."""

import signal
import sys
import time

from chain import DemoWorld
from small_world import PEOPLE, ROOT, alone


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    held = alone(ROOT / ".deputy/demo.lock")
    state = ROOT / ".deputy/demo"
    print("starting the identity provider, the hub, the guard of the ledger and the CRM …")
    with DemoWorld(state, ports=(7070, 7071, 7072), guard_port=7073) as world:
        print(introduction(world))
        try:
            while not (ended := [p for p in (world.idp, world.hub, world.guard, world.crm) if p.process.poll() is not None]):
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("\nending everything …")
            return
        held.close()
        sys.exit(f"`{ended[0].name}` ended by itself; its log is {ended[0].log}")


def introduction(world):
    """What somebody needs to know to try it."""
    people = "\n".join(f"    {name:<8}{what}" for name, what in PEOPLE.items())
    deputy = world.binary("deputy")
    return f"""
  CRM                {world.crm_url}     sign in here, and leave the tab open
  hub                {world.hub_url}
  identity provider  {world.issuer}
  ledger             {world.resource}     an MCP server that knows no identity, behind its guard
  your agents        {world.hub_url}/login     which agents may act for you, and their end

  People (any password):
{people}

  Connect an MCP client (it signs in through your browser):
    claude mcp add --transport http deputy {world.hub_url}/mcp

  Look at what happened, and decide what waits:
    {deputy} audit list --config {world.config}
    {deputy} approve --watch --config {world.config}

  State and logs: {world.state}
  Ctrl-C ends everything.
"""


if __name__ == "__main__":
    main()
