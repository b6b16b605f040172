"""Medplum's FHIR engine in a Node process of its own, on a free port of the loopback address.

``with medplum() as base:`` starts it; it ends with the block, and when the test run is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent / "medplum"


@contextmanager
def medplum(*, any_release: bool = False) -> Iterator[str]:
    """Run the engine until the block ends; gives its base address.

    Args:
        any_release: Take resources of any release, unjudged; otherwise R4's definitions and invariants are enforced.
    """
    _install()
    options = ["--any-release"] if any_release else []
    process = subprocess.Popen(
        ["node", "server.mjs", *options], cwd=_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip().decode()
        assert port, "the Medplum engine did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


@cache
def _install() -> None:
    """Install the engine beside this file, once."""
    if not shutil.which("node") or not shutil.which("npm"):
        if os.environ.get("CI") == "true":
            pytest.fail("Node and npm are needed in CI: one of the servers that are written to runs on them")
        pytest.skip("Node is not installed: the Medplum engine is left out")
    if not (_FOLDER / "node_modules" / "@medplum" / "fhir-router").is_dir():
        subprocess.run(["npm", "install"], cwd=_FOLDER, check=True, capture_output=True)
