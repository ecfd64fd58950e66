"""What the conformance suite runs to test a client: `conformance_client.py HUB-PROGRAM FOLDER URL`.

The client under test is the hub's own: a hub is started with the suite's server behind it, and this speaks to the hub, as
a client of the legacy era: every word of the modern one that the suite's server hears is the hub's own.

The suite runs all its scenarios at once; of them two at a time have a hub, by a lock in the folder, since a hub that waits
for a processor gives up on servers that answer well.
"""

import fcntl
import http.client
import itertools
import json
import os
import subprocess
import sys
import urllib.parse

from conformance_auth import hub_for, lines_of

# What a user would choose, by scenario: tool and arguments. Without an entry every tool is called with no arguments.
CALLS = {
    "tools_call": [("add_numbers", {"a": 2, "b": 3})],
    "http-standard-headers": [("test_headers", {}), ("my-hyphenated-tool", {})],
    "sep-2322-client-request-state": [
        ("test_mrtr_echo_state", {}),
        ("test_mrtr_unrelated", {}),
        ("test_mrtr_no_state", {}),
        ("test_mrtr_no_result_type", {}),
    ],
}
REFUSED = '"arguments_invalid"'
PLAIN = {"boolean": True, "string": "x", "integer": 1, "number": 1}
# How often a person is asked for one thing.
MOST_ROUNDS = 5
MIGRATION = "auth/authorization-server-migration"
KEPT_SCHEMA = "json-schema-2020-12-preservation"


class Client:
    """One session with the hub."""

    elicitation = {"form": {}}

    def __init__(self, address, token=None):
        self.address, self.ids, self.session = urllib.parse.urlsplit(address), itertools.count(1), {}
        self.bearer = {"Authorization": f"Bearer {token}"} if token else {}
        result = self.ask(
            "initialize",
            protocolVersion="2025-11-25",
            clientInfo={"name": "conformance-client", "version": "1.0.0"},
            capabilities={"elicitation": self.elicitation, "sampling": {}, "roots": {}},
        )
        self.capabilities = result["capabilities"]
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).close()

    def post(self, message):
        connection = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=60)
        headers = {
            "Host": self.address.netloc,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **self.bearer,
            **self.session,
        }
        connection.request("POST", self.address.path, json.dumps(message), headers)
        answer = connection.getresponse()
        if session := answer.headers.get("mcp-session-id"):
            self.session = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
        return answer

    def ask(self, method, **params):
        message = self.whole_answer(method, params)
        print(method, params.get("name", ""), message.get("error") or "ok", file=sys.stderr)
        return message.get("result") or {}

    def whole_answer(self, method, params):
        id = next(self.ids)
        answer = self.post({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        for message in messages(answer):
            if "method" in message and "id" in message:
                result = answer_of(message["method"], message["params"])
                self.post({"jsonrpc": "2.0", "id": message["id"], "result": result}).close()
            elif message.get("id") == id:
                return message
        raise RuntimeError(f"{method} was not answered (status {answer.status})")


class ConnectingClient(Client):
    """One session with a hub whose person connects the server behind it whenever an answer asks for that."""

    elicitation = {"form": {}, "url": {}}

    def __init__(self, hub):
        self.hub = hub
        super().__init__(f"{hub.url}{hub.path}", hub.token())

    def whole_answer(self, method, params):
        for _ in range(MOST_ROUNDS):
            message = super().whole_answer(method, params)
            page = self.hub.page_in(message)
            if not page:
                return message
            print("the person opens", page, file=sys.stderr)
            self.hub.connect(page)
        raise RuntimeError(f"{method} asks on and on for a person")


def messages(answer):
    if "text/event-stream" not in answer.headers.get("content-type", ""):
        yield json.loads(answer.read())
        return
    for line in answer:
        if line.startswith(b"data:") and line[5:].strip():
            yield json.loads(line[5:])


def answer_of(method, params):
    """What the user says: yes, and what the form proposes."""
    if method == "roots/list":
        return {"roots": []}
    if method == "sampling/createMessage":
        return {"role": "assistant", "content": {"type": "text", "text": "hm"}, "model": "none"}
    properties = params.get("requestedSchema", {}).get("properties", {})
    content = {name: schema.get("default", PLAIN.get(schema.get("type"))) for name, schema in properties.items()}
    return {"action": "accept", "content": content}


def needed(schema):
    """The arguments that a tool cannot do without."""
    properties = schema.get("properties", {})
    return {name: PLAIN.get(properties.get(name, {}).get("type"), {}) for name in schema.get("required", [])}


def use(client, scenario, context):
    """Everything that the server offers, once."""
    tools = client.ask("tools/list").get("tools", [])
    calls = CALLS.get(scenario) or [(call["name"], call["arguments"]) for call in context.get("toolCalls", [])]
    if scenario == KEPT_SCHEMA:
        focal, echo = tools[0], tools[1]
        calls = [(echo["name"], {"schema": focal["inputSchema"]})]
    for name, arguments in calls or [(tool["name"], needed(tool["inputSchema"])) for tool in tools]:
        result = client.ask("tools/call", name=name, arguments=arguments)
        if REFUSED in json.dumps(result):
            # The hub holds arguments against the schema: a null that this does not allow is left out.
            kept = {name: value for name, value in arguments.items() if value is not None}
            client.ask("tools/call", name=name, arguments=kept)
    if "resources" in client.capabilities:
        for resource in client.ask("resources/list").get("resources", []):
            client.ask("resources/read", uri=resource["uri"])
    if "prompts" in client.capabilities:
        for prompt in client.ask("prompts/list").get("prompts", []):
            client.ask("prompts/get", name=prompt["name"])


def main(hub_program, folder, url):
    with open(f"{folder}/turn-{os.getpid() % 2}", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        run(hub_program, url)


def run(hub_program, url):
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    if scenario.startswith("auth/"):
        with hub_for(scenario, url, context) as (hub, server):
            use(ConnectingClient(hub), scenario, context)
            if scenario == MIGRATION:
                # The hub uses the server no more. An operator looks at where it has moved, and writes that down.
                hub.stop()
                server.look()
                hub.write(lines_of(scenario, hub.folder, server, context))
                hub.start()
                use(ConnectingClient(hub), scenario, context)
        return
    hub = subprocess.Popen([hub_program, "--upstream", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        client = Client(hub.stdout.readline().strip())
        use(client, scenario, context)
    finally:
        hub.stdin.close()
        hub.wait(15)


if __name__ == "__main__":
    main(*sys.argv[1:])
