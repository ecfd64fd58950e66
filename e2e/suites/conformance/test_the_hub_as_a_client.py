"""The MCP conformance suite, pinned, against the hub's own client: its servers stand behind a hub, and a client of the
legacy era uses them through it (`e2e/conformance_client.py`)."""

import json
import sys

import pytest
import yaml
from conformance_hub import HERE, Run, hub_program
from small_world import ROOT

REQUIREMENTS = HERE / "node_modules/@modelcontextprotocol/conformance/requirements"
SCORED = {"2025-11-25": 18, "2026-07-28": 32}


@pytest.fixture(scope="module", params=SCORED)
def run(request, tmp_path_factory):
    results, turns = tmp_path_factory.mktemp("client"), tmp_path_factory.mktemp("turns")
    command = f"{sys.executable} {ROOT / 'e2e/conformance_client.py'} {hub_program()} {turns}"
    # All scenarios wait for their turn within this time.
    options = ["--command", command, "--timeout", "240000"]
    return Run("client", request.param, options, results, HERE / f"expected/client-{request.param}.yml")


def test_every_scored_scenario_passes_but_for_what_is_written_down(run):
    assert run.done.returncode == 0, run.done.stdout[-4000:] + run.done.stderr[-2000:]
    scored = yaml.safe_load((REQUIREMENTS / f"{run.revision}.yaml").read_text())["client"]
    assert len(scored) == SCORED[run.revision]
    assert set(scored) <= set(run.checks)


def test_unscored_scenarios_and_warnings_are_held_too(run):
    wrong = {scenario: found for scenario in run.checks if (found := run.wrong(scenario))}
    assert not wrong, json.dumps(wrong, indent=1)[:6000]


def test_nothing_is_written_down_that_passes(run):
    assert not run.stale()


def test_only_oauth_is_left_out(run):
    assert all(name.startswith("auth/") for name in run.excused())
