"""What the command says about itself, to people at a terminal and to scripts."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import click
import pytest

from adapter import __version__
from tests.entrypoints.all_commands import COMMANDS
from tests.entrypoints.building import AS_OF, LOW, MAIN, in_a_process, run, saved


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself(command: str, flag: str) -> None:
    result = run(*command.split()[1:], flag)

    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert len(result.stdout.splitlines()) >= 8


@pytest.mark.parametrize("command", [name for name, each in COMMANDS.items() if not isinstance(each, click.Group)])
def test_every_command_shows_an_example(command: str) -> None:
    result = run(*command.split()[1:], "--help")

    assert command in result.stdout.partition("Example")[2].replace("\n  ", " ")


def test_the_version_is_the_packages_own() -> None:
    assert run("--version").stdout == f"osteo-fhir, version {__version__}\n"


def test_without_a_command_the_commands_are_shown() -> None:
    result = run()

    assert result.exit_code == 2
    assert "convert" in result.stderr + result.stdout


def test_an_unknown_command_is_a_wrong_call() -> None:
    assert run("assess").exit_code == 2


def test_a_command_that_is_spelled_wrongly_is_told_what_it_may_be() -> None:
    assert "'convert'" in run("convrt").stderr


def test_help_needs_nothing_that_takes_time_to_load() -> None:
    heavy = "('pydantic', 'fhir', 'msgspec', 'requests', 'decimal')"
    program = f"""
import sys
from adapter.entrypoints.cli import main
try:
    main(["--help"])
finally:
    print([name for name in {heavy} if name in sys.modules])
"""
    assert in_a_process(program=program).stdout.endswith(b"[]\n")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder of two files."""
    for name in ("a", "b"):
        saved(tmp_path / "in" / f"{name}.json", LOW)
    return tmp_path / "in"


def test_progress_is_shown_on_a_terminal(two: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        in_a_process("convert", two, *AS_OF, stderr=theirs)
        shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)

    assert b"Reading" in shown
    assert b"1 patient" in shown


def test_no_progress_is_shown_to_scripts(two: Path) -> None:
    assert b"Reading" not in in_a_process("convert", two, *AS_OF, stderr=subprocess.PIPE).stderr


def test_a_reader_that_goes_away_is_no_traceback(two: Path) -> None:
    program = f"""
import os, sys
reader, writer = os.pipe()
os.dup2(writer, 1)
os.close(reader)
sys.argv[0] = "osteo-fhir"
from adapter.entrypoints.cli import main
main(["convert", {str(two)!r}, "--as-of", "2026-06-15"])
"""
    result = in_a_process(program=program)

    assert result.returncode == 1
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("osteo-fhir conv", "convert"),
        ("osteo-fhir run --pati", "--patient"),
        ("osteo-fhir mappings show vitamin", "vitamin-d"),
    ],
)
def test_what_is_begun_is_completed_by_the_shell(typed: str, offered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_OSTEO_FHIR_COMPLETE": "bash_complete"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)

    completed = in_a_process(program="import sys; sys.argv = ['osteo-fhir']; " + MAIN)

    assert f"plain,{offered}" in completed.stdout.decode().splitlines()
