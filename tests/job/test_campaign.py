"""Runs over many patients: whom they choose, what they count, and when the watermark moves."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir_server.messages import Request
from adapter.job.campaign import Selection, carry_out, plan
from adapter.job.choosing import Since, moment_of, named
from adapter.job.doing import Job
from adapter.job.endings import Done, Ending
from adapter.job.running import Tally
from adapter.job.running import run as run_all
from tests.job.building import hospital_with, job_on, journey
from tests.job.hospital import BASE, Hospital, statement, unreachable

ALL, LAST = Selection(everyone=True), Selection(since="last", overlap_seconds=0)


def patient(number: int) -> str:
    return f"Patient/p-{number:02}"


def hospital_of(count: int, **habits: Any) -> Hospital:
    """As many patients as that, all in the same state."""
    hospital = Hospital(**habits)
    for number in range(1, count + 1):
        hospital.hold(*of(number))
    return hospital


def of(number: int) -> list[dict[str, Any]]:
    """One patient's resources."""
    return [
        {**each, "id": f"p-{number:02}"}
        if each["resourceType"] == "Patient"
        else {**each, "id": f"{each['id']}-{number}", "subject": {"reference": patient(number)}}
        for each in journey()
    ]


def result(number: int, id_: str = "ctx", **more: Any) -> dict[str, Any]:
    [found] = [each for each in of(number) if each["id"] == f"{id_}-{number}"]
    return {**found, **more}


def run(job: Job, selection: Selection, *, stop: threading.Event | None = None, dry_run: bool = False) -> Tally:
    campaign = plan(job, selection, dry_run=dry_run)
    return carry_out(job, campaign, workers=2, tell=lambda done: None, stop=stop or threading.Event())


def seen(job: Job, selection: Selection) -> list[str]:
    return list(plan(job, selection, dry_run=True).patients)


def test_all_patients_are_those_of_every_page(tmp_path: Path) -> None:
    job = job_on(hospital_of(5, page_size=2), tmp_path)
    tally = run(job, ALL)
    assert (tally.patients, tally.endings[Ending.WRITTEN], tally.is_incomplete, tally.is_open) == (5, 5, False, False)
    assert run(job, ALL).endings == {Ending.UNCHANGED: 5}


def test_more_patients_than_one_search_may_hold_are_all_listed(tmp_path: Path) -> None:
    job = job_on(hospital_of(7, page_size=1), tmp_path)
    job.server.limits = msgspec.structs.replace(job.server.limits, most_pages=3, most_resources=3)
    campaign = plan(job, ALL, dry_run=False)
    assert (len(campaign.patients), campaign.chosen.shortfalls) == (7, ())


def test_a_trial_lists_no_more_patients_than_it_takes(tmp_path: Path) -> None:
    hospital = hospital_of(7, page_size=1)
    job = job_on(hospital, tmp_path)
    assert seen(job, Selection(everyone=True, limit=2)) == [patient(1), patient(2)]
    assert len([each for each in hospital.asked() if each == "GET Patient"]) == 3


def test_the_members_of_a_group_are_those_who_have_not_left_it(tmp_path: Path) -> None:
    hospital = hospital_of(3)
    members: list[dict[str, Any]] = [
        {"entity": {"reference": patient(1)}},
        {"entity": {"reference": f"{BASE}/{patient(2)}"}},
        {"entity": {"reference": patient(3)}, "inactive": True},
    ]
    hospital.hold({"resourceType": "Group", "id": "g", "member": members})
    job = job_on(hospital, tmp_path)
    assert seen(job, Selection(group="g")) == [patient(1), patient(2)]
    hospital.hold({"resourceType": "Group", "id": "g", "member": [{"entity": {"reference": "Practitioner/1"}}]})
    assert run(job, Selection(group="g")).is_incomplete
    with pytest.raises(SettingsInvalid, match="no Group"):
        seen(job, Selection(group="other"))


def test_patients_are_named_by_id_or_reference_one_a_line() -> None:
    assert named(["1", " Patient/2 # the second", "", "# none", "1"]) == ["Patient/1", "Patient/2"]
    with pytest.raises(SettingsInvalid) as refused:
        named(["1", "Patient/a b"])
    assert "a b" not in str(refused.value)


@pytest.mark.parametrize("selection", [Selection(), Selection(patients=("Patient/1",), everyone=True)])
def test_patients_are_chosen_in_exactly_one_way(tmp_path: Path, selection: Selection) -> None:
    with pytest.raises(SettingsInvalid, match="one way"):
        seen(job_on(Hospital(), tmp_path), selection)


def test_the_first_run_since_last_takes_everybody_and_the_next_only_whom_something_changed_of(tmp_path: Path) -> None:
    """A1.11"""
    hospital = hospital_of(4)
    job = job_on(hospital, tmp_path)
    hospital.clock += 60
    assert run(job, LAST).moved_watermark
    hospital.clock += 60
    assert seen(job, LAST) == []
    hospital.hold(result(3, status="corrected"))
    assert seen(job, LAST) == [patient(3)]
    hospital.clock += 60
    tally = run(job, LAST)
    assert (tally.endings, tally.moved_watermark) == ({Ending.WRITTEN: 1}, True)
    assert seen(job, LAST) == []


