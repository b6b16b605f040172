"""At most one worker at a time works on a patient."""

from __future__ import annotations

from pathlib import Path

from adapter.ledger import Lease, Ledger
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


def test_what_a_crashed_process_had_claimed_is_free_after_its_time(ledger: Ledger, clock: Clock) -> None:
    ledger.claim(SERVER, PATIENT, owner="crashed", seconds=60)

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
