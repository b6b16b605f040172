"""What a clinician should see, journey by journey, through the command that a user types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapter.entrypoints.cli import main
from tests.journeys.expecting import differences
from tests.validators.judges import assert_valid_r4

_FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
_FOLDERS = sorted(path.parent for kind in ("journeys", "wild") for path in (_FIXTURES / kind).glob("*/input.json"))
_WORKED_CASES = [folder for folder in _FOLDERS if "ection 8, case" in (folder / "why.md").read_text(encoding="utf-8")]
# Every change of the mappings changes it.
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_each_journey = pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: folder.name)
_ENTRY = re.compile(r"entry\[\d+\]")


@_each_journey
def test_a_clinician_sees_what_the_decision_table_says(folder: Path) -> None:
    explained = json.loads(_said("explain", folder, "--json"), parse_float=str)
    assessments = [r for r in _resources(_written(folder)) if r["resourceType"] == "RiskAssessment"]

    found = differences(_expected(folder), explained, assessments)

    why = (folder / "why.md").read_text(encoding="utf-8")
    assert not found, "\n".join([*found, why])


@_each_journey
def test_every_entry_is_used_set_aside_or_irrelevant(folder: Path) -> None:
    explained = json.loads(_said("explain", folder, "--json"))
    patients = explained["patients"]

    places = [item["where"] for patient in patients for item in (*patient["used"], *patient["set_aside"])]
    places += [problem["where"] for problem in explained["problems"]]
    named = {entry[0] for place in places if (entry := _ENTRY.search(place))}
    irrelevant = explained["irrelevant"] + sum(patient["irrelevant"] for patient in patients)

    assert len(named) + irrelevant == explained["entries"], sorted(named)


@pytest.mark.parametrize("folder", _WORKED_CASES, ids=lambda folder: folder.name)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_a_worked_case_stays_as_it_was_reviewed(folder: Path, language: str, update_goldens: bool) -> None:
    golden = folder / f"page.{language}.txt"
    page = _FINGERPRINT.sub("…", _said("explain", folder, "--language", language).decode())
    if update_goldens:
        golden.write_text(page, encoding="utf-8")

    assert page == golden.read_text(encoding="utf-8"), "if this is meant: --update-goldens, and have it reviewed"


def test_the_ten_worked_cases_are_there() -> None:
    assert len(_WORKED_CASES) == 10


def test_everything_written_is_valid_r4() -> None:
    bundles = [json.loads(line) for folder in _FOLDERS for line in _written(folder)]

    assert_valid_r4(bundles)


def _expected(folder: Path) -> Any:
    return json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@cache
def _said(command: str, folder: Path, *more: str) -> bytes:
    """What the command prints about this journey."""
    expected = _expected(folder)
    arguments = [command, str(folder / "input.json"), "--as-of", expected["as_of"], *expected.get("args", []), *more]
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    # 1 says that something could not be read or assessed, and that is what some journeys are about.
    assert result.exit_code in (0, 1), result.stderr
    return result.stdout_bytes


def _written(folder: Path) -> list[bytes]:
    """The transaction Bundles, one per patient."""
    return _said("convert", folder).splitlines()


def _resources(bundles: list[bytes]) -> Iterator[Any]:
    for bundle in bundles:
        # Digits as written: 12.40 is not 12.4.
        yield from (entry["resource"] for entry in json.loads(bundle, parse_float=str)["entry"])
