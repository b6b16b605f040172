"""At most one worker at a time works on a patient."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter.ledger import Lease, Ledger
from adapter.ledger.presence import is_gone
from tests.ledger.building import OTHER_PATIENT, OTHER_SERVER, PATIENT, SERVER, Clock, ledger_in


def test_a_patient_that_was_claimed_is_not_given_to_another(ledger: Ledger) -> None:
    assert ledger.claim(SERVER, PATIENT, owner="a", seconds=60)

    assert not ledger.claim(SERVER, PATIENT, owner="b", seconds=60)
    assert ledger.claim(SERVER, OTHER_PATIENT, owner="b", seconds=60)
    assert ledger.claim(OTHER_SERVER, PATIENT, owner="b", seconds=60)


def test_a_claim_is_seen_by_another_process_with_its_own_ledger(tmp_path: Path, ledger: Ledger, clock: Clock) -> None:
    ledger.claim(SERVER, PATIENT, owner="a", seconds=60)

    assert not ledger_in(tmp_path, clock).claim(SERVER, PATIENT, owner="b", seconds=60)


def test_a_released_patient_is_free(ledger: Ledger) -> None:
    ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
    ledger.release(SERVER, PATIENT, owner="a")

    assert ledger.claim(SERVER, PATIENT, owner="b", seconds=60)


def test_what_a_process_that_hangs_had_claimed_is_free_after_its_time(ledger: Ledger, clock: Clock) -> None:
    ledger.claim(SERVER, PATIENT, owner="hangs", seconds=60)

    clock.forward(seconds=59)
    assert not ledger.claim(SERVER, PATIENT, owner="b", seconds=60)
    clock.forward(seconds=1)
    assert ledger.claim(SERVER, PATIENT, owner="b", seconds=60)


def test_to_claim_again_holds_for_longer(ledger: Ledger, clock: Clock) -> None:
    ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
    clock.forward(seconds=59)
    assert ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
    clock.forward(seconds=59)

    assert not ledger.claim(SERVER, PATIENT, owner="b", seconds=60)


def test_who_was_too_slow_learns_that_another_has_taken_over_and_cannot_let_go_what_is_not_his(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.claim(SERVER, PATIENT, owner="slow", seconds=60)
    clock.forward(seconds=61)
    ledger.claim(SERVER, PATIENT, owner="b", seconds=60)

    assert not ledger.claim(SERVER, PATIENT, owner="slow", seconds=60)
    ledger.release(SERVER, PATIENT, owner="slow")
    assert not ledger.claim(SERVER, PATIENT, owner="c", seconds=60)


def test_leases_that_still_hold_are_listed(ledger: Ledger, clock: Clock) -> None:
    ledger.claim(SERVER, OTHER_PATIENT, owner="gone", seconds=10)
    ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
    clock.forward(seconds=30)

    assert ledger.leases() == [Lease(SERVER, PATIENT, "a", "2026-06-15T08:01:00.000000+00:00")]


_CLAIMS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.ledger.building import SERVER, ledger_in
ledger = ledger_in(Path(sys.argv[2]))
for number in range(3):
    ledger.claim(SERVER, f"Patient/{number}", owner="other", seconds=600)
print("claimed", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds three patients."""
    arguments = [sys.executable, "-c", _CLAIMS, str(Path(__file__).resolve().parents[2]), str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_what_a_living_process_has_claimed_is_its_own(ledger: Ledger, other: subprocess.Popen[str]) -> None:
    assert not ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
    assert len(ledger.leases()) == 3


def test_what_a_killed_process_had_claimed_is_free_at_once(
    tmp_path: Path, ledger: Ledger, other: subprocess.Popen[str]
) -> None:
    """E45: whoever starts again after a crash need not wait."""
    other.kill()
    other.wait()

    assert ledger.claim(SERVER, PATIENT, owner="a", seconds=60)
    assert [each.owner for each in ledger.leases()] == ["a"]
    assert len(list(tmp_path.glob("*-alive-*"))) == 1


def test_all_who_ask_at_once_get_what_a_killed_process_had_claimed(
    ledger: Ledger, other: subprocess.Popen[str]
) -> None:
    """Seen when two workers of a run that was started again asked about the two patients of one dead process."""
    other.kill()
    other.wait()
    together = threading.Barrier(3)

    def claim(number: int) -> bool:
        together.wait()
        return ledger.claim(SERVER, f"Patient/{number}", owner=str(number), seconds=60)

    with ThreadPoolExecutor(3) as workers:
        assert list(workers.map(claim, range(3))) == [True, True, True]


@pytest.mark.parametrize("attempt", range(20))
def test_who_asks_whether_another_lives_is_not_taken_for_it(tmp_path: Path, attempt: int) -> None:
    (tmp_path / f"ledger.sqlite-alive-{attempt}").touch()
    together = threading.Barrier(4)

    def ask(number: int) -> bool:
        together.wait()
        return is_gone(tmp_path / "ledger.sqlite", str(attempt))

    with ThreadPoolExecutor(4) as askers:
        assert list(askers.map(ask, range(4))) == [True] * 4


def test_a_process_that_ends_in_order_leaves_no_file_behind(
    tmp_path: Path, ledger: Ledger, other: subprocess.Popen[str]
) -> None:
    assert len(list(tmp_path.glob("*-alive-*"))) == 2
    other.communicate("end\n")

    assert len(list(tmp_path.glob("*-alive-*"))) == 1
    assert ledger.claim(SERVER, PATIENT, owner="a", seconds=60)


def test_two_ledgers_of_one_process_are_two_workers(tmp_path: Path, ledger: Ledger) -> None:
    second = ledger_in(tmp_path)
    assert second.claim(SERVER, PATIENT, owner="second", seconds=60)

    assert not ledger.claim(SERVER, PATIENT, owner="first", seconds=60)


def test_a_presence_that_cannot_be_shown_leaves_leases_to_their_time(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    first, second = ledger_in(tmp_path, clock), ledger_in(tmp_path, clock)
    first.claim(SERVER, PATIENT, owner="first", seconds=60)

    assert not second.claim(SERVER, PATIENT, owner="second", seconds=60)
    clock.forward(seconds=60)
    assert second.claim(SERVER, PATIENT, owner="second", seconds=60)


def test_where_the_system_has_no_such_locks_the_time_alone_frees_a_patient(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    first, second = ledger_in(tmp_path, clock), ledger_in(tmp_path, clock)
    first.claim(SERVER, PATIENT, owner="first", seconds=60)

    assert list(tmp_path.glob("*-alive-*")) == []
    assert not second.claim(SERVER, PATIENT, owner="second", seconds=60)
    clock.forward(seconds=60)
    assert second.claim(SERVER, PATIENT, owner="second", seconds=60)


def test_what_those_left_behind_who_died_without_a_patient_is_tidied_up_after_a_day(tmp_path: Path) -> None:
    for name, age in (("young", 3600), ("old", 90_000)):
        (tmp_path / f"ledger.sqlite-alive-{name}").touch()
        long_ago = time.time() - age
        os.utime(tmp_path / f"ledger.sqlite-alive-{name}", (long_ago, long_ago))

    first = ledger_in(tmp_path)
    second = ledger_in(tmp_path)

    assert not (tmp_path / "ledger.sqlite-alive-old").exists()
    assert (tmp_path / "ledger.sqlite-alive-young").exists()
    first.claim(SERVER, PATIENT, owner="first", seconds=60)
    assert not second.claim(SERVER, PATIENT, owner="second", seconds=60)
