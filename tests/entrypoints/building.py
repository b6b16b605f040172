"""Run the command as a user does, on records made with as few words as a test needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from adapter.entrypoints.cli import main
from adapter.fhir.decoding import encode
from tests.laws.bundles import Json, frax, in_bundle, measured

AS_OF = ("--as-of", "2026-06-15")
WOMAN = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
OTHER = WOMAN | {"id": "q"}
# Low risk, high turnover: nothing is open, so the command ends with 0.
LOW: list[Json] = [WOMAN, *frax("3.2", "0.4"), measured("ctx", "ctx", "812")]
# Nothing but a marker: that is indeterminate, so the command ends with 1.
OPEN: list[Json] = [WOMAN, measured("ctx", "ctx", "812")]
MAIN = "from adapter.entrypoints.cli import main; main()"


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """What ``osteo-fhir`` answers; anything but an orderly end is an error of the test."""
    result = CliRunner().invoke(main, [str(each) for each in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def in_a_process(*arguments: str | Path, program: str = MAIN, stderr: int = subprocess.PIPE) -> Any:
    """The command in a process of its own."""
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        check=False,
    )


def saved(path: Path, record: Sequence[Json]) -> Path:
    """The record as a Bundle in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(in_bundle(record)))
    return path


def explained(*arguments: str | Path) -> Any:
    """What ``explain --json`` says about the only patient."""
    (patient,) = json.loads(run("explain", *arguments, "--json", *AS_OF).stdout)["patients"]
    return patient


def types(data: bytes) -> list[str]:
    """The resource types of the entries of a transaction."""
    return [entry["resource"]["resourceType"] for entry in json.loads(data)["entry"]]
