"""The log of the real program, checked by others: a second implementation, and a file on a machine that has nothing else."""

import base64
import json
import os
import subprocess

import logcheck
import pytest


@pytest.fixture
def log(own_world):
    """A log of several runs of a hub, whose key was rotated in between. Gives its keys too."""
    for _ in range(4):
        own_world.start_hub("/healthz")
        own_world.hub.end()
    own_world.deputy("audit", "rotate-key")
    for _ in range(3):
        own_world.start_hub("/healthz")
        own_world.hub.end()
    own_world.keys = own_world.state / "data/audit/log.vkey"
    own_world.bundle = own_world.deputy("audit", "export", "--format", "bundle").stdout
    return own_world


def elsewhere(log, folder, *arguments):
    """`deputy` where there is no configuration, no data directory and no network but what is given."""
    command = ["unshare", "--net", "--map-root-user"] if can_unshare() else []
    return subprocess.run(
        [*command, log.binary("deputy"), "audit", "verify", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )


def can_unshare():
    return subprocess.run(["unshare", "--net", "--map-root-user", "true"], capture_output=True).returncode == 0


def test_aud_02_a_second_implementation_finds_the_same_roots_and_proofs(log):
    keys = logcheck.keys_of(log.keys.read_text())
    assert len(keys) == 2
    lines = logcheck.check_bundle(log.bundle, keys)
    kinds = [line["kind"] for line in lines]
    assert kinds.count("hub_started") == 7 and kinds.count("log_key_rotated") == 1
    for line in lines:
        proof = log.deputy("audit", "prove", str(line["seq"])).stdout
        assert logcheck.check_proof(proof, keys) == line
    verified = log.deputy("audit", "verify").stdout
    root = logcheck.root_of([logcheck.leaf_hash(public) for public in publics(log.bundle)])
    assert f"root {base64.b64encode(root).decode()}" in verified


def publics(bundle):
    return [entry["public"].encode() for entry in map(json.loads, bundle.splitlines()) if "public" in entry]


def test_aud_02_a_second_implementation_finds_what_was_forged(log):
    keys = logcheck.keys_of(log.keys.read_text())
    proof = log.deputy("audit", "prove", "3").stdout
    for forged in (proof.replace("index 3", "index 2"), proof.replace("extra e", "extra f")):
        with pytest.raises((logcheck.NotGood, ValueError)):
            logcheck.check_proof(forged, keys)
    entries = log.bundle.splitlines()
    for forged in (
        log.bundle.replace("hub_started", "hub_stopped", 1),
        "\n".join(entries[:-1]),
        "\n".join([*entries[:-2], entries[-1], entries[-2]]),
    ):
        with pytest.raises(logcheck.NotGood):
            logcheck.check_bundle(forged, keys)
    with pytest.raises(logcheck.NotGood):
        logcheck.check_bundle(log.bundle, keys[:1])


def test_aud_04_a_bundle_is_verified_where_there_is_nothing_but_the_public_key(log, tmp_path):
    (tmp_path / "log.bundle").write_text(log.bundle)
    (tmp_path / "log.vkey").write_text(log.keys.read_text())
    newest = (log.state / "data/audit/default.checkpoint").read_text()
    (tmp_path / "kept.checkpoint").write_text(newest)
    given = ("--bundle", "log.bundle", "--key", "log.vkey", "--checkpoint", "kept.checkpoint")
    good = elsewhere(log, tmp_path, *given)
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.splitlines()[-1].startswith("ok    the log of `default` is what it was")
    (tmp_path / "log.bundle").write_text(log.bundle.replace("hub_started", "hub_stopped", 1))
    assert elsewhere(log, tmp_path, *given).returncode == 1
    (tmp_path / "log.bundle").write_text("\n".join(log.bundle.splitlines()[:-1]))
    assert elsewhere(log, tmp_path, *given).returncode == 1
    (tmp_path / "log.bundle").write_text("no bundle")
    assert elsewhere(log, tmp_path, *given).returncode == 1
    (tmp_path / "log.bundle").unlink()
    assert elsewhere(log, tmp_path, *given).returncode == 2
    assert elsewhere(log, tmp_path, "--bundle", "log.bundle").returncode == 2
