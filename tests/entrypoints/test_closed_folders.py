"""What may not be looked into, or leads nowhere, is said: it never goes missing without a word."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from tests.entrypoints.building import AS_OF, LOW, WOMAN, run, saved


@pytest.mark.parametrize("words", [".", "**/*.json", "*/*.json"])
@pytest.mark.parametrize("command", ["explain", "convert", "coverage"])
def test_a_folder_that_may_not_be_looked_into_is_never_passed_over(
    command: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "open" / "patient.json", [WOMAN])
    closed = saved(tmp_path / "closed" / "results.json", LOW).parent
    close(closed, monkeypatch)

    result = run(command, tmp_path / words)

    assert result.exit_code == 1
    assert f"{closed}: Permission denied" in result.stderr
    assert result.stdout == ""


def test_an_export_with_a_folder_that_may_not_be_looked_into_is_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "export" / "closed").mkdir(parents=True)
    (tmp_path / "export" / "Patient.ndjson").write_bytes(encode(WOMAN) + b"\n")
    close(tmp_path / "export" / "closed", monkeypatch)

    result = run("convert", tmp_path / "export", "--out", tmp_path / "out", *AS_OF)

    assert result.exit_code == 3
    assert "closed: Permission denied" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_behind_a_link_is_looked_into_once(tmp_path: Path) -> None:
    saved(tmp_path / "elsewhere" / "patient.json", LOW)
    for link, target in (("on", "elsewhere"), ("again", "elsewhere"), ("round", "in")):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / link).symlink_to(tmp_path / target)

    result = run("convert", tmp_path / "in", *AS_OF)

    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("1 patient: 1 assessed")


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for this folder as the system does to those who may not look; tests may run as root, who always may."""

    def closing(ask: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def asked(path: Any = ".") -> Any:
            if not isinstance(path, int) and Path(path) == folder:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return ask(path)

        return asked

    monkeypatch.setattr(os, "scandir", closing(os.scandir))
    monkeypatch.setattr(os, "listdir", closing(os.listdir))


def test_a_link_to_nowhere_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    saved(tmp_path / "patient.json", LOW)
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")

    result = run("convert", tmp_path, *AS_OF)

    assert result.exit_code == 1
    assert "gone.json: No such file or directory" in result.stderr
