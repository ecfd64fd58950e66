"""The MCP conformance suite, pinned, against the hub's own door with a page behind it, and nothing else: what is the hub's
own duty, and not that of a server, is done here too."""

import json

import pytest
from conformance_hub import HERE, Run, conformance_hub

EXPECTED = HERE / "expected/page.yml"
# What is the hub's own duty, and not that of a server behind it.
OWN_DUTY = {
    "2025-11-25": [
        "server-initialize",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "ping",
        "logging-set-level",
        "tools-list",
        "dns-rebinding-protection",
    ],
    "2026-07-28": [
        "server-stateless",
        "server-sse-multiple-streams",
        "caching",
        "tools-list",
        "dns-rebinding-protection",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "input-required-result-ignore-extra-params",
    ],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The runs so far, each made once."""
    known = {}

    def run(revision):
        if revision not in known:
            with conformance_hub() as address:
                results = tmp_path_factory.mktemp("conformance")
                known[revision] = Run("server", revision, ["--url", address], results, EXPECTED)
        return known[revision]

    return run


@pytest.mark.parametrize("revision", OWN_DUTY)
def test_the_suite_finds_only_what_is_written_down(runs, revision):
    run = runs(revision)
    assert "=== SUMMARY ===" in run.done.stdout, run.summary()
    assert run.done.returncode == 0, run.summary()


@pytest.mark.parametrize(
    ("revision", "scenario"), [(revision, name) for revision, names in OWN_DUTY.items() for name in names]
)
def test_the_hub_does_its_own_duty(runs, revision, scenario):
    checks = runs(revision).checks[scenario]
    excused = runs(revision).excused()
    failed = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
    wrong = [check for check in failed if f"{scenario}:{check['id']}" not in excused]
    assert not wrong, json.dumps(wrong, indent=1)
    assert any(check["status"] == "SUCCESS" for check in checks)
