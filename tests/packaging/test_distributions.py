"""Whoever installs the product, in whichever way, gets a command that works and all the knowledge it needs."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from adapter.mapping_files import load_knowledge
from tests.packaging.installing import DEPENDENCIES, Installed, run

# One worker builds for all of these.
pytestmark = pytest.mark.xdist_group("packaging")

FINGERPRINT = "from adapter.mapping_files import load_knowledge; print(load_knowledge().fingerprint)"
JOURNEY = Path("fixtures/journeys/moderate-raised-turnover/input.json")
AS_OF = ("--as-of", "2026-06-15")


def test_the_wheel_carries_the_mappings_the_types_and_the_licences(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    mappings = [path.relative_to(repository) for path in (repository / "mappings").rglob("*") if path.is_file()]
    assert mappings
    assert {f"adapter/{path.as_posix()}" for path in mappings} <= names
    assert "adapter/py.typed" in names
    assert {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_the_wheel_carries_the_patients_of_the_sandbox(wheel: Path, repository: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("adapter/journeys/")]
    inputs = (repository / "fixtures" / "journeys").glob("*/input.json")
    assert sorted(names) == sorted(f"adapter/journeys/{path.parent.name}/input.json" for path in inputs)


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0].split("-")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"adapter", "osteo_fhir_adapter"}


def test_the_sdist_carries_what_is_needed_to_check_it(unpacked_sdist: Path) -> None:
    needed = [
        "adapter",
        "mappings",
        "tests/packaging",
        "fixtures",
        "scripts/check",
        ".ci/run",
        "constraints.txt",
        "CHANGELOG.md",
    ]
    assert [path for path in needed if not (unpacked_sdist / path).exists()] == []
    assert not list(unpacked_sdist.rglob("node_modules"))


def test_every_install_finds_the_same_knowledge(installed: Installed, tmp_path: Path) -> None:
    assert installed.python(FINGERPRINT, cwd=tmp_path).strip() == load_knowledge().fingerprint


def test_every_install_runs_the_command_outside_the_repository(
    installed: Installed, repository: Path, tmp_path: Path
) -> None:
    assert "convert" in installed.osteo_fhir("--help", cwd=tmp_path)
    installed.osteo_fhir("mappings", "check", cwd=tmp_path)
    installed.osteo_fhir("convert", repository / JOURNEY, *AS_OF, "--out", tmp_path / "out", cwd=tmp_path)
    written = [path.read_text("utf-8") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any('"RiskAssessment"' in text for text in written)


def test_the_wheel_works_unopened_as_a_zip(wheel: Path, tmp_path: Path) -> None:
    found = run(sys.executable, "-S", "-c", FINGERPRINT, cwd=tmp_path, path=f"{wheel}:{DEPENDENCIES}")
    assert found.strip() == load_knowledge().fingerprint
