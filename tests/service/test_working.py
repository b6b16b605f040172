"""The worker: each patient once however often we are told, again after a failure, and a search where nobody told us."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapter.errors import InboxUnusable, LedgerUnusable, ServerError
from adapter.fhir.notifications import Kind
from adapter.inbox.numbering import Numbers
from adapter.job.choosing import Chosen
from adapter.service.surroundings import Assessed
from tests.full_disk import full_disk
from tests.service.building import SUBSCRIPTION, WRITTEN, Hospital, StillClock, Ward, event, failing, past, ping, sign


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    ward = Ward(tmp_path)
    ward.begin()
    return ward


def numbers(ward: Ward) -> Numbers:
    return next(each.numbers for each in ward.worklist.watched() if each.reference == SUBSCRIPTION)


def test_a_panel_of_twelve_results_is_one_assessment(ward: Ward) -> None:
    for number in range(1, 13):
        ward.hear(event(number, f"Observation/{number}"))
        ward.pass_time(0.25, step=0.25)
    assert ward.hospital.assessed == []
    ward.pass_time(6)
    assert ward.hospital.assessed == ["Patient/one"]


def test_news_without_end_does_not_put_an_assessment_off_without_end(ward: Ward) -> None:
    for number in range(1, 46):
        ward.hear(event(number))
        ward.pass_time(1)
    assert len(ward.hospital.assessed) == 2


def test_a_patient_may_be_told_of_directly(ward: Ward) -> None:
    ward.hear(event(1, "Patient/two"))
    ward.pass_time(6)
    assert ward.hospital.assessed == ["Patient/two"]


def test_what_leads_to_no_assessment_is_heard_and_left(ward: Ward) -> None:
    """A5.15: what we write ourselves must not trigger us."""
    ward.hear(event(1, "Provenance/1"), event(2, "Device/1"), event(3, "Encounter/1"))
    ward.hospital.owners["RiskAssessment/ours"] = ()
    ward.hear(event(4, "RiskAssessment/ours"))
    ward.pass_time(30)
    assert (ward.hospital.assessed, ward.hospital.searches, numbers(ward).highest) == ([], [], 4)


def test_a_failure_is_tried_again_later_and_later_and_then_waits_for_a_person(ward: Ward) -> None:
    """E30."""
    ward.hospital.answers["Patient/one"] = [failing()] * 3
    ward.hear(event(1))
    ward.pass_time(60)
    assert len(ward.hospital.assessed) == 3
    [letter] = ward.worklist.letters()
    assert (letter.reference, letter.reason, letter.attempts) == ("Patient/one", "http-500", 3)
    assert ward.told["letter", "http-500"] == 1


def test_what_was_given_up_and_replayed_is_done(ward: Ward) -> None:
    ward.hospital.answers["Patient/one"] = [Assessed(ending="refused", is_done=False, reason="output-invalid")]
    ward.hear(event(1))
    ward.pass_time(6)
    [letter] = ward.worklist.letters()
    assert (letter.reason, letter.attempts) == ("output-invalid", 1)
    ward.worklist.replay([letter.id], who="ward", now=ward.clock.seconds())
    ward.pass_time(1)
    assert (ward.hospital.assessed, ward.worklist.counts()) == (["Patient/one"] * 2, (0, 0, 0))


def test_a_server_that_is_down_for_hours_costs_nobody_a_try(ward: Ward) -> None:
    down = ServerError("", code="unreachable", may_retry=True)
    ward.hospital.changes = down
    ward.hospital.answers = {f"Patient/{each}": [down] * 10_000 for each in range(20)}
    ward.hear(*(event(number + 1, f"Patient/{number}") for number in range(20)))
    ward.pass_time(4 * 3600, step=30)
    assert ward.worklist.letters() == []
    # Nobody is asked twenty times a second either.
    assert len(ward.hospital.assessed) < 700
    for waiting in ward.hospital.answers.values():
        waiting.clear()
    ward.hospital.changes = Chosen()
    ward.pass_time(1800, step=5)
    assert set(ward.hospital.assessed[-20:]) == set(ward.hospital.answers)
    assert ward.worklist.counts() == (0, 0, 0)


def test_a_patient_whom_only_the_server_cannot_answer_is_given_up_in_the_end(ward: Ward) -> None:
    ward.hospital.answers["Patient/one"] = [ServerError("", code="http-504", may_retry=True)] * 100
    ward.hear(event(1, "Patient/one"))
    for number in range(2, 40):
        ward.hear(event(number, f"Patient/{number}"))
        ward.pass_time(10, step=5)
    assert [each.reason for each in ward.worklist.letters()] == ["http-504"]


def test_a_patient_at_whom_another_process_is_waits_without_losing_a_try(ward: Ward) -> None:
    held = Assessed(ending="elsewhere", is_done=False, is_held=True)
    ward.hospital.answers["Patient/one"] = [held] * 10
    ward.hear(event(1))
    ward.pass_time(120)
    assert len(ward.hospital.assessed) == 11
    assert ward.worklist.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ServerError("", code="http-422"), "http-422"),
        (InboxUnusable("x"), "InboxUnusable"),
    ],
)
def test_what_can_never_succeed_is_given_up_at_once(ward: Ward, error: ServerError, reason: str) -> None:
    ward.hospital.answers["Patient/one"] = [error]
    ward.hear(event(1))
    ward.pass_time(6)
    assert [each.reason for each in ward.worklist.letters()] == [reason]


def test_a_ledger_that_cannot_be_written_waits_for_the_operator(ward: Ward) -> None:
    ward.hospital.answers["Patient/one"] = [LedgerUnusable("disk full")] * 10
    ward.hear(event(1))
    ward.pass_time(1200, step=10)
    assert (ward.worklist.letters(), ward.worklist.counts()[0]) == ([], 0)
    assert len(ward.hospital.assessed) == 11


def test_a_fault_of_ours_is_told_and_costs_no_other(ward: Ward) -> None:
    ward.hospital.answers["Patient/bad"] = [KeyError("x")] * 3  # type: ignore[list-item]
    ward.hospital.assess = _with_faults(ward.hospital)  # type: ignore[method-assign]
    ward.worker._trier._assess = ward.hospital.assess
    ward.hear(event(1, "Patient/bad"), event(2, "Patient/good"))
    ward.pass_time(60)
    assert "Patient/good" in ward.hospital.assessed
    assert [each.reason for each in ward.worklist.letters()] == ["fault-KeyError"]


def _with_faults(hospital: Hospital):  # type: ignore[no-untyped-def]  # noqa: ANN202
    whole = Hospital.assess

    def assess(patient: str) -> Assessed:
        if patient == "Patient/bad":
            raise KeyError("no such thing")
        return whole(hospital, patient)

    return assess


def test_after_a_restart_everything_goes_on_where_it_was(tmp_path: Path) -> None:
    """E45."""
    first = Ward(tmp_path)
    first.begin()
    first.inbox.store([event(1), event(2, "Patient/two")])
    first.worker.turn(start=False)
    first.inbox.store([event(3, "Patient/three")])
    second = Ward(tmp_path, first.clock)
    second.worker.begin()
    second.pass_time(6)
    assert sorted(second.hospital.assessed) == ["Patient/one", "Patient/three", "Patient/two"]


# Numbers: E41, E42.


def test_the_same_event_number_again_is_done_once(ward: Ward) -> None:
    """E41."""
    ward.hear(event(1))
    ward.pass_time(6)
    ward.hear(event(1), event(1))
    ward.pass_time(30)
    assert ward.hospital.assessed == ["Patient/one"]


def test_a_gap_is_waited_for_and_then_asked_for(ward: Ward) -> None:
    """E42: 21 → 23."""
    ward.hospital.past = past({22: "Observation/22"})
    ward.hospital.owners["Observation/22"] = ("Patient/missed",)
    ward.hear(event(21), event(23))
    ward.pass_time(8)
    assert ward.hospital.asked == []
    ward.pass_time(10)
    assert ward.hospital.asked == [(SUBSCRIPTION, 22, 22)]
    assert "Patient/missed" in ward.hospital.assessed
    assert (numbers(ward), ward.hospital.searches) == (Numbers(23), [])


def test_a_gap_that_closes_by_itself_asks_nobody(ward: Ward) -> None:
    ward.hear(event(21), event(23))
    ward.pass_time(5)
    ward.hear(event(22))
    ward.pass_time(30)
    assert (ward.hospital.asked, ward.hospital.searches, numbers(ward)) == ([], [], Numbers(23))


def test_where_the_server_keeps_no_events_what_changed_is_searched_for(ward: Ward) -> None:
    """E42."""
    ward.hospital.changes = Chosen(("Patient/missed",))
    ward.hear(event(21), event(23))
    ward.pass_time(20)
    assert ward.hospital.asked == [(SUBSCRIPTION, 22, 22)]
    assert len(ward.hospital.searches) == 1
    assert "Patient/missed" in ward.hospital.assessed
    assert numbers(ward) == Numbers(23)


def test_what_goes_missing_during_a_search_is_asked_for_after_it(ward: Ward) -> None:
    """A5.9: the search may have looked before it happened"""
    ward.hospital.during_search = lambda: ward.inbox.store([event(30)])
    ward.hear(event(21), event(23))
    ward.pass_time(18)
    ward.hospital.during_search = lambda: None
    assert numbers(ward).missing == (24, 29)
    ward.pass_time(60)
    assert (SUBSCRIPTION, 24, 29) in ward.hospital.asked
    assert numbers(ward) == Numbers(30)


def test_several_gaps_are_asked_for_one_after_the_other(ward: Ward) -> None:
    ward.hospital.past = past({2: "Observation/2", 4: "Observation/4"})
    ward.hear(event(1), event(3), event(5))
    ward.pass_time(40)
    assert [each[1:] for each in ward.hospital.asked] == [(2, 2), (4, 4)]
    assert numbers(ward) == Numbers(5)


def test_an_incomplete_search_closes_no_gap(ward: Ward) -> None:
    ward.hospital.changes = Chosen(("Patient/missed",), ("Observation: search-incomplete",))
    ward.hear(event(21), event(23))
    ward.pass_time(15)
    assert numbers(ward).missing == (22, 22)
    ward.hospital.changes = Chosen()
    ward.pass_time(30)
    assert numbers(ward) == Numbers(23)


def test_a_long_gap_is_searched_for_at_once_when_it_was_waited_for(ward: Ward) -> None:
    ward.hear(event(1), event(5_000))
    ward.pass_time(20)
    assert (ward.hospital.asked, len(ward.hospital.searches)) == ([], 1)


@pytest.mark.parametrize("number", [1, 10_000_000, 2**63 - 1])
def test_a_server_that_counts_anew_or_absurdly_makes_us_search(ward: Ward, number: int) -> None:
    """E42: reset to 1, and huge."""
    ward.hospital.changes = Chosen(("Patient/missed",))
    ward.hear(event(50), event(number, "Observation/9"))
    ward.pass_time(20)
    assert len(ward.hospital.searches) == 1
    assert {"Patient/missed", "Patient/one"} <= set(ward.hospital.assessed)
    assert ward.hospital.asked == []
    ward.hear(event(numbers(ward).highest + 1, "Observation/10"))
    assert numbers(ward).missing is None


def test_a_heartbeat_tells_of_an_event_that_never_came(ward: Ward) -> None:
    """A5.9."""
    ward.hospital.past = past({2: "Observation/2"})
    ward.hear(sign(Kind.HANDSHAKE, 0), event(1), sign(Kind.HEARTBEAT, 2))
    ward.pass_time(20)
    assert (ward.hospital.asked, numbers(ward)) == ([(SUBSCRIPTION, 2, 2)], Numbers(2))
    [watched] = [each for each in ward.worklist.watched() if each.reference == SUBSCRIPTION]
    assert (watched.gaps, watched.resets) == (1, 0)


# Searches: E44.


def test_a_flood_of_empty_notifications_is_a_few_searches(ward: Ward) -> None:
    """E44: 10 000 in a minute."""
    ward.hospital.changes = Chosen(("Patient/one",))
    for _ in range(60):
        ward.hear(*(ping() for _ in range(167)))
        ward.pass_time(1)
    ward.pass_time(30)
    assert 3 <= len(ward.hospital.searches) <= 7
    assert ward.worklist.counts() == (0, 0, 0)


def test_an_empty_notification_after_a_search_leads_to_another(ward: Ward) -> None:
    ward.hear(ping())
    ward.pass_time(20)
    ward.hear(event(1, ""))
    ward.pass_time(20)
    assert len(ward.hospital.searches) == 2


def test_a_search_begins_where_the_last_complete_one_began(ward: Ward) -> None:
    start = ward.clock.moment
    ward.pass_time(60)
    ward.hospital.changes = Chosen((), ("Observation: http-500",))
    ward.hear(ping())
    ward.pass_time(16)
    ward.hospital.changes = Chosen((), (), (ward.clock.moment - timedelta(seconds=90)).isoformat())
    behind = ward.clock.moment
    ward.pass_time(20)
    ward.hear(ping())
    ward.pass_time(20)
    assert ward.hospital.searches[0] == ward.hospital.searches[1] == start - timedelta(minutes=5)
    # The server's clock is behind ours: its own time is what counts.
    assert ward.hospital.searches[-1] == behind - timedelta(seconds=90) - timedelta(minutes=5)


@pytest.mark.parametrize("server_time", ["", "nonsense", "2026-06-15T07:00:00", "2027-01-01T00:00:00Z"])
def test_a_server_clock_that_cannot_be_read_or_runs_ahead_is_not_relied_on(ward: Ward, server_time: str) -> None:
    ward.hospital.changes = Chosen((), (), server_time)
    ward.hear(ping())
    ward.pass_time(20)
    [_] = ward.hospital.searches
    searched = ward.worklist.mark("certain-until")
    assert (
        timedelta(minutes=5) <= ward.clock.moment - datetime.fromisoformat(searched) <= timedelta(minutes=5, seconds=20)
    )


def test_at_each_start_it_is_searched_for_what_happened_meanwhile(tmp_path: Path) -> None:
    first = Ward(tmp_path)
    first.begin()
    first.clock.sleep(86_400)
    second = Ward(tmp_path, first.clock)
    second.hospital.changes = Chosen(("Patient/meanwhile",))
    second.worker.begin()
    second.pass_time(6)
    assert second.hospital.searches == [first.clock.moment - timedelta(seconds=86_400 + 6, minutes=5)]
    assert second.hospital.assessed == ["Patient/meanwhile"]


def test_now_and_then_it_is_searched_though_nobody_told_us(ward: Ward) -> None:
    ward.pass_time(3 * 3600, step=20)
    assert len(ward.hospital.searches) in (2, 3)


def test_a_search_that_fails_is_tried_again(ward: Ward) -> None:
    ward.hospital.changes = ServerError("", code="http-500", may_retry=True)
    ward.hear(ping())
    ward.pass_time(8)
    ward.hospital.changes = Chosen(("Patient/one",))
    ward.pass_time(20)
    assert ward.hospital.assessed == ["Patient/one"]


def test_a_full_disk_is_told_and_nothing_is_lost(ward: Ward) -> None:
    """E45."""
    ward.inbox.store([event(number, f"Patient/{number:060}") for number in range(1, 400)])
    with full_disk(ward.worklist._file):
        assert ward.worker.turn() is False
        assert "disk is full" in ward.worker.fault
    ward.pass_time(6)
    assert (len(ward.hospital.assessed), ward.worker.fault) == (399, "")


def test_a_fault_in_a_turn_is_told_and_the_next_turn_follows(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.service.working._PAUSE_AFTER_FAULT", 0)
    with monkeypatch.context() as broken:
        broken.setattr("adapter.service.working.taken_in", lambda *_: 1 / 0)
        ward.inbox.store([event(1)])
        assert ward.worker.turn() is False
        assert ward.worker.fault == "fault of the adapter: ZeroDivisionError"
    ward.pass_time(6)
    assert (ward.hospital.assessed, ward.worker.fault) == (["Patient/one"], "")


def test_a_patient_is_never_assessed_twice_at_a_time(tmp_path: Path) -> None:
    clock = StillClock()
    ward = Ward(tmp_path, clock, Hospital(clock))
    ward.begin()
    for number in range(1, 300):
        ward.inbox.store([event(number, f"Patient/{number % 3}")])
        ward.worker.turn()
        clock.sleep(0.5)
    ward.pass_time(30)
    assert set(ward.hospital.most_under_way.values()) == {1}
    assert WRITTEN.is_done
