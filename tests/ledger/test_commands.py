"""What the operator sees of the ledger and may do with it."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import Result

from adapter.ledger import Ledger, State
from tests.entrypoints.building import run
from tests.ledger.building import OTHER_PATIENT, OTHER_SERVER, PATIENT, SERVER, entry


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with something in most states."""
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path, clock=now)) as ledger:
        ledger.record(entry("a", State.WRITTEN, evidence=["Observation/1/_history/1"]))
        ledger.record(entry("b", State.SUPERSEDED))
        ledger.record(msgspec.structs.replace(entry("c", State.DEAD, reason="http-422"), attempts=3))
        ledger.record(entry("d", State.QUARANTINED, reason="output-invalid", patient=OTHER_PATIENT))
        ledger.record(entry("e", State.DEAD, reason="http-422", server=OTHER_SERVER))
        ledger.begin_run(SERVER, "changes", until="2026-06-15T08:00:00Z", patients=[PATIENT])
    return path


def said(path: Path, *arguments: str) -> Result:
    return run(*arguments, "--ledger", path)


def test_status_shows_counts_reasons_progress_and_what_was_given_up(path: Path) -> None:
    result = said(path, "status")

    lines = result.stdout.splitlines()
    assert lines[0] == OTHER_SERVER
    assert [line for line in lines if line.startswith("  ")] == [
        "  dead                 1  http-422 1",
        "  written              1",
        "  quarantined          1  output-invalid 1",
        "  dead                 1  http-422 1",
        "  superseded           1",
        "  read up to nowhere yet (changes, 1 pending)",
    ]
    assert [line.split("  ")[:5] for line in lines[-3:]] == [
        ["e", PATIENT, "dead", "http-422", lines[-3].split("  ")[4]],
        ["d", OTHER_PATIENT, "quarantined", "output-invalid", lines[-2].split("  ")[4]],
        ["c", PATIENT, "dead", "http-422", "3 tries"],
    ]


def test_status_ends_with_1_only_while_something_waits_for_a_person(path: Path) -> None:
    assert said(path, "status").exit_code == 1
    said(path, "retry", "--all")

    assert said(path, "status").exit_code == 0


def test_status_lists_only_so_many_and_says_that_there_are_more(path: Path) -> None:
    assert said(path, "status", "--limit", "1").stdout.splitlines()[-1] == "and 2 more; --limit 0 lists all"
    assert "more" not in said(path, "status", "--limit", "0").stdout


def test_status_lists_the_states_that_are_asked_for(path: Path) -> None:
    result = said(path, "status", "--state", "written", "--state", "superseded", "--json")

    assert [each["key"] for each in json.loads(result.stdout)["entries"]] == ["b", "a"]


def test_status_for_programs_holds_all_that_the_page_shows(path: Path) -> None:
    with closing(Ledger(path, clock=now)) as ledger:
        ledger.claim(SERVER, PATIENT, owner="a", seconds=600)
    told = json.loads(said(path, "status", "--json").stdout)

    assert {"server": OTHER_SERVER, "state": "dead", "reason": "http-422", "number": 1} in told["counts"]
    assert [each["patient"] for each in told["at_work"]] == [PATIENT]
    assert told["progress"] == [{"server": SERVER, "scope": "changes", "watermark": "", "pending": 1}]
    assert [each["key"] for each in told["entries"]] == ["e", "d", "c"]


def test_status_says_who_is_at_work(path: Path) -> None:
    with closing(Ledger(path, clock=now)) as ledger:
        ledger.claim(SERVER, PATIENT, owner="a", seconds=600)

    assert "at work on 1 patient, held until 2" in said(path, "status").stdout


