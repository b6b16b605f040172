"""Law: "same input, same bytes": in one process and in another, so that running twice writes once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

from adapter.fhir.decoding import encode
from adapter.pipeline import Outcome
from tests.laws.bundles import Json, assessed, assessed_from, in_bundle, records, written

_RUN = "from adapter.entrypoints.cli import main; main()"


def ids(outcome: Outcome) -> list[str]:
    return [resource["id"] for patient in outcome.patients for resource in patient.resources]


@given(records())
def test_the_same_record_gives_the_same_bytes(record: list[Json]) -> None:
    one, other = assessed(record), assessed(record)

    assert one == other
    assert [*map(written, one.patients)] == [*map(written, other.patients)]


@given(records())
def test_the_same_record_from_another_file_has_the_same_ids_and_bytes(record: list[Json]) -> None:
    data = encode(in_bundle(record))

    one, other = assessed_from(("a.json", data)), assessed_from(("elsewhere/b.json", b"\xef\xbb\xbf \n" + data))

    assert [*map(written, one.patients)] == [*map(written, other.patients)]


@given(records())
def test_another_language_is_the_same_assessment(record: list[Json]) -> None:
    assert ids(assessed(record)) == ids(assessed(record, language="zh"))


@pytest.mark.parametrize("command", [("convert", "--format", "resources"), ("explain", "--json")], ids=" ".join)
def test_another_process_with_another_hash_seed_gives_the_same_bytes(
    command: tuple[str, ...], repository: Path
) -> None:
    one, other = (_in_a_new_process(command, seed, repository) for seed in ("0", "4242"))

    assert one == other
    assert one.count(b"RiskAssessment") > 100 or one.count(b'"stratum"') > 100


def _in_a_new_process(command: tuple[str, ...], seed: str, repository: Path) -> bytes:
    """What the command prints for all journeys together."""
    arguments = [*command, "fixtures/journeys/*/input.json", "--as-of", "2026-06-15"]
    run = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=repository,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr.decode()
    return run.stdout
