"""``osteo-fhir serve`` and ``osteo-fhir inbox``, as an operator calls them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from adapter.entrypoints import serving
from adapter.entrypoints.cli import main
from adapter.entrypoints.cli_subscriptions import header_of
from adapter.entrypoints.working import job_of
from adapter.errors import InboxUnusable, SettingsInvalid
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.inbox.worklist import Ended, Ending, Turn, Wish
from adapter.job.endings import Done
from adapter.job.endings import Ending as JobEnding
from adapter.service.application import application
from adapter.settings.model import Settings
from tests.service.living import SECRET


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service's files, with two things given up and one waiting."""
    monkeypatch.setenv("OSTEO_FHIR_INBOX", str(tmp_path / "inbox.sqlite"))
    monkeypatch.setenv("OSTEO_FHIR_LEDGER", str(tmp_path / "ledger.sqlite"))
    worklist = SqliteWorklist(tmp_path / "inbox.worklist.sqlite")
    wishes = [Wish(reference=each, first=0, due=0) for each in ("Patient/one", "Observation/2", "Patient/three")]
    worklist.commit(Turn(wishes=wishes))
    for task, reason in zip(worklist.due(1, most=9), ("http-500", "http-422"), strict=False):
        worklist.commit(Turn(ended=[Ended(task=task, ending=Ending.DEAD, at=1, attempts=8, reason=reason)]))
    worklist.close()
    return tmp_path


IN_X_KEY = {"secret_header": "x-key"}


def settings(**chosen: object) -> Settings:
    return Settings.model_validate(chosen)


def call(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_what_was_given_up_is_listed_with_its_reason(folder: Path) -> None:
    listed = call("inbox", "list")
    assert listed.exit_code == 0
    assert [line.split()[2:] for line in listed.stdout.splitlines()[:2]] == [
        ["http-500", "Observation/2"],
        ["http-422", "Patient/one"],
    ]
    assert listed.stdout.splitlines()[2].startswith("2 given up; 1 waiting, the oldest since 1970")


def test_programs_get_it_as_json(folder: Path) -> None:
    said = json.loads(call("inbox", "list", "--json").stdout)
    assert (said["waiting"], [each["reason"] for each in said["given_up"]]) == (1, ["http-500", "http-422"])


def test_one_thing_is_shown_with_what_was_done_about_it(folder: Path) -> None:
    assert call("inbox", "replay", "2").stdout == "1 will be tried again\n"
    worklist = SqliteWorklist(folder / "inbox.worklist.sqlite")
    [task] = [each for each in worklist.due(1e12, most=9) if each.reference == "Patient/one"]
    worklist.commit(Turn(ended=[Ended(task=task, ending=Ending.DEAD, at=2, attempts=1, reason="http-422")]))
    number = next(each.id for each in worklist.letters() if each.reference == "Patient/one")
    worklist.close()
    shown = call("inbox", "show", str(number)).stdout
    assert "what       Patient/one" in shown
    assert "replay by" in shown


def test_all_of_one_reason_is_replayed_and_all_is_dropped(folder: Path) -> None:
    assert call("inbox", "replay", "--reason", "http-500").stdout == "1 will be tried again\n"
    assert call("inbox", "drop", "--all").stdout == "1 dropped\n"
    assert call("inbox", "list").stdout.startswith("0 given up; 2 waiting")


@pytest.mark.parametrize("words", [("show", "99"), ("replay", "99"), ("drop", "99"), ("replay",), ("drop",)])
def test_what_is_not_there_is_said(folder: Path, words: tuple[str, ...]) -> None:
    said = call("inbox", *words)
    assert (said.exit_code, "nothing was given up" in said.stderr) == (1, True)


def test_an_inbox_that_is_elsewhere_is_not_made_anew(tmp_path: Path) -> None:
    said = call("inbox", "list", "--inbox", str(tmp_path / "typo.sqlite"))
    assert (said.exit_code, "there is no worklist" in said.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_somebody_without_a_name_may_decide_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    call("inbox", "drop", "--all")
    worklist = SqliteWorklist(folder / "inbox.worklist.sqlite")
    assert {note.who for note in worklist.notes()} == {"unknown"}
    worklist.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--secret-file"),
        (("--insecure", "--listen", "0.0.0.0:8040"), "loopback"),
        (("--listen", "nowhere"), "such as 127.0.0.1:8040"),
        (("--listen", "127.0.0.1:99999"), "such as 127.0.0.1:8040"),
    ],
)
def test_it_refuses_to_start_where_anybody_could_notify(folder: Path, words: tuple[str, ...], told: str) -> None:
    """A5.12."""
    said = call("serve", "--server", "http://127.0.0.1:9/fhir", *words)
    assert (said.exit_code, told in said.stderr) == (2, True)
    assert "listening" not in said.stderr


