"""Several processes and threads on one file: never two at work on a patient, and nothing lost when one is killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapter.ledger import Ledger, State
from adapter.ledger.schema import PURPOSE
from adapter.sqlite_file import SqliteFile
from tests.ledger.building import SERVER, entry, ledger_in

_ROOT = Path(__file__).resolve().parents[2]
_OPEN = """
import os, random, sys, time
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from adapter.ledger import Entry, Ledger, State
folder, name = Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger(folder / "ledger.sqlite", clock=lambda: datetime.now(UTC))
"""
# Whoever holds a patient has its file; to make it while it is there would fail.
_CLAIM = (
    _OPEN
    + """
until, taken = time.monotonic() + float(sys.argv[4]), 0
while time.monotonic() < until:
    patient = f"Patient/{random.randrange(3)}"
    if ledger.claim("https://fhir.example.org", patient, owner=name, seconds=600):
        held = folder / patient.replace("/", "-")
        os.close(os.open(held, os.O_CREAT | os.O_EXCL))
        time.sleep(random.random() / 1000)
        held.unlink()
        ledger.release("https://fhir.example.org", patient, owner=name)
        taken += 1
print(taken)
"""
)
# Says of each entry that it was recorded, once it was.
_WRITE = (
    _OPEN
    + """
for number in range(100_000):
    for state in (State.WRITING, State.WRITTEN):
        evidence = tuple(f"Observation/{number}-{each}/_history/1" for each in range(8))
        ledger.record(Entry(server="https://fhir.example.org/r4", key=f"{name}-{number}", patient=f"Patient/{number}",
                            state=state, evidence=evidence))
        print(number, state, flush=True)
"""
)


def started(program: str, folder: Path, names: Iterable[str], *arguments: str) -> list[subprocess.Popen[str]]:
    """Processes that begin at the same moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(_ROOT), str(folder), name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def now() -> datetime:
    return datetime.now(UTC)


def test_four_processes_that_claim_the_same_patients_never_hold_one_together(tmp_path: Path) -> None:
    processes = started(_CLAIM, tmp_path, "abcd", "2")

    answers = [process.communicate(timeout=60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert all(int(answer) > 20 for answer in answers), answers


@pytest.mark.parametrize("attempt", range(3))
def test_four_processes_that_make_the_same_ledger_at_once_all_get_it(tmp_path: Path, attempt: int) -> None:
    processes = started(_OPEN + "ledger.claim('s', name, owner=name, seconds=600)", tmp_path, "abcd")

    for process in processes:
        process.communicate(timeout=60)

    assert [process.returncode for process in processes] == [0, 0, 0, 0], attempt
    with closing(Ledger(tmp_path / "ledger.sqlite", clock=now)) as ledger:
        assert len(ledger.leases()) == 4


def test_what_a_killed_process_had_recorded_is_there_and_the_file_is_sound(tmp_path: Path, ledger_kills: int) -> None:
    """E45."""
    chance = random.Random(45)  # noqa: S311 - no secret hangs on it
    said: dict[str, State] = {}
    for kill in range(ledger_kills):
        (process,) = started(_WRITE, tmp_path, [str(kill)])
        time.sleep(0.1 + chance.random() / 4)
        process.kill()
        # The last line may be cut off in its middle.
        for line in process.communicate()[0].split("\n")[:-1]:
            number, _, state = line.partition(" ")
            said[f"{kill}-{number}"] = State(state)

    with closing(Ledger(tmp_path / "ledger.sqlite", clock=now)) as ledger:
        found = {each.key: each for each in ledger.entries()}
        assert len(said) > ledger_kills
        # The last one of each process may be further than it could say.
        assert {key for key, state in said.items() if key not in found or found[key].state < state} == set()
        assert all(len(each.evidence) == 8 for each in found.values())
        assert len(found) - len(said) <= ledger_kills
        for key in random.Random(1).sample(sorted(found), 10):  # noqa: S311
            assert [each.key for each in ledger.resting_on(SERVER, found[key].evidence[3])].count(key) == 1
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert reader.execute("PRAGMA foreign_key_check").fetchall() == []


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    def write(name: int) -> None:
        for number in range(50):
            ledger.record(entry(f"{name}-{number}", State.WRITTEN))
            assert ledger.entry(SERVER, f"{name}-{number}") is not None

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ledger.counts() == {State.WRITTEN: 400}


def test_of_threads_that_claim_the_same_patient_one_gets_it(ledger: Ledger) -> None:
    taken: list[str] = []
    together = threading.Barrier(8)

    def claim(name: str) -> None:
        together.wait()
        if ledger.claim(SERVER, "Patient/1", owner=name, seconds=60):
            taken.append(name)

    threads = [threading.Thread(target=claim, args=(str(name),)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 1


def test_a_reader_is_not_kept_waiting_by_a_writer(tmp_path: Path, ledger: Ledger) -> None:
    ledger.record(entry("a"))
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM entry")

        assert ledger_in(tmp_path, patience=0).entry(SERVER, "a") is not None


def test_the_connection_of_a_thread_keeps_little_of_the_file_in_memory(tmp_path: Path) -> None:
    """A service has two dozen of them; with what SQLite allows each, 2 MB, its memory grew for hours."""
    with SqliteFile(tmp_path / "ledger.sqlite", PURPOSE, patience=1).reading() as connection:
        (size,) = connection.execute("PRAGMA cache_size").fetchone()
    assert -256 <= size < 0
