"""A hub for programs that bring no token: in memory, behind its real door, as one fixed principal."""

import contextlib
import os
import subprocess

from small_world import ROOT


@contextlib.contextmanager
def conformance_hub():
    """Its address. It ends when its input does, so also when this process is killed."""
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    program = subprocess.Popen(
        [f"{target}/debug/examples/conformance"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        address = program.stdout.readline().strip()
        if not address:
            raise RuntimeError("the hub did not say its address")
        yield address
    finally:
        program.stdin.close()
        try:
            program.wait(15)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