def test_the_secret_file_may_hold_two_while_one_replaces_the_other(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text(f"{SECRET}\nthe-one-that-replaces-it\n")
    guard = serving.guard_of(settings(secret_file=path))
    assert guard.brings_secret({"authorization": f"Bearer {SECRET}"})
    assert guard.brings_secret({"authorization": "Bearer the-one-that-replaces-it"})
    assert not guard.brings_secret({"authorization": "Bearer "})


def test_what_subscribe_asks_for_is_what_serve_believes(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text(f"{SECRET}\nthe-one-that-replaces-it\n")
    for chosen in (settings(secret_file=path), settings(secret=SECRET), settings(secret=SECRET, **IN_X_KEY)):
        name, _, value = header_of(chosen).partition(": ")
        assert serving.guard_of(chosen).brings_secret({name.lower(): value})
    assert header_of(settings(secret_file=path)) == "Authorization: Bearer the-one-that-replaces-it"
    assert header_of(settings()) == ""


@pytest.mark.parametrize("token", ["short", "x" * 15])
def test_an_operators_token_that_can_be_guessed_is_refused(folder: Path, token: str) -> None:
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    (folder / "token").touch(0o600)
    (folder / "token").write_text(token)
    files = ("--secret-file", str(secret), "--operator-token-file", str(folder / "token"))
    said = call("serve", "--server", "http://127.0.0.1:9/fhir", *files)
    assert (said.exit_code, "token is too short" in said.stderr) == (2, True)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_secret_file_without_a_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(SettingsInvalid, match="expected the secret"):
        serving.guard_of(settings(secret_file=path))


def test_a_secret_may_come_from_the_environment() -> None:
    assert not serving.guard_of(settings(secret=SECRET)).is_open
    assert serving.guard_of(settings()).is_open


@pytest.mark.parametrize(
    ("ending", "is_done", "may_retry", "is_held"),
    [
        (JobEnding.WRITTEN, True, False, False),
        (JobEnding.UNCHANGED, True, False, False),
        (JobEnding.NOTHING_TO_WRITE, True, False, False),
        (JobEnding.MISSING, False, True, False),
        (JobEnding.INCOMPLETE, False, True, False),
        (JobEnding.REFUSED, False, False, False),
        (JobEnding.FAILED, False, False, False),
        (JobEnding.ELSEWHERE, False, False, True),
    ],
)
def test_every_end_of_a_patient_means_something_to_the_worklist(
    ending: JobEnding, is_done: bool, may_retry: bool, is_held: bool
) -> None:
    found = serving.assessed(Done(patient="Patient/one", ending=ending))
    assert (found.is_done, found.may_retry, found.is_held) == (is_done, may_retry, is_held)
    assert serving.assessed(Done(patient="Patient/one", ending=JobEnding.FAILED, may_retry=True)).may_retry


def test_the_service_is_put_together_from_settings_and_only_once(tmp_path: Path) -> None:
    chosen = settings(
        server="http://127.0.0.1:9/fhir",
        inbox=tmp_path / "inbox.sqlite",
        ledger=tmp_path / "ledger.sqlite",
        secret=SECRET,
        retry_seconds=0.1,
    )
    job = job_of(chosen, as_of=lambda: datetime.now(UTC))
    parts = serving.parts_of(chosen, job, serving.guard_of(chosen))
    with pytest.raises(InboxUnusable, match="another process works it off"):
        serving.parts_of(chosen, job, serving.guard_of(chosen))
    with TestClient(application(parts)) as client:
        answer = client.post("/notify", headers={"Authorization": f"Bearer {SECRET}"})
        assert answer.status_code == 200
        assert client.get("/ready").status_code == 200
    assert sorted(os.listdir(tmp_path))[0] == "inbox.sqlite"
