"""What the ledger gives back of what was recorded."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapter.ledger import Count, Entry, Ledger, State
from tests.ledger.building import OTHER_PATIENT, OTHER_SERVER, PATIENT, SERVER, Clock, entry, ledger_in


def test_an_entry_comes_back_as_it_was_recorded_with_the_time(ledger: Ledger) -> None:
    recorded = Entry(
        server=SERVER,
        key="k",
        patient=PATIENT,
        state=State.DEAD,
        evidence=("Observation/b/_history/2", "Observation/a/_history/1"),
        written=("Device/d/_history/1",),
        attempts=3,
        reason="http-422",
        replaces="j",
    )

    ledger.record(recorded)

    assert ledger.entry(SERVER, "k") == msgspec.structs.replace(recorded, updated_at="2026-06-15T08:00:00.000000+00:00")


def test_an_unknown_assessment_is_not_known(ledger: Ledger) -> None:
    ledger.record(entry("k"))

    assert ledger.entry(SERVER, "other") is None
    assert ledger.entry(OTHER_SERVER, "k") is None
    assert ledger.current(SERVER, OTHER_PATIENT) is None


def test_what_was_recorded_is_there_when_the_ledger_is_opened_again(tmp_path: Path, ledger: Ledger) -> None:
    ledger.record(entry("k"))
    ledger.close()

    assert ledger_in(tmp_path).entry(SERVER, "k") is not None


def test_a_ledger_that_was_closed_opens_itself_again_when_asked(ledger: Ledger) -> None:
    ledger.close()
    ledger.record(entry("k"))

    assert ledger.counts() == {State.WRITTEN: 1}


def test_the_current_assessment_is_the_one_recorded_last_that_stands(ledger: Ledger) -> None:
    for key, state in (("a", State.WRITTEN), ("b", State.WRITTEN), ("c", State.WRITING), ("d", State.RETRACTED)):
        ledger.record(entry(key, state))

    current = ledger.current(SERVER, PATIENT)

    assert current is not None
    assert current.key == "b"


def test_an_older_assessment_that_was_written_again_is_the_current_one_though_the_clock_went_back(
    ledger: Ledger, clock: Clock
) -> None:
    for key, state in (("a", State.WRITTEN), ("b", State.WRITTEN), ("a", State.SUPERSEDED), ("a", State.WRITTEN)):
        clock.forward(seconds=-60)
        ledger.record(entry(key, state))

    current = ledger.current(SERVER, PATIENT)

    assert current is not None
    assert current.key == "a"


@pytest.mark.parametrize("reference", ["Observation/1", "Observation/1/_history/1", "Observation/1/_history/9"])
def test_a_change_of_a_result_finds_what_rests_on_it_in_any_version(ledger: Ledger, reference: str) -> None:
    ledger.record(entry("a", evidence=["Observation/1/_history/1", "Observation/2/_history/1"]))
    ledger.record(entry("b", evidence=["Observation/11/_history/1"], patient=OTHER_PATIENT))

    assert [each.key for each in ledger.resting_on(SERVER, reference)] == ["a"]
    assert ledger.resting_on(OTHER_SERVER, reference) == []


@pytest.mark.parametrize("state", State)
def test_only_what_is_on_the_server_or_may_be_rests_on_a_result(ledger: Ledger, state: State) -> None:
    ledger.record(entry("a", state, evidence=["Observation/1/_history/1"]))

    may_stand = state in (State.WRITTEN, State.WRITING, State.SUPERSEDED, State.DEAD)

    assert bool(ledger.resting_on(SERVER, "Observation/1")) is may_stand


def test_the_history_of_a_patient_is_in_the_order_in_which_it_was_begun(ledger: Ledger) -> None:
    for key, state in (("a", State.WRITING), ("b", State.WRITTEN), ("a", State.SUPERSEDED)):
        ledger.record(entry(key, state))
    ledger.record(entry("c", patient=OTHER_PATIENT))

    assert [(each.key, each.state) for each in ledger.history(SERVER, PATIENT)] == [
        ("a", State.SUPERSEDED),
        ("b", State.WRITTEN),
    ]


def test_evidence_that_was_replaced_is_no_longer_rested_on(ledger: Ledger) -> None:
    ledger.record(entry("a", evidence=["Observation/1/_history/1"]))
    ledger.record(entry("a", evidence=["Observation/2/_history/1"]))

    assert ledger.resting_on(SERVER, "Observation/1") == []
    assert [each.key for each in ledger.resting_on(SERVER, "Observation/2")] == ["a"]


def test_two_versions_of_one_result_are_one_piece_of_evidence(ledger: Ledger) -> None:
    ledger.record(entry("a", evidence=["Observation/1/_history/1", "Observation/1/_history/2"]))

    assert [each.key for each in ledger.resting_on(SERVER, "Observation/1")] == ["a"]


def test_entries_are_chosen_by_state_server_and_patient_the_last_recorded_first(ledger: Ledger, clock: Clock) -> None:
    for key, state, server, patient in (
        ("a", State.DEAD, SERVER, PATIENT),
        ("b", State.WRITTEN, SERVER, PATIENT),
        ("c", State.DEAD, OTHER_SERVER, PATIENT),
        ("d", State.QUARANTINED, SERVER, OTHER_PATIENT),
    ):
        clock.forward(seconds=1)
        ledger.record(entry(key, state, server=server, patient=patient))

    assert [each.key for each in ledger.entries()] == ["d", "c", "b", "a"]
    assert [each.key for each in ledger.entries(limit=2)] == ["d", "c"]
    assert [each.key for each in ledger.entries(states=[State.DEAD, State.QUARANTINED])] == ["d", "c", "a"]
    assert [each.key for each in ledger.entries(server=SERVER, patient=PATIENT)] == ["b", "a"]


def test_counts_and_reasons_are_told_by_server_or_over_all(ledger: Ledger) -> None:
    ledger.record(entry("a", State.DEAD, reason="http-500"))
    ledger.record(entry("b", State.DEAD, reason="http-500", server=OTHER_SERVER))
    ledger.record(entry("c", State.QUARANTINED, reason="output-invalid"))
    ledger.record(entry("d", State.WRITTEN))

    assert ledger.counts() == {State.DEAD: 2, State.QUARANTINED: 1, State.WRITTEN: 1}
    assert ledger.counts(OTHER_SERVER) == {State.DEAD: 1}
    assert ledger.reasons() == [
        Count(OTHER_SERVER, State.DEAD, "http-500", 1),
        Count(SERVER, State.DEAD, "http-500", 1),
        Count(SERVER, State.QUARANTINED, "output-invalid", 1),
        Count(SERVER, State.WRITTEN, "", 1),
    ]


def test_unfinished_are_the_patients_whose_writing_was_not_brought_to_an_end(ledger: Ledger) -> None:
    for number, state in enumerate(State):
        ledger.record(entry(f"k{number}", state, patient=f"Patient/{state}"))
    ledger.record(entry("again", State.WRITING, patient="Patient/writing"))

    assert ledger.unfinished(SERVER) == ["Patient/assessed", "Patient/writing"]
    assert ledger.unfinished(OTHER_SERVER) == []


@pytest.mark.parametrize("reason", ["the T-score was -2.9", "T-2.9", "http_422", "-", "a" * 65, "Huber"])
def test_a_reason_that_is_no_code_is_refused_for_it_could_tell_of_a_person(reason: str) -> None:
    with pytest.raises(ValueError, match="never a sentence") as refused:
        entry("k", State.DEAD, reason=reason)

    assert reason not in str(refused.value) or len(reason) == 1
