"""A ledger that cannot serve says so, and says what to do; nothing that was recorded is lost."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from adapter.errors import LedgerUnusable
from adapter.ledger import State
from adapter.ledger.schema import PURPOSE
from tests.full_disk import full_disk
from tests.ledger.building import PATIENT, SERVER, entry, ledger_in

_ROOT = Path(__file__).resolve().parents[2]


def refused(folder: Path) -> str:
    with pytest.raises(LedgerUnusable) as caught:
        ledger_in(folder, patience=0).record(entry())
    return str(caught.value)


def test_the_ledger_and_the_files_beside_it_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = ledger_in(tmp_path / "state" / "osteo-fhir")
        ledger.record(entry())
    finally:
        os.umask(before)

    folder = tmp_path / "state" / "osteo-fhir"
    assert {path.name for path in folder.iterdir()} >= {"ledger.sqlite", "ledger.sqlite-shm", "ledger.sqlite-wal"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    ledger.close()


def test_a_ledger_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    ledger_in(tmp_path).close()
    (tmp_path / "ledger.sqlite").chmod(0o644)

    with closing(ledger_in(tmp_path)):
        assert stat.S_IMODE((tmp_path / "ledger.sqlite").stat().st_mode) == 0o600


def test_a_second_ledger_in_one_process_does_not_take_the_firsts_locks(tmp_path: Path) -> None:
    """Were they dropped, another process would think that it is alone, and take the log away under the first."""
    first = ledger_in(tmp_path)
    first.record(entry("a"))
    ledger_in(tmp_path).close()
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM entry'); c.close()"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "ledger.sqlite")], check=True)

    assert (tmp_path / "ledger.sqlite-wal").exists()
    first.close()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text(
        "a letter to a colleague, long enough to be read as a header of a database\n" * 9
    )
    before = (tmp_path / "ledger.sqlite").read_bytes()

    assert refused(tmp_path).endswith("ledger.sqlite: is no database; name another file")
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as theirs:
        theirs.execute("CREATE TABLE letters (text)")
    before = (tmp_path / "ledger.sqlite").read_bytes()

    assert "another program's database" in refused(tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with closing(ledger_in(tmp_path)) as ledger:
        ledger.record(entry())
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as newer:
        newer.execute(f"PRAGMA user_version = {len(PURPOSE.steps) + 1}")

    assert "upgrade osteo-fhir-adapter" in refused(tmp_path)


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").touch()

    with closing(ledger_in(tmp_path)) as ledger:
        ledger.record(entry())

    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as reader:
        assert reader.execute("PRAGMA application_id").fetchone() == (PURPOSE.application,)
        assert reader.execute("PRAGMA user_version").fetchone() == (len(PURPOSE.steps),)


def test_a_step_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(ledger_in(tmp_path)) as ledger:
        ledger.record(entry("a"))
    broken = (*PURPOSE.steps, ("ALTER TABLE entry ADD COLUMN more TEXT", "THIS IS NO SQL"))
    monkeypatch.setattr("adapter.ledger.ledger.PURPOSE", PURPOSE._replace(steps=broken))
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        ledger_in(tmp_path)

    monkeypatch.setattr("adapter.ledger.ledger.PURPOSE", PURPOSE)
    with closing(ledger_in(tmp_path)) as ledger:
        assert ledger.counts() == {State.WRITTEN: 1}


def test_a_later_version_brings_an_older_ledger_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(ledger_in(tmp_path)) as ledger:
        ledger.record(entry("a"))
    longer = (*PURPOSE.steps, ("ALTER TABLE entry ADD COLUMN more TEXT",))
    monkeypatch.setattr("adapter.ledger.ledger.PURPOSE", PURPOSE._replace(steps=longer))

    with closing(ledger_in(tmp_path)) as ledger:
        assert ledger.counts() == {State.WRITTEN: 1}
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as reader:
        assert reader.execute("PRAGMA user_version").fetchone() == (len(PURPOSE.steps) + 1,)
        assert reader.execute("SELECT more FROM entry").fetchall() == [(None,)]


def test_a_full_disk_is_said_and_what_was_recorded_before_is_safe(tmp_path: Path) -> None:
    """E45, with SQLite's own bound on the size of the file."""
    with closing(ledger_in(tmp_path)) as ledger:
        ledger.record(entry("a"))
        with (
            full_disk(ledger._file),
            pytest.raises(LedgerUnusable, match="disk is full; make room and start again"),
        ):
            ledger.record(entry("b", evidence=[f"Observation/{number}/_history/1" for number in range(1000)]))
        assert ledger.entry(SERVER, "a") is not None
        assert ledger.entry(SERVER, "b") is None
        ledger.record(entry("b"))
        assert ledger.counts() == {State.WRITTEN: 2}


