"""The MCP conformance suite, pinned, at `/s/fixture/mcp`, with two fixtures behind the hub, one written by hand and one
on the official Rust SDK: in the suite's era and in the other, over HTTP and as a process. And directly at the fixtures, so that
a fault of their own is not taken for the hub's."""

import json

import pytest
import yaml
from conformance_hub import HERE, Run, fixture, hub_before_fixture

LEGACY, MODERN = "2025-11-25", "2026-07-28"
REQUIREMENTS = HERE / "node_modules/@modelcontextprotocol/conformance/requirements"
# What stands where, and what that cannot pass.
RUNS = {
    "modern-direct": (MODERN, lambda: fixture("modern"), None),
    "legacy-direct": (LEGACY, lambda: fixture("legacy"), None),
    "modern-before-modern": (MODERN, lambda: hub_before_fixture("modern"), None),
    "legacy-before-legacy": (LEGACY, lambda: hub_before_fixture("legacy"), "legacy-suite.yml"),
    "modern-before-legacy": (MODERN, lambda: hub_before_fixture("legacy"), "modern-suite-legacy-fixture.yml"),
    "legacy-before-modern": (LEGACY, lambda: hub_before_fixture("modern"), "legacy-suite.yml"),
    "modern-before-modern-process": (MODERN, lambda: hub_before_fixture("modern", "stdio"), None),
    "legacy-before-legacy-process": (LEGACY, lambda: hub_before_fixture("legacy", "stdio"), "legacy-suite.yml"),
    # And on the official Rust SDK: what passes directly passes through the hub, for it is held against the same file.
    "sdk-modern-direct": (MODERN, lambda: fixture("modern", on_sdk=True), "sdk-modern.yml"),
    "sdk-legacy-direct": (LEGACY, lambda: fixture("legacy", on_sdk=True), None),
    "sdk-modern-before-modern": (MODERN, lambda: hub_before_fixture("modern", on_sdk=True), "sdk-modern.yml"),
    "sdk-legacy-before-legacy": (LEGACY, lambda: hub_before_fixture("legacy", on_sdk=True), None),
    "sdk-modern-before-modern-process": (
        MODERN,
        lambda: hub_before_fixture("modern", "stdio", on_sdk=True),
        "sdk-modern.yml",
    ),
    "sdk-legacy-before-legacy-process": (LEGACY, lambda: hub_before_fixture("legacy", "stdio", on_sdk=True), None),
    "sdk-modern-before-legacy": (
        MODERN,
        lambda: hub_before_fixture("legacy", on_sdk=True),
        "modern-suite-legacy-fixture.yml",
    ),
    "sdk-legacy-before-modern": (LEGACY, lambda: hub_before_fixture("modern", on_sdk=True), None),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request, tmp_path_factory):
    revision, where, expected = RUNS[request.param]
    with where() as address:
        results = tmp_path_factory.mktemp(request.param)
        return Run("server", revision, ["--url", address], results, expected and HERE / "expected" / expected)


def test_every_scored_scenario_passes_but_for_what_is_written_down(run):
    assert "=== SUMMARY ===" in run.done.stdout, run.summary()
    assert run.done.returncode == 0, run.summary()
    scored = yaml.safe_load((REQUIREMENTS / f"{run.revision}.yaml").read_text())["server"]
    assert len(scored) == {LEGACY: 30, MODERN: 37}[run.revision]
    assert set(scored) <= set(run.checks)


def test_unscored_scenarios_and_warnings_are_held_too(run):
    wrong = {scenario: found for scenario in run.checks if (found := run.wrong(scenario))}
    assert not wrong, json.dumps(wrong, indent=1)[:6000]


def test_nothing_is_written_down_that_passes(run):
    assert not run.stale()