def test_the_overlap_looks_back_before_the_watermark(tmp_path: Path) -> None:
    hospital = hospital_of(1)
    job = job_on(hospital, tmp_path)
    hospital.clock += 60
    run(job, ALL)
    assert seen(job, LAST) == []
    assert seen(job, Selection(since="last", overlap_seconds=3600)) == [patient(1)]


def test_a_result_withdrawn_down_to_its_status_finds_the_patient_by_what_was_written(tmp_path: Path) -> None:
    """A3.3"""
    hospital = hospital_of(2)
    job = job_on(hospital, tmp_path)
    run(job, ALL)
    hospital.clock += 60
    hospital.hold({"resourceType": "Observation", "id": "t-score-2", "status": "entered-in-error"})
    assert seen(job, LAST) == [patient(2)]
    assert run(job, LAST).retracted == 1


@pytest.mark.parametrize("parameter", ["component-code", "combo-code"])
def test_a_result_that_stands_in_a_component_alone_is_found_among_what_changed(tmp_path: Path, parameter: str) -> None:
    hospital = hospital_of(2, metadata=statement(parameters=("identifier", parameter)))
    job = job_on(hospital, tmp_path)
    hospital.clock += 60
    run(job, ALL)
    hospital.clock += 60
    t_score = {"code": result(2, "t-score")["code"], "valueQuantity": result(2, "t-score")["valueQuantity"]}
    local = {"coding": [{"system": "urn:local", "code": "DXA"}]}
    hospital.hold(result(2, "t-score", id="panel-2", code=local, valueQuantity=None, component=[t_score]))
    assert seen(job, LAST) == [patient(2)]


def test_what_we_wrote_ourselves_is_no_change(tmp_path: Path) -> None:
    """A5.15"""
    job = job_on(hospital_of(1), tmp_path)
    run(job, ALL)
    assert [each for each in seen(job, Selection(since="2026-06-15T08:00:14+00:00"))] == []


def test_a_moment_is_a_date_or_a_time_with_zone() -> None:
    assert moment_of("2026-06-15") == datetime(2026, 6, 15, tzinfo=UTC)
    assert moment_of("2026-06-15T08:00:00Z").tzinfo is not None
    for text in ("yesterday", "2026-06-15T08:00:00", "2026-02-30"):
        with pytest.raises(SettingsInvalid, match="--since"):
            moment_of(text)


def test_a_server_without_last_updated_is_asked_by_the_dates_of_results(tmp_path: Path) -> None:
    hospital = hospital_of(1)
    job = job_on(hospital, tmp_path)
    seen(job, Selection(since="2026-06-01", by=Since.DATE))
    asked = [each for each in hospital.sent if "metadata" not in each.url]
    assert not any(b"_lastUpdated" in each.body or "_lastUpdated" in each.url for each in asked)
    assert any("recorded-date=ge2026-06-01" in each.url for each in asked)


def test_the_watermark_stays_while_a_patient_is_not_done(tmp_path: Path) -> None:
    hospital = hospital_of(3)
    job = job_on(hospital, tmp_path)
    stop = threading.Event()
    stop.set()
    tally = run(job, ALL, stop=stop)
    assert (tally.stopped, tally.moved_watermark, tally.is_incomplete) == (True, False, True)
    assert job.ledger.watermark(BASE, "changes") == ""
    assert run(job, LAST).endings == {Ending.WRITTEN: 3}


def test_a_run_since_a_moment_of_ones_choice_moves_no_watermark(tmp_path: Path) -> None:
    """What changed between the watermark and that moment was looked at by nobody."""
    hospital = hospital_of(2)
    job = job_on(hospital, tmp_path)
    run(job, ALL)
    before = job.ledger.watermark(BASE, "changes")
    assert not run(job, Selection(since="2026-06-15T08:00:30+00:00")).moved_watermark
    assert job.ledger.watermark(BASE, "changes") == before


def test_a_limited_run_is_a_trial_that_moves_no_watermark(tmp_path: Path) -> None:
    job = job_on(hospital_of(3), tmp_path)
    tally = run(job, Selection(since="last", limit=2))
    assert (tally.endings, tally.moved_watermark) == ({Ending.WRITTEN: 2}, False)
    assert run(job, LAST).endings == {Ending.UNCHANGED: 2, Ending.WRITTEN: 1}
    assert run(job, Selection(everyone=True, limit=3)).moved_watermark


def test_a_listing_that_is_not_complete_moves_no_watermark(tmp_path: Path) -> None:
    hospital = hospital_of(2)
    job = job_on(hospital, tmp_path)
    run(job, ALL)
    before = job.ledger.watermark(BASE, "changes")
    hospital.clock += 60
    hospital.refuses["Condition"] = 403
    tally = run(job, LAST)
    assert tally.shortfalls == ("condition-http-403",)
    assert tally.is_incomplete
    assert job.ledger.watermark(BASE, "changes") == before


