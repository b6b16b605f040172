"""A file is whole or not there, and nothing is overwritten unasked."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.entrypoints.building import AS_OF, LOW, MAIN, in_a_process, run, saved
from tests.laws.bundles import of_patient

# What fails is the operating system, at the moment before the file would be moved into place.
_KILLED = f"import os, signal; os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL); {MAIN}"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return saved(tmp_path / "in.json", LOW)


def targets(tmp_path: Path) -> list[str]:
    """Every file in the output folder, hidden ones included."""
    return sorted(path.name for path in (tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def test_a_file_that_exists_is_not_overwritten_without_force(given: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "p.json"
    target.parent.mkdir()
    target.write_text("precious", "utf-8")

    refused = run("convert", given, "--out", target.parent, *AS_OF)
    assert (refused.exit_code, target.read_text("utf-8")) == (2, "precious")
    assert "p.json: exists already; choose another output or add --force" in refused.stderr

    forced = run("convert", given, "--out", target.parent, "--force", *AS_OF)
    assert (forced.exit_code, targets(tmp_path)) == (0, ["p.json"])
    assert target.read_text("utf-8") != "precious"


def test_one_file_in_the_way_keeps_all_from_being_written(tmp_path: Path) -> None:
    both = saved(tmp_path / "in.json", [*LOW, *of_patient(LOW, "q")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "q.json").write_text("precious", "utf-8")

    assert run("convert", both, "--out", tmp_path / "out", *AS_OF).exit_code == 2
    assert targets(tmp_path) == ["q.json"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_link_is_never_written_through(given: Path, tmp_path: Path, force: list[str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious", "utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "p.json").symlink_to(elsewhere)

    result = run("convert", given, "--out", tmp_path / "out", *force, *AS_OF)

    assert (result.exit_code, elsewhere.read_text("utf-8")) == (2, "precious")


def test_a_folder_in_the_way_is_named(given: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "p.json").mkdir(parents=True)

    result = run("convert", given, "--out", tmp_path / "out", "--force", *AS_OF)

    assert result.exit_code == 2
    assert "is a link or a folder" in result.stderr


@pytest.mark.parametrize("place", ["in.json/out/", "in.json/out/x.json", f"{'x' * 300}.json", f"{'x' * 300}/"])
def test_a_place_that_cannot_be_written_to_is_a_wrong_call(given: Path, tmp_path: Path, place: str) -> None:
    result = run("convert", given, "--out", f"{tmp_path}/{place}", *AS_OF)

    assert result.exit_code == 2
    assert "nothing was written there" in result.stderr


def test_a_folder_that_may_not_be_written_to_is_a_wrong_call(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests may run as root, whom no file mode stops; so the system's answer is given in its stead.
    monkeypatch.setattr(tempfile, "mkstemp", raising(PermissionError(errno.EACCES, "Permission denied")))

    result = run("convert", given, "--out", tmp_path / "out", *AS_OF)

    assert (result.exit_code, targets(tmp_path)) == (2, [])
    assert "Permission denied; nothing was written there" in result.stderr


def test_a_full_disk_leaves_nothing_half_written(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", raising(OSError(errno.ENOSPC, "No space left on device")))

    result = run("convert", given, "--out", tmp_path / "out", *AS_OF)

    assert (result.exit_code, targets(tmp_path)) == (2, [])
    assert "p.json: No space left on device; nothing was written there" in result.stderr


def test_an_interrupted_run_leaves_nothing_half_written(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", raising(KeyboardInterrupt()))

    result = run("convert", given, "--out", tmp_path / "out", *AS_OF)

    assert (result.exit_code, targets(tmp_path)) == (3, [])
    assert "stopped before the end" in result.stderr


def test_a_run_killed_in_the_middle_leaves_the_old_file_whole(given: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "p.json"
    target.write_text("precious", "utf-8")
    arguments: list[str | Path] = ["convert", given, "--out", target.parent, "--force", *AS_OF]

    killed = in_a_process(*arguments, program=_KILLED)
    assert (killed.returncode, target.read_text("utf-8")) == (-9, "precious")

    assert run(*arguments).exit_code == 0
    assert "RiskAssessment" in target.read_text("utf-8")


def test_a_run_killed_in_the_middle_leaves_no_new_file_under_its_name(given: Path, tmp_path: Path) -> None:
    killed = in_a_process("convert", given, "--out", tmp_path / "out", *AS_OF, program=_KILLED)

    assert killed.returncode == -9
    assert [name for name in targets(tmp_path) if not name.startswith(".")] == []


@pytest.mark.parametrize("name", ["out", "out.json"])
def test_other_commands_keep_to_the_same_rules(given: Path, tmp_path: Path, name: str) -> None:
    arguments: list[str | Path] = (
        ["mappings", "export", "--out", tmp_path / name]
        if name == "out"
        else ["coverage", given, "--concept-map", tmp_path / name]
    )
    for expected in (0, 2):
        assert run(*arguments).exit_code == expected
    assert run(*arguments, "--force").exit_code == 0
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".part"] == []