def test_a_disk_that_takes_no_more_bytes_is_said_and_what_was_recorded_before_is_safe(tmp_path: Path) -> None:
    """E45, with the system's bound on the size of a file."""
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from adapter.errors import LedgerUnusable
from tests.ledger.building import entry, ledger_in
ledger, number = ledger_in(Path(sys.argv[2])), 0
try:
    while True:
        ledger.record(entry(str(number)))
        number += 1
except LedgerUnusable as error:
    print(number, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(_ROOT), str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
        capture_output=True,
        text=True,
        check=True,
    )
    number, _, said = done.stdout.partition(" ")

    assert "start again" in said
    with closing(ledger_in(tmp_path)) as ledger:
        assert ledger.counts()[State.WRITTEN] >= int(number) > 3


def as_nobody(program: str, folder: Path) -> str:
    """What the ledger says to a user who is not the administrator: to him no file is read-only."""
    drop = "import os\nif os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
    answer = subprocess.run(
        [sys.executable, "-c", _IMPORTED + drop + program, str(_ROOT), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


# Imported before rights are dropped, for the installation may be the administrator's own.
_IMPORTED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from adapter.errors import LedgerUnusable
from tests.ledger.building import entry, ledger_in
"""
_TRY = """
try:
    ledger_in(Path(sys.argv[2])).record(entry("b"))
except LedgerUnusable as error:
    print(error)
"""


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A folder with a ledger that everybody may read."""
    folder = tmp_path / "shared"
    folder.mkdir()
    for each in (folder, *list(folder.parents)[:-1]):
        if each.owner() == Path.home().owner():
            each.chmod(each.stat().st_mode | 0o055)
    with closing(ledger_in(folder)) as ledger:
        ledger.record(entry("a"))
    return folder


def test_a_read_only_file_is_said_with_what_to_do(readable: Path) -> None:
    (readable / "ledger.sqlite").chmod(0o400)
    if os.geteuid() == 0:
        os.chown(readable / "ledger.sqlite", 65534, 65534)
        readable.chmod(0o777)

    assert "let this user write the file and its folder" in as_nobody(_TRY, readable)


def test_a_read_only_folder_is_said_with_what_to_do(readable: Path) -> None:
    if os.geteuid() == 0:
        os.chown(readable / "ledger.sqlite", 65534, 65534)
    else:
        readable.chmod(0o555)

    assert "let this user write the file and its folder" in as_nobody(_TRY, readable)
    readable.chmod(0o755)


def test_a_place_that_may_not_be_written_to_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "name another file" in refused(tmp_path / "file" / "below")


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()

    assert "name another file" in refused(tmp_path)


def test_a_process_that_holds_the_file_for_too_long_is_said(tmp_path: Path) -> None:
    with closing(ledger_in(tmp_path, patience=0.05)) as ledger:
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnusable, match="is held by another process"):
                ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
        assert ledger.claim(SERVER, PATIENT, owner="a", seconds=60)


def test_a_file_that_another_is_just_making_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnusable, match="is held by another process"):
            ledger_in(tmp_path, patience=0.05)

        release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
        release.start()
        ledger_in(tmp_path).close()
        release.join()


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    with closing(ledger_in(tmp_path)) as ledger:
        for number in range(200):
            ledger.record(entry(str(number)))
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(path.read_bytes()[:4096] + b"\x00" * 8192 + path.read_bytes()[12288:])

    assert "is damaged; put a backup in its place" in refused(tmp_path)


def test_an_sqlite_without_strict_tables_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))

    assert "3.37 is the least" in refused(tmp_path)