def test_whom_not_everything_came_of_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    hospital = hospital_of(2)
    job = job_on(hospital, tmp_path)

    def refuse_the_second(request: Request) -> None:
        if "Condition?patient=Patient%2Fp-02" in request.url:
            hospital.refuses["Condition"] = 403
        else:
            hospital.refuses.pop("Condition", None)

    hospital.before = refuse_the_second
    campaign = plan(job, ALL, dry_run=False)
    tally = carry_out(job, campaign, workers=1, tell=lambda done: None, stop=threading.Event())
    assert tally.endings == {Ending.WRITTEN: 1, Ending.INCOMPLETE: 1}
    assert tally.moved_watermark
    hospital.before = lambda request: None
    hospital.refuses.clear()
    hospital.clock += 600
    assert run(job, LAST).endings == {Ending.WRITTEN: 1}


def test_a_run_stops_where_the_server_is_gone(tmp_path: Path) -> None:
    hospital = hospital_of(40)
    job = job_on(hospital, tmp_path)
    campaign = plan(job, ALL, dry_run=False)
    hospital.before = unreachable
    tally = carry_out(job, campaign, workers=2, tell=lambda done: None, stop=threading.Event())
    assert tally.stopped
    assert tally.patients < 20
    with pytest.raises(ServerError):
        plan(job, ALL, dry_run=False)


def test_a_fault_of_ours_costs_one_patient(tmp_path: Path) -> None:
    hospital = hospital_of(3)
    job = job_on(hospital, tmp_path)

    def fault(request: Request) -> None:
        if "Condition?patient=Patient%2Fp-02" in request.url:
            raise RuntimeError("about Patient/p-02")

    hospital.before = fault
    tally = run(job, ALL)
    assert tally.endings == {Ending.WRITTEN: 2, Ending.FAULT: 1}
    assert dict(tally.reasons) == {"runtimeerror": 1}
    assert not tally.moved_watermark


def test_two_runs_at_once_write_each_assessment_once(tmp_path: Path) -> None:
    """E32: the same ledger"""
    hospital = hospital_of(12)
    tallies: list[Tally] = []
    copies = [
        threading.Thread(target=lambda name=name: tallies.append(run(job_on(hospital, tmp_path, owner=name), ALL)))
        for name in ("one", "other")
    ]
    for copy in copies:
        copy.start()
    for copy in copies:
        copy.join()
    assert sum(tally.endings[Ending.WRITTEN] for tally in tallies) == 12
    assert len(hospital.all("RiskAssessment")) == 12


def test_a_patient_whom_another_process_holds_to_the_end_makes_the_run_incomplete(tmp_path: Path) -> None:
    hospital = hospital_of(3)
    job = job_on(hospital, tmp_path)
    job.ledger.claim(BASE, patient(2), owner="another", seconds=600)
    told: list[Ending] = []
    campaign = plan(job, ALL, dry_run=False)
    tally = carry_out(job, campaign, workers=2, tell=lambda done: told.append(done.ending), stop=threading.Event())
    assert tally.endings == {Ending.WRITTEN: 2, Ending.ELSEWHERE: 1}
    assert told.count(Ending.ELSEWHERE) == 1
    assert (tally.is_incomplete, tally.moved_watermark) == (True, False)


def test_a_patient_with_whom_another_process_has_done_by_the_end_is_seen_to_be_done(tmp_path: Path) -> None:
    hospital = hospital_of(3)
    job = job_on(hospital, tmp_path)
    job.ledger.claim(BASE, patient(1), owner="another", seconds=600)

    def finish(request: Request) -> None:
        if patient(3) in request.url:
            job.ledger.release(BASE, patient(1), owner="another")

    hospital.before = finish
    tally = run(job, ALL)
    assert (tally.endings, tally.is_incomplete, tally.moved_watermark) == ({Ending.WRITTEN: 3}, False, True)


def test_many_patients_whom_another_process_holds_do_not_pile_up(tmp_path: Path) -> None:
    numbers = range(500)
    seen: Counter[int] = Counter()

    def do(number: int) -> Done:
        seen[number] += 1
        is_held = number % 2 == 0 and seen[number] == 1
        return Done(patient=str(number), ending=Ending.ELSEWHERE if is_held else Ending.UNCHANGED)

    tally = run_all(do, numbers, workers=1, tell=lambda done: None, stop=threading.Event())
    assert tally.endings == {Ending.UNCHANGED: 500}
    assert seen.total() == 750


def test_a_dry_run_moves_nothing(tmp_path: Path) -> None:
    hospital = hospital_of(2)
    job = job_on(hospital, tmp_path, dry_run=True)
    tally = run(job, ALL, dry_run=True)
    assert tally.endings == {Ending.WOULD_WRITE: 2}
    assert (job.ledger.progress(), hospital.all("RiskAssessment")) == ([], [])


def test_an_empty_hospital_is_a_finished_run(tmp_path: Path) -> None:
    assert not run(job_on(hospital_with(), tmp_path / "one"), ALL).is_incomplete
    tally = run(job_on(Hospital(), tmp_path / "two"), ALL)
    assert (tally.patients, tally.moved_watermark, tally.is_incomplete) == (0, True, False)
