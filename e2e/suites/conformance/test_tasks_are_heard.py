"""Who listens to a task (`taskIds`, extension `io.modelcontextprotocol/tasks`) hears of it through the hub, over HTTP and from
a process."""

import json
import threading
import urllib.request

import pytest
from conformance_hub import hub_before_fixture

P = "io.modelcontextprotocol/"
KNOWS = {"extensions": {P + "tasks": {}}}


def request(address, id, method, params, name=None):
    meta = {P + "protocolVersion": "2026-07-28", P + "clientCapabilities": KNOWS}
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        **({"mcp-name": name} if name else {}),
    }
    return urllib.request.Request(address, json.dumps(body).encode(), headers)


def messages(answer):
    for line in answer:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def called(address, tool, arguments):
    params = {"name": tool, "arguments": arguments}
    with urllib.request.urlopen(request(address, 1, "tools/call", params, tool), timeout=30) as answer:
        result = json.load(answer)["result"]
    assert result["resultType"] == "task", result
    return result["taskId"]


@pytest.mark.parametrize("transport", ["http", "stdio"])
def test_who_listens_to_a_task_hears_until_it_is_completed(transport):
    with hub_before_fixture("modern", transport) as address:
        task, other = called(address, "slow_compute", {"seconds": 2, "label": "a"}), "task-of-nobody"
        wanted = {"notifications": {"taskIds": [task, other]}}
        with urllib.request.urlopen(request(address, "s", "subscriptions/listen", wanted), timeout=30) as stream:
            told = messages(stream)
            first = next(told)
            assert first["method"] == "notifications/subscriptions/acknowledged"
            assert task in first["params"]["notifications"]["taskIds"]
            seen = []
            for message in told:
                params = message["params"]
                assert message["method"] == "notifications/tasks" and params["taskId"] == task, message
                assert params["_meta"][P + "subscriptionId"] == "s" and "resultType" not in params
                seen.append(params["status"])
                if params["status"] == "completed":
                    assert params["result"]["content"][0]["text"] == "computed a"
                    break
            assert seen[-1] == "completed" and set(seen) <= {"working", "completed"}, seen


def test_a_task_that_asks_is_told_with_its_question():
    with hub_before_fixture("modern") as address:
        task = called(address, "confirm_delete", {"filename": "a.txt"})
        wanted = {"notifications": {"taskIds": [task]}}
        with urllib.request.urlopen(request(address, "s", "subscriptions/listen", wanted), timeout=30) as stream:
            told = messages(stream)
            next(told)
            asking = next(message["params"] for message in told if message["params"]["status"] == "input_required")
            (key,) = asking["inputRequests"]
            answers = {"taskId": task, "inputResponses": {key: {"action": "accept", "content": {"confirm": True}}}}
            answered = threading.Thread(
                target=lambda: urllib.request.urlopen(request(address, 2, "tasks/update", answers, task), timeout=30).close()
            )
            answered.start()
            done = next(message["params"] for message in told if message["params"]["status"] == "completed")
            answered.join()
            assert done["result"]["content"][0]["text"] == "deleted a.txt"
