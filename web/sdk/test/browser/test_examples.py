"""The examples, as they are, against a hub: each connects, offers its tools and answers a call."""

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from run import MODES, NODE, browser, hub

SDK = Path(__file__).resolve().parents[2]
EXAMPLES = SDK / "examples"
HUB = "https://hub.acme.example"


@pytest.fixture(scope="module", params=MODES)
def launched(request):
    with browser(request.param) as started:
        yield started


@pytest.fixture
def world(launched):
    with hub() as started:
        started.answers |= {
            "/deputy-ticket": ("application/json", '{"ticket":"tkt_1"}'),
            "/me": ("application/json", '{"subject":"alice"}'),
            "/api/customers/7": ("application/json", '{"number":7,"name":"Ada & Sons"}'),
            "/api/tickets": ("application/json", '{"ticket":"tkt_bought","expires_at":1,"session_expires_at":2}'),
        }
        page = launched.new_page()
        yield started, page
        page.close()


def serve(hub, name, kind, text):
    hub.answers[f"/examples/{name}"] = (kind, text.replace(HUB, hub.origin))


def connected(hub, number=0):
    hub.greet(number)
    return {tool["name"]: tool for tool in hub.said(number, "tools")["tools"]}


def test_the_plain_page(world):
    hub, page = world
    for name, kind in {"index.html": "text/html", "agents.js": "text/javascript"}.items():
        serve(hub, f"plain/{name}", kind, (EXAMPLES / "plain" / name).read_text())
    page.goto(f"{hub.origin}/examples/plain/index.html")
    tools = connected(hub)
    assert set(tools) == {"find_customer", "rename_customer"}
    call = hub.call(0, tools["find_customer"], hub.origin, {"number": 7})
    assert hub.result(call) == {"kind": "json", "value": {"number": 7, "name": "Ada & Sons"}}
    page.once("dialog", lambda dialog: dialog.accept())
    call = hub.call(0, tools["rename_customer"], hub.origin, {"number": 7, "name": "Ada"}, seq=3)
    page.wait_for_selector("#calls:text('2')")
    assert hub.result(call)["value"] == {"number": 7, "name": "Ada"}
    page.click("#sign-out")
    assert hub.said(0, "bye")["reason"] == "signed_out"


def bundle(entry, out):
    options = {
        "entryPoints": [str(entry)],
        "outfile": str(out),
        "bundle": True,
        "format": "esm",
        # The development build: only there does StrictMode mount everything twice.
        "define": {"process.env.NODE_ENV": '"development"'},
        "alias": {"@deputy/sdk": str(SDK / "deputy.js")},
        "logLevel": "error",
    }
    command = [NODE, "-e", 'require("esbuild").buildSync(JSON.parse(process.argv[1]))', json.dumps(options)]
    built = subprocess.run(command, capture_output=True, text=True, cwd=SDK, check=False)
    assert built.returncode == 0, built.stderr
    return out.read_text()


def test_react_in_strict_mode_registers_a_tool_once_and_takes_it_back(world, tmp_path):
    hub, page = world
    serve(hub, "react/index.html", "text/html", (EXAMPLES / "react" / "index.html").read_text())
    serve(hub, "react/main.js", "text/javascript", bundle(EXAMPLES / "react" / "main.tsx", tmp_path / "main.js"))
    page.goto(f"{hub.origin}/examples/react/index.html")
    hub.greet(0)
    page.wait_for_selector("#status:text('open')")
    told = hub.until(lambda news: [tool["name"] for tool in news.get("frame", {}).get("tools", [])] == ["count_up"])
    (tool,) = told["frame"]["tools"]
    for seq, by, count in ((2, 2, 2), (3, 3, 5)):
        assert hub.result(hub.call(0, tool, hub.origin, {"by": by}, seq))["value"] == {"count": count}
        page.wait_for_selector(f"#count:text('{count}')")
    told_before = len(hub.log)
    page.click("button")
    hub.until(lambda news: hub.log.index(news) >= told_before and news.get("frame", {}).get("tools") == [])


@contextlib.contextmanager
def server(hub_origin):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "HUB": hub_origin, "PORT": str(port), "ORIGIN": origin}
    program = subprocess.Popen([NODE, EXAMPLES / "server-rendered" / "server.js"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout.readline() == f"listening on {origin}\n"
        yield origin
    finally:
        program.terminate()
        program.wait(10)


def test_the_server_rendered_application_under_its_strict_policy(world):
    hub, page = world
    with server(hub.origin) as origin:
        page.goto(f"{origin}/")
        assert page.inner_text("p") == "Nobody is signed in."
        page.goto(f"{origin}/sign-in")
        assert page.inner_text("p") == "Signed in as Alice."
        hello = hub.greet(0)
        assert hello["ticket"] == "tkt_bought", "the back end bought it"
        assert hub.until(lambda news: news.get("opened"))["origin"] == origin
        (tool,) = hub.said(0, "tools")["tools"]
        call = hub.call(0, tool, origin, {"number": 7})
        assert hub.result(call)["value"] == {"number": "7", "name": "Ada & Sons"}


def test_the_manifest_command_prints_what_the_hub_is_told(world):
    hub, page = world
    for name, kind in {"index.html": "text/html", "agents.js": "text/javascript"}.items():
        serve(hub, f"plain/{name}", kind, (EXAMPLES / "plain" / name).read_text())
    address = f"{hub.origin}/examples/plain/index.html"
    page.goto(address)
    tools = connected(hub)
    printed = run_manifest(address)
    assert printed.returncode == 0, printed.stderr
    manifest = json.loads(printed.stdout)
    assert (manifest["v"], manifest["origin"]) == (1, hub.origin)
    assert {tool["name"]: {key: tool[key] for key in tool if key != "hash"} for tool in manifest["tools"]} == tools
    found = next(tool for tool in manifest["tools"] if tool["name"] == "find_customer")
    call = hub.call(0, tools["find_customer"], hub.origin, {"number": 7})
    hub.result(call)
    assert hub.hash(tools["find_customer"], hub.origin) == found["hash"], "the page took a call with that hash"


def test_the_manifest_command_says_what_is_wrong(world):
    hub, _ = world
    printed = run_manifest(f"{hub.origin}/frame.html", "--wait", "1")
    assert (printed.returncode, printed.stdout) == (1, "")
    assert "has not loaded the SDK" in printed.stderr
    for wrong in ([], ["no address"], ["--unknown"], [hub.origin, "--wait", "soon"]):
        printed = run_manifest(*wrong)
        assert (printed.returncode, printed.stdout) == (2, "")
        assert "deputy-manifest ADDRESS" in printed.stderr


def run_manifest(*words):
    command = [NODE, SDK / "bin" / "deputy-manifest.js", *words, "--flag=--no-sandbox"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