def test_an_empty_ledger_says_so(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite", clock=now).close()

    result = said(tmp_path / "ledger.sqlite", "status")

    assert (result.stdout, result.exit_code) == ("nothing is recorded yet\n", 0)


@pytest.mark.parametrize("command", [["status"], ["retry", "--all"], ["purge", "--older-than", "1d"]])
def test_no_command_makes_a_ledger_where_none_is(tmp_path: Path, command: list[str]) -> None:
    result = said(tmp_path / "none.sqlite", *command)

    assert result.exit_code == 2
    assert "no ledger is there" in result.stderr
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("command", [["status"], ["retry", "--all"], ["purge", "--older-than", "1d"]])
def test_a_file_that_is_no_ledger_is_said_in_one_line(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "letter"
    path.write_text("no database at all\n" * 200)

    result = said(path, *command)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"osteo-fhir: {path}: is no database; name another file\n"


def test_the_ledger_is_found_by_the_settings(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(f'ledger = "{path}"\n')
    monkeypatch.setenv("OSTEO_FHIR_LEDGER", str(path))
    assert SERVER in run("status").stdout

    monkeypatch.delenv("OSTEO_FHIR_LEDGER")
    assert SERVER in run("status", "--config", tmp_path / "site.toml").stdout


def test_retry_says_what_the_next_run_will_try_again(path: Path) -> None:
    trial = said(path, "retry", "--all", "--dry-run")
    assert "3 would be tried again by the next run" in trial.stderr
    assert said(path, "retry", "c", "--dry-run").stdout.startswith("c  Patient/1  dead  http-422  3 tries  ")

    result = said(path, "retry", "--patient", PATIENT)

    assert result.exit_code == 0
    assert [line.split("  ")[0] for line in result.stdout.splitlines()] == ["c", "e"]
    assert "2 will be tried again by the next run" in result.stderr
    with closing(Ledger(path, clock=now)) as ledger:
        assert ledger.unfinished(SERVER) == [PATIENT]


@pytest.mark.parametrize("arguments", [["a"], ["unknown"], ["c", "unknown"], ["--patient", "Patient/9"]])
def test_retry_ends_with_1_where_what_was_named_was_not_given_up(path: Path, arguments: list[str]) -> None:
    assert said(path, "retry", *arguments).exit_code == 1


@pytest.mark.parametrize("arguments", [[], ["c", "--all"], ["--all", "--patient", PATIENT]])
def test_retry_wants_to_be_told_in_one_way_what_to_try(path: Path, arguments: list[str]) -> None:
    result = said(path, "retry", *arguments)

    assert result.exit_code == 2
    assert "in one way" in result.stderr


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A ledger whose entries are 400 days old."""
    path = tmp_path / "old.sqlite"
    with closing(Ledger(path, clock=lambda: now() - timedelta(days=400))) as ledger:
        for state in State:
            ledger.record(entry(f"key-{state}", state))
    return path


def test_purge_forgets_what_ended_long_ago(old: Path) -> None:
    trial = said(old, "purge", "--older-than", "399d", "--dry-run")
    result = said(old, "purge", "--older-than", "57w")

    assert trial.stdout == result.stdout
    assert result.stdout.split() == [
        word for state in ("dead", "quarantined", "retracted", "superseded", "undetermined") for word in (state, "1")
    ]
    assert (trial.stderr, result.stderr) == ("5 would be forgotten\n", "5 forgotten\n")
    with closing(Ledger(old, clock=now)) as ledger:
        assert set(ledger.counts()) == {State.ASSESSED, State.WRITING, State.WRITTEN}


def test_purge_forgets_what_stands_only_when_told(old: Path) -> None:
    assert "written" in said(old, "purge", "--older-than", "1d", "--written").stdout
    assert said(old, "purge", "--older-than", "401d").stdout == ""


@pytest.mark.parametrize("age", ["400", "d", "-1d", "1y", "1 d", "999999d"])
def test_purge_says_how_an_age_is_written(old: Path, age: str) -> None:
    result = said(old, "purge", f"--older-than={age}")

    assert result.exit_code == 2
    assert "write days as 400d" in result.stderr
