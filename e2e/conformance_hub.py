"""A hub for programs that bring no token: in memory, behind its real door, as one fixed principal; and what it stands
before and is tested with: the fixture, and the conformance suite."""

import contextlib
import json
import os
import subprocess
import sys

import yaml
from small_world import ROOT, node

HERE = ROOT / "e2e/conformance"
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"


def hub_program():
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return f"{target}/debug/examples/conformance"


@contextlib.contextmanager
def started(command, **more):
    """The address that a program says first. It ends when its input does, so also when this process is killed."""
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    try:
        address = program.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"{command[0]} did not say its address")
        yield address
    finally:
        program.stdin.close()
        try:
            program.wait(15)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


def conformance_hub(*arguments):
    """Its address: of `/mcp` with a page's tools, or of `/s/fixture/mcp` with an upstream."""
    return started([hub_program(), *arguments])


def sdk_program():
    """The fixture on the official Rust SDK (`e2e/rmcp_fixture`)."""
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return f"{target}/rmcp-fixture/debug/rmcp-fixture"


def fixture(era, on_sdk=False):
    """The address of a fixture in this era."""
    program = [sdk_program()] if on_sdk else [sys.executable, "-m", "fixture"]
    return started([*program, "--era", era], cwd=ROOT / "e2e")


@contextlib.contextmanager
def hub_before_fixture(era, transport="http", on_sdk=False):
    """The hub's address, with a fixture behind it."""
    if transport == "stdio":
        program = f"'{sdk_program()}'" if on_sdk else f"'{sys.executable}' -m fixture"
        command = f"cd '{ROOT / 'e2e'}' && exec {program} --stdio --era {era}"
        with conformance_hub("--command", "/bin/sh", "-c", command) as address:
            yield address
        return
    with fixture(era, on_sdk) as behind, conformance_hub("--upstream", behind) as address:
        yield address


class Run:
    """One run of the suite for one revision, held against a file of what it cannot pass and why."""

    def __init__(self, kind, revision, options, results, expected=None):
        self.expected, self.revision = expected, revision
        held = ["--expected-failures", expected] if expected else []
        command = [node(), SUITE, kind, "--requirements", revision, *options, *held, "-o", results]
        self.done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.checks = {}
        for file in results.glob("*/checks.json"):
            # {scenario}-{ISO time with hyphens}, of servers with a word before it; a scenario's own name has slashes.
            scenario = str(file.parent.relative_to(results)).removeprefix("server-").rsplit("-", 6)[0]
            self.checks[scenario] = json.loads(file.read_text())
        for file in results.glob("auth/*/checks.json"):
            self.checks["auth/" + file.parent.name.rsplit("-", 6)[0]] = json.loads(file.read_text())

    def excused(self):
        """Scenarios, and scenario:check, that are written down: what counts, and what the suite does not score."""
        written = yaml.safe_load(self.expected.read_text()) if self.expected else {}
        return {name for names in written.values() for name in names or []}

    def wrong(self, scenario):
        """What failed, or was warned of, and is not written down."""
        excused = self.excused()
        found = [check for check in self.checks[scenario] if check["status"] in ("FAILURE", "WARNING")]
        return [check for check in found if not {scenario, f"{scenario}:{check['id']}"} & excused]

    def stale(self):
        """What is written down and did not fail."""
        failed = set()
        for scenario, checks in self.checks.items():
            for check in checks:
                if check["status"] in ("FAILURE", "WARNING"):
                    failed |= {scenario, f"{scenario}:{check['id']}"}
        return self.excused() - failed

    def summary(self):
        out = self.done.stdout
        return out[out.find("=== SUMMARY ===") :] if "=== SUMMARY ===" in out else out[-3000:] + self.done.stderr[-3000:]
