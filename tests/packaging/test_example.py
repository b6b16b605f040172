"""The example of the library runs as it stands, and its last line of JSON is a transaction that may be sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from adapter.fhir.decoding import decode
from adapter.fhir.releases import Release
from adapter.fhir.validation import validate

JOURNEY = "fixtures/journeys/low-risk-spoiled-sample/input.json"


def test_the_example_runs_and_says_what_was_assessed_read_and_set_aside(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "docs/example.py", JOURNEY, "2026-06-15"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "Patient/p-01: low (B8), plan P1"
    assert any(line.startswith("  read ") and ": N against " in line for line in lines)
    assert sum(line.startswith("  set aside ") for line in lines) == 3
    [transaction] = [line for line in lines if line.startswith("{")]
    bundle: Any = decode(transaction.encode(), where="transaction")
    assert validate(bundle, Release.R4) == []


def test_every_public_name_is_on_the_page_for_integrators(repository: Path) -> None:
    import adapter

    page = (repository / "docs" / "integrate.md").read_text("utf-8")
    assert [name for name in adapter.__all__ if f"`{name}" not in page] == []
