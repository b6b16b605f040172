"""A watermark never passes work that is not done, whatever happens in which order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.ledger import Ledger, Progress
from tests.ledger.building import OTHER_PATIENT, PATIENT, SERVER, Clock, ledger_in

ALL = "all"


def begun(ledger: Ledger, until: str, *patients: str, scope: str = ALL) -> int:
    return ledger.begin_run(SERVER, scope, until=until, patients=patients)


def test_a_run_with_every_patient_done_moves_the_watermark_to_its_end(ledger: Ledger) -> None:
    run = begun(ledger, "2026-06-15T08:00:00Z", PATIENT, OTHER_PATIENT)
    ledger.settle(run, PATIENT)
    ledger.settle(run, OTHER_PATIENT)

    assert ledger.finish_run(run)
    assert ledger.watermark(SERVER, ALL) == "2026-06-15T08:00:00Z"
    assert ledger.watermark(SERVER, "other") == ""


def test_a_run_with_a_patient_undone_leaves_the_watermark(ledger: Ledger) -> None:
    ledger.set_watermark(SERVER, ALL, "2026-06-01")
    run = begun(ledger, "2026-06-15", PATIENT, OTHER_PATIENT)
    ledger.settle(run, PATIENT)

    assert not ledger.finish_run(run)
    assert ledger.watermark(SERVER, ALL) == "2026-06-01"
    assert ledger.pending(run) == [OTHER_PATIENT]


def test_the_file_itself_refuses_to_end_a_run_with_a_patient_undone(tmp_path: Path, ledger: Ledger) -> None:
    run = begun(ledger, "2026-06-15", PATIENT)
    other_program = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)

    with pytest.raises(sqlite3.IntegrityError, match="patients are pending"):
        other_program.execute("UPDATE run SET finished = 1 WHERE id = ?", (run,))
    with pytest.raises(sqlite3.IntegrityError, match="a run begins unfinished"):
        other_program.execute("INSERT INTO run (server, scope, until, finished) VALUES ('s', 'x', '2027', 1)")
    other_program.close()


def test_what_a_crashed_run_left_undone_is_done_by_the_next_though_its_search_no_longer_finds_it(
    tmp_path: Path, ledger: Ledger, clock: Clock
) -> None:
    begun(ledger, "2026-06-15", PATIENT)
    ledger.close()
    after = ledger_in(tmp_path, clock)

    run = begun(after, "2026-06-16", OTHER_PATIENT)

    assert after.pending(run) == [PATIENT, OTHER_PATIENT]
    assert not after.finish_run(run)
    for patient in after.pending(run):
        after.settle(run, patient)
    assert after.finish_run(run)
    assert after.progress() == [Progress(SERVER, ALL, "2026-06-16", 0)]


def test_an_incomplete_search_never_moves_the_watermark_but_its_patients_count_as_done(ledger: Ledger) -> None:
    ledger.set_watermark(SERVER, ALL, "2026-06-01")
    begun(ledger, "2026-06-14", OTHER_PATIENT)
    run = begun(ledger, "", PATIENT)
    for patient in ledger.pending(run):
        ledger.settle(run, patient)

    assert ledger.finish_run(run)
    assert ledger.watermark(SERVER, ALL) == "2026-06-01"
    assert ledger.progress() == [Progress(SERVER, ALL, "2026-06-01", 0)]


def test_of_two_runs_beside_each_other_only_the_one_begun_last_moves_the_watermark(ledger: Ledger) -> None:
    first, second = begun(ledger, "2026-06-15T08:00", PATIENT), begun(ledger, "2026-06-15T09:00", OTHER_PATIENT)
    ledger.settle(first, PATIENT)

    assert not ledger.finish_run(first)
    # What changed again after the first had read it would be missed, were it not done by the second too.
    assert ledger.pending(second) == [PATIENT, OTHER_PATIENT]
    for patient in ledger.pending(second):
        ledger.settle(second, patient)
    assert ledger.finish_run(second)
    assert not ledger.finish_run(first)
    assert ledger.watermark(SERVER, ALL) == "2026-06-15T09:00"


def test_scopes_do_not_wait_for_each_other(ledger: Ledger) -> None:
    begun(ledger, "2026-06-15", PATIENT)
    run = begun(ledger, "2026-06-15", scope="group")

    assert ledger.finish_run(run)
    assert ledger.progress() == [Progress(SERVER, ALL, "", 1), Progress(SERVER, "group", "2026-06-15", 0)]


def test_a_watermark_set_by_hand_is_refused_while_patients_are_pending(ledger: Ledger) -> None:
    begun(ledger, "2026-06-15", PATIENT)

    assert not ledger.set_watermark(SERVER, ALL, "2027-01-01")
    assert ledger.watermark(SERVER, ALL) == ""
    assert ledger.progress() == [Progress(SERVER, ALL, "", 1)]


def test_runs_do_not_pile_up_finished_or_not(tmp_path: Path, ledger: Ledger) -> None:
    for day in range(1, 31):
        ledger.set_watermark(SERVER, ALL, f"2026-06-{day:02}")

    for _ in range(30):
        begun(ledger, "2026-07-01", PATIENT)

    reader = sqlite3.connect(tmp_path / "ledger.sqlite")
    assert reader.execute("SELECT count(*) FROM run").fetchone() == (2,)
    assert reader.execute("SELECT count(*) FROM pending").fetchone() == (1,)
    reader.close()


def test_a_run_that_was_interrupted_while_it_was_noted_leaves_all_as_it_was(ledger: Ledger) -> None:
    def found() -> Iterator[str]:
        yield OTHER_PATIENT
        raise KeyboardInterrupt

    before = begun(ledger, "2026-06-14", PATIENT)
    with pytest.raises(KeyboardInterrupt):
        ledger.begin_run(SERVER, ALL, until="2026-06-15", patients=found())

    assert ledger.pending(before) == [PATIENT]
    assert ledger.progress() == [Progress(SERVER, ALL, "", 1)]
