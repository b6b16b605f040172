"""One patient from fetching to receipt: written once, renewed when evidence changes, taken back when withdrawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.entrypoints import working
from adapter.errors import LedgerUnusable
from adapter.fhir.decoding import encode
from adapter.fhir_server.messages import Request, Response
from adapter.job.endings import Done, Ending
from adapter.job.running import Tally
from adapter.ledger.entries import State
from tests.job.building import PATIENT, hospital_with, job_on, journey, ledger_at
from tests.job.hospital import BASE, Hospital, statement, unreachable


def one(id_: str, **more: Any) -> dict[str, Any]:
    [found] = [each for each in journey() if each["id"] == id_]
    return {**found, **more}


def done_on(hospital: Hospital, folder: Path, **choices: Any) -> Done:
    return job_on(hospital, folder, **choices).assess_and_write(PATIENT)


def changes(hospital: Hospital) -> list[str]:
    return [each for each in hospital.asked() if not each.startswith("GET") and not each.endswith("_search")]


def test_an_assessment_is_written_with_its_device_and_provenance(tmp_path: Path) -> None:
    hospital = hospital_with()
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.stratum, done.way) == (Ending.WRITTEN, "moderate", "transaction")
    assert [len(hospital.all(kind)) for kind in ("RiskAssessment", "Device", "Provenance")] == [1, 1, 1]
    current = ledger_at(tmp_path).current(BASE, PATIENT)
    assert current is not None
    assert current.written == done.written
    assert "Observation/ctx/_history/1" in current.evidence


def test_what_was_left_out_as_somebody_elses_is_counted_and_told(tmp_path: Path) -> None:
    """A1.8: the server ignores whose results were asked for"""
    hospital = hospital_with(ignores={"patient"})
    hospital.hold({"resourceType": "Patient", "id": "p-02"})
    hospital.hold(one("ctx", id="hers", subject={"reference": "Patient/p-02"}))
    tally = Tally()
    tally.add(done_on(hospital, tmp_path))
    assert tally.foreign == 1
    assert "somebody else's, left out: 1" in working.summary(tally, 1.0)
    assert working.summed_up(tally, 1.0)["foreign"] == 1


def test_what_a_server_demanded_is_told_for_it_may_hide_something(tmp_path: Path) -> None:
    """A1.10: what has no category is not in its answer"""
    issue = {"severity": "error", "code": "required", "diagnostics": "category is required"}
    refusal = Response(400, {}, encode({"resourceType": "OperationOutcome", "issue": [issue]}))

    def answers(request: Request, answer: Response) -> Response:
        asked = f"{request.url} {request.body.decode()}"
        return refusal if "/Condition?" in asked and "category=" not in asked else answer

    tally = Tally()
    tally.add(done_on(hospital_with(answers=answers), tmp_path))
    assert (tally.endings[Ending.WRITTEN], tally.noticed) == (1, {"search-narrowed": 1})
    assert "noticed: search-narrowed 1" in working.summary(tally, 1.0)
    assert working.summed_up(tally, 1.0)["noticed"] == {"search-narrowed": 1}


def test_nothing_is_sent_where_nothing_changed(tmp_path: Path) -> None:
    hospital = hospital_with()
    first = done_on(hospital, tmp_path)
    hospital.sent.clear()
    again = done_on(hospital, tmp_path)
    assert again.ending is Ending.UNCHANGED
    assert again.written == first.written
    assert changes(hospital) == []


def test_a_lost_ledger_writes_nothing_twice(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path / "one")
    assert done_on(hospital, tmp_path / "other").ending is Ending.WRITTEN
    assert len(hospital.all("RiskAssessment")) == 1


def test_changed_evidence_makes_a_new_assessment_that_names_the_old_one(tmp_path: Path) -> None:
    hospital = hospital_with()
    first = done_on(hospital, tmp_path)
    hospital.hold(one("ctx", status="corrected"))
    second = done_on(hospital, tmp_path)
    assert second.ending is Ending.WRITTEN
    old, new = hospital.all("RiskAssessment")
    assert old["status"] == "final"
    assert new["parent"]["reference"] == first.written[0]
    ledger = ledger_at(tmp_path)
    assert {entry.state for entry in ledger.entries(patient=PATIENT)} == {State.SUPERSEDED, State.WRITTEN}
    [current] = ledger.entries(states=[State.WRITTEN])
    assert current.replaces != current.key


@pytest.mark.parametrize("withdrawn", ["marked", "deleted", "of another patient", "with only its status left"])
def test_an_assessment_is_taken_back_when_what_it_rests_on_is_withdrawn(tmp_path: Path, withdrawn: str) -> None:
    """E22, A3.2"""
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    match withdrawn:
        case "marked":
            hospital.hold(one("t-score", status="entered-in-error"))
        case "deleted":
            del hospital.held["Observation/t-score"]
        case "of another patient":
            hospital.hold(one("t-score", subject={"reference": "Patient/p-02"}))
        case _:
            hospital.hold({"resourceType": "Observation", "id": "t-score", "status": "entered-in-error"})
    done = done_on(hospital, tmp_path)
    assert done.ending is Ending.WRITTEN
    old, new = hospital.all("RiskAssessment")
    assert (old["status"], new["status"]) == ("entered-in-error", "final")
    assert done.retracted == (f"RiskAssessment/{old['id']}/_history/2",)
    assert {each.state for each in ledger_at(tmp_path).entries()} == {State.RETRACTED, State.WRITTEN}


def test_an_assessment_is_taken_back_also_where_no_new_one_may_be_written(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hospital.hold(one("p-01", birthDate="2020-01-01"), one("ctx", status="entered-in-error"))
    done = done_on(hospital, tmp_path)
    assert done.ending is Ending.NOTHING_TO_WRITE
    [only] = hospital.all("RiskAssessment")
    assert only["status"] == "entered-in-error"
    assert ledger_at(tmp_path).current(BASE, PATIENT) is None


def test_an_assessment_that_a_person_changed_is_left_alone(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    [ours] = hospital.all("RiskAssessment")
    hospital.hold({**ours, "note": [{"text": "seen"}]}, one("ctx", status="entered-in-error"))
    done = done_on(hospital, tmp_path)
    old, _ = hospital.all("RiskAssessment")
    assert (old["status"], old["note"]) == ("final", [{"text": "seen"}])
    assert "edited-since" in {problem.code for problem in done.problems}


def test_an_undetermined_patient_is_written_and_counted_as_such(tmp_path: Path) -> None:
    hospital = hospital_with("indeterminate-high-turnover-nothing-else")
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.is_undetermined) == (Ending.WRITTEN, True)


def test_a_patient_of_whom_nothing_may_be_written_is_recorded_as_undetermined(tmp_path: Path) -> None:
    hospital = hospital_with("child")
    assert done_on(hospital, tmp_path).ending is Ending.NOTHING_TO_WRITE
    assert changes(hospital) == []
    assert ledger_at(tmp_path).counts() == {State.UNDETERMINED: 1}


@pytest.mark.parametrize("version", ["6.0.0", "1.0.2"])
def test_to_a_server_of_a_release_that_is_not_read_nothing_is_written(tmp_path: Path, version: str) -> None:
    hospital = hospital_with(metadata=statement() | {"fhirVersion": version})
    before = len(hospital.held)
    done = job_on(hospital, tmp_path).assess_and_write("Patient/p-01")
    assert (done.ending, done.reason, len(hospital.held)) == (Ending.REFUSED, "release-unread", before)


def test_a_subject_that_fits_two_patients_writes_nothing(tmp_path: Path) -> None:
    """E25"""
    hospital = hospital_with()
    mrn = {"system": "urn:mrn", "value": "1"}
    hospital.hold(one("p-01", identifier=[mrn]), {"resourceType": "Patient", "id": "p-02", "identifier": [mrn]})
    hospital.hold(one("ctx", subject={"identifier": mrn}))
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason) == (Ending.REFUSED, "subject-ambiguous")
    assert changes(hospital) == []
    assert ledger_at(tmp_path).counts() == {State.QUARANTINED: 1}


def test_a_subject_that_fits_one_patient_is_hers(tmp_path: Path) -> None:
    hospital = hospital_with()
    mrn = {"system": "urn:mrn", "value": "1"}
    hospital.hold(one("p-01", identifier=[mrn]), one("ctx", subject={"identifier": mrn}))
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN


def test_results_of_two_servers_write_nothing(tmp_path: Path) -> None:
    """E24"""
    hospital = hospital_with()
    hospital.adds["Observation"] = [{"fullUrl": "https://elsewhere.example/Observation/ctx", "resource": one("ctx")}]
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason) == (Ending.INCOMPLETE, "several-servers")
    assert changes(hospital) == []


def test_a_patient_that_was_replaced_is_not_assessed(tmp_path: Path) -> None:
    hospital = hospital_with()
    hospital.hold(one("p-01", link=[{"other": {"reference": "Patient/p-02"}, "type": "replaced-by"}]))
    assert done_on(hospital, tmp_path).reason == "patient-replaced"


def test_what_did_not_come_whole_is_not_assessed_unless_told(tmp_path: Path) -> None:
    hospital = hospital_with(refuses={"Condition": 403})
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason) == (Ending.INCOMPLETE, "condition-http-403")
    assert ledger_at(tmp_path).counts() == {State.QUARANTINED: 1}
    assert done_on(hospital, tmp_path, allow_incomplete=True).ending is Ending.WRITTEN
    assert ledger_at(tmp_path).counts() == {State.WRITTEN: 1, State.SUPERSEDED: 1}


def test_what_we_wrote_ourselves_is_no_evidence(tmp_path: Path) -> None:
    """A5.15"""
    hospital = hospital_with()
    first = done_on(hospital, tmp_path / "one")
    assert done_on(hospital, tmp_path / "other").written == first.written
    assert not [each for each in hospital.all("RiskAssessment")[0]["basis"] if "RiskAssessment" in each["reference"]]


def test_an_assessment_of_others_that_carries_frax_is_evidence(tmp_path: Path) -> None:
    hospital = hospital_with("frax-from-risk-assessment")
    done_on(hospital, tmp_path)
    ours = hospital.all("RiskAssessment")[-1]
    assert any(each["reference"].startswith("RiskAssessment/") for each in ours["basis"])


def test_a_dry_run_changes_neither_the_server_nor_the_ledger(tmp_path: Path) -> None:
    hospital = hospital_with()
    assert done_on(hospital, tmp_path, dry_run=True).ending is Ending.WOULD_WRITE
    assert changes(hospital) == []
    assert ledger_at(tmp_path).counts() == {}
    done_on(hospital, tmp_path)
    assert done_on(hospital, tmp_path, dry_run=True).ending is Ending.UNCHANGED


def test_a_patient_that_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    hospital = hospital_with()
    another = ledger_at(tmp_path)
    another.claim(BASE, PATIENT, owner="another", seconds=60)
    assert done_on(hospital, tmp_path).ending is Ending.ELSEWHERE
    assert hospital.sent == []
    another.release(BASE, PATIENT, owner="another")
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN


def test_a_patient_that_is_not_there_is_quarantined(tmp_path: Path) -> None:
    assert done_on(Hospital(), tmp_path).ending is Ending.MISSING
    assert ledger_at(tmp_path).counts() == {State.QUARANTINED: 1}


def test_a_server_that_is_gone_leaves_the_patient_to_the_next_run(tmp_path: Path) -> None:
    hospital = hospital_with()
    hospital.before = unreachable
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.may_retry) == (Ending.FAILED, True)
    assert ledger_at(tmp_path).unfinished(BASE) == [PATIENT]
    hospital.before = lambda request: None
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN
    assert ledger_at(tmp_path).unfinished(BASE) == []


def test_a_refused_write_is_given_up_until_a_person_asks_again(tmp_path: Path) -> None:
    """E30, E34"""
    hospital = hospital_with(refuses={"": 422})
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason) == (Ending.FAILED, "http-422")
    [dead] = ledger_at(tmp_path).entries()
    assert (dead.state, dead.reason) == (State.DEAD, "http-422")
    hospital.sent.clear()
    assert done_on(hospital, tmp_path).ending is Ending.FAILED
    assert changes(hospital) == []
    hospital.refuses.clear()
    ledger_at(tmp_path).retry()
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN


def test_a_write_that_time_may_mend_is_tried_by_later_runs_and_given_up_in_the_end(tmp_path: Path) -> None:
    hospital = hospital_with(refuses={"": 503})
    for _ in range(9):
        assert done_on(hospital, tmp_path).may_retry
    assert not done_on(hospital, tmp_path).may_retry
    assert ledger_at(tmp_path).counts() == {State.DEAD: 1}


def test_what_would_be_invalid_is_never_sent(tmp_path: Path) -> None:
    """A9.10: security labels are passed on, and this one is no FHIR"""
    hospital = hospital_with()
    hospital.hold(one("ctx", meta={"security": [{"system": "urn:x", "code": "R  x "}]}))
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason) == (Ending.REFUSED, "output-invalid")
    assert changes(hospital) == []
    assert ledger_at(tmp_path).counts() == {State.QUARANTINED: 1}


def test_a_full_disk_stops_before_anything_is_written(tmp_path: Path) -> None:
    """E45"""
    hospital = hospital_with()
    job = job_on(hospital, tmp_path)

    def full(*_: object) -> None:
        raise LedgerUnusable("the disk is full")

    job.ledger.record = full  # type: ignore[method-assign,assignment]
    with pytest.raises(LedgerUnusable):
        job.assess_and_write(PATIENT)
    assert changes(hospital) == []


@pytest.mark.parametrize("habits", [{}, {"keeps_ids": True, "metadata": statement(parameters=())}])
def test_an_assessment_begun_and_overtaken_by_newer_evidence_is_found_and_replaced(
    tmp_path: Path, habits: dict[str, Any]
) -> None:
    """E45: killed after the server took it and before that was recorded"""
    hospital = hospital_with(**habits)

    def killed(request: Any) -> None:
        if request.method == "POST" and request.url == BASE:
            raise KeyboardInterrupt

    hospital.after = killed
    with pytest.raises(KeyboardInterrupt):
        done_on(hospital, tmp_path)
    hospital.after = lambda request: None
    hospital.hold(one("ctx", status="corrected"))
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN
    old, new = hospital.all("RiskAssessment")
    assert new["parent"]["reference"].startswith(f"RiskAssessment/{old['id']}")
    assert {each.state for each in ledger_at(tmp_path).entries()} == {State.SUPERSEDED, State.WRITTEN}


def test_a_patient_that_another_process_took_over_meanwhile_is_not_written_by_us(tmp_path: Path) -> None:
    hospital = hospital_with()
    job = job_on(hospital, tmp_path)
    answers = [True, False]
    job.ledger.claim = lambda *_, **__: answers.pop(0)  # type: ignore[method-assign]
    assert job.assess_and_write(PATIENT).ending is Ending.ELSEWHERE
    assert changes(hospital) == []


def test_an_assessment_that_a_person_took_back_is_not_written_again(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path / "one")
    [ours] = hospital.all("RiskAssessment")
    hospital.hold({**ours, "status": "entered-in-error"})
    done = done_on(hospital, tmp_path / "other")
    assert (done.ending, done.reason) == (Ending.REFUSED, "edited-since")
    assert [each["status"] for each in hospital.all("RiskAssessment")] == ["entered-in-error"]
    assert ledger_at(tmp_path / "other").counts() == {State.QUARANTINED: 1}
