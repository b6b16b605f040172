"""What is forgotten, what is never forgotten, and what is tried again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapter.ledger import Entry, Ledger, State
from tests.ledger.building import OTHER_PATIENT, PATIENT, SERVER, Clock, entry

ENDED = [State.UNDETERMINED, State.QUARANTINED, State.DEAD, State.SUPERSEDED, State.RETRACTED]


@pytest.fixture
def old(ledger: Ledger, clock: Clock) -> Ledger:
    """A ledger with an entry in each state, ten days old."""
    for state in State:
        ledger.record(entry(f"key-{state}", state, evidence=["Observation/1/_history/1"]))
    clock.forward(days=10)
    return ledger


def test_what_came_to_an_end_long_ago_is_forgotten_and_counted(old: Ledger, clock: Clock) -> None:
    assert old.purge(clock.now) == dict.fromkeys(ENDED, 1)
    assert set(old.counts()) == {State.ASSESSED, State.WRITING, State.WRITTEN}


def test_what_stands_is_forgotten_only_when_told_and_what_is_unfinished_never(old: Ledger, clock: Clock) -> None:
    assert old.purge(clock.now, standing=True)[State.WRITTEN] == 1
    assert set(old.counts()) == {State.ASSESSED, State.WRITING}


def test_what_is_young_is_kept(old: Ledger) -> None:
    assert old.purge(Clock().now) == {}
    assert len(old.entries()) == len(State)


def test_a_trial_only_counts(old: Ledger, clock: Clock) -> None:
    assert old.purge(clock.now, dry_run=True) == dict.fromkeys(ENDED, 1)
    assert len(old.entries()) == len(State)


def test_leases_that_ran_out_are_forgotten_too(tmp_path: Path, ledger: Ledger, clock: Clock) -> None:
    ledger.claim(SERVER, "Patient/who-was-claimed", owner="a", seconds=60)
    clock.forward(days=1)
    ledger.purge(clock.now)

    assert b"who-was-claimed" not in every_byte(tmp_path)


def test_nothing_of_what_was_forgotten_is_left_in_the_files(tmp_path: Path, ledger: Ledger, clock: Clock) -> None:
    for number in range(300):
        gone = entry(f"k{number}", State.SUPERSEDED, patient=f"Patient/gone-{number}")
        ledger.record(msgspec.structs.replace(gone, evidence=(f"Observation/gone-{number}/_history/1",)))
    clock.forward(days=1)
    assert b"gone-250" in every_byte(tmp_path)

    ledger.purge(clock.now)

    assert b"gone-" not in every_byte(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (entry(state=State.DEAD), State.ASSESSED),
        (entry(state=State.QUARANTINED), State.ASSESSED),
        (msgspec.structs.replace(entry(state=State.DEAD), attempts=5), State.WRITING),
        (msgspec.structs.replace(entry(state=State.DEAD), written=("Device/1",)), State.WRITING),
    ],
)
def test_what_is_tried_again_may_be_on_the_server_if_it_was_ever_sent(
    ledger: Ledger, before: Entry, after: State
) -> None:
    ledger.record(before)

    assert [each.key for each in ledger.retry()] == [before.key]
    again = ledger.entry(SERVER, before.key)
    assert again is not None
    assert (again.state, again.attempts, again.written) == (after, 0, before.written)


@pytest.mark.parametrize("state", sorted(set(State) - {State.DEAD, State.QUARANTINED}))
def test_what_was_not_given_up_is_not_tried_again(ledger: Ledger, state: State) -> None:
    ledger.record(entry(state=state))

    assert ledger.retry() == []
    assert ledger.counts() == {state: 1}


def test_only_the_named_are_tried_again(ledger: Ledger) -> None:
    ledger.record(entry("a", State.DEAD))
    ledger.record(entry("b", State.DEAD, patient=OTHER_PATIENT))
    ledger.record(entry("c", State.DEAD, patient=OTHER_PATIENT))

    assert [each.key for each in ledger.retry(keys=["b"], dry_run=True)] == ["b"]
    assert [each.key for each in ledger.retry(patient=PATIENT)] == ["a"]
    assert [each.key for each in ledger.retry(keys=["a", "c"])] == ["c"]
    assert ledger.unfinished(SERVER) == [PATIENT, OTHER_PATIENT]


def every_byte(folder: Path) -> bytes:
    """All that stands in the ledger's files."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
