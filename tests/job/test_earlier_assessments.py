"""What was written before never stands beside what holds now, unless a person made it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source
from adapter.fhir.releases import Release
from adapter.fhir_server.messages import Request, Response
from adapter.job.endings import Done, Ending
from adapter.ledger.entries import State
from adapter.pipeline import Options, assess_sources
from tests.job.building import AS_OF, KNOWLEDGE, PATIENT, hospital_with, job_on, journey, ledger_at
from tests.job.hospital import BASE, Hospital, statement, unreachable

Json = dict[str, Any]


def result(id_: str = "ctx", **more: Any) -> Json:
    [found] = [each for each in journey() if each["id"] == id_]
    return {**found, **more}


def newer(**more: Any) -> Json:
    """A result that takes the place of the one that was there."""
    return result(**{"id": "newer", "effectiveDateTime": "2026-06-10T08:00:00+02:00", **more})


def done_on(hospital: Hospital, folder: Path) -> Done:
    return job_on(hospital, folder).assess_and_write(PATIENT)


def statuses(hospital: Hospital) -> list[str]:
    """Of our assessments, the one that was made first before the others."""
    return [each["status"] for each in hospital.all("RiskAssessment")]


def states(folder: Path) -> list[State]:
    return [each.state for each in ledger_at(folder).history(BASE, PATIENT)]


def assert_ledger_and_server_agree(hospital: Hospital, folder: Path) -> None:
    current = ledger_at(folder).current(BASE, PATIENT)
    assert current is not None
    [standing] = [each for each in hospital.all("RiskAssessment") if each["id"] in current.written[0].split("/")]
    assert current.written[0].endswith(f"/_history/{standing['meta']['versionId']}")


def test_evidence_that_is_again_what_it_was_leaves_the_first_assessment_as_the_newest_that_stands(
    tmp_path: Path,
) -> None:
    hospital = hospital_with()
    first = done_on(hospital, tmp_path)
    hospital.hold(newer())
    done_on(hospital, tmp_path)
    hospital.hold(newer(status="preliminary"))
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.written, len(done.retracted)) == (Ending.WRITTEN, first.written, 1)
    assert statuses(hospital) == ["final", "entered-in-error"]
    assert "holds again" in hospital.all("RiskAssessment")[1]["note"][-1]["text"]
    assert_ledger_and_server_agree(hospital, tmp_path)
    assert done_on(hospital, tmp_path).ending is Ending.UNCHANGED


def test_every_assessment_since_the_one_that_holds_again_is_taken_back(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hospital.hold(newer())
    done_on(hospital, tmp_path)
    hospital.hold(newer(id="newest", effectiveDateTime="2026-06-12T08:00:00+02:00"))
    done_on(hospital, tmp_path)
    assert statuses(hospital) == ["final"] * 3
    hospital.hold(newer(status="preliminary"), newer(id="newest", status="preliminary"))
    assert len(done_on(hospital, tmp_path).retracted) == 2
    assert statuses(hospital) == ["final", "entered-in-error", "entered-in-error"]
    assert states(tmp_path) == [State.WRITTEN, State.RETRACTED, State.RETRACTED]


def test_an_assessment_that_was_taken_back_holds_again_once_its_evidence_is_back(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hidden = hospital.held.pop("Observation/t-score")
    done_on(hospital, tmp_path)
    assert statuses(hospital) == ["entered-in-error", "final"]
    hospital.held["Observation/t-score"] = hidden
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN
    assert statuses(hospital) == ["final", "entered-in-error"]
    assert "holds again" in hospital.all("RiskAssessment")[0]["note"][-1]["text"]
    assert_ledger_and_server_agree(hospital, tmp_path)
    assert done_on(hospital, tmp_path).ending is Ending.UNCHANGED


def test_an_assessment_that_a_person_took_back_does_not_hold_again(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hospital.hold(newer())
    done_on(hospital, tmp_path)
    [first, _] = hospital.all("RiskAssessment")
    hospital.hold({**first, "status": "entered-in-error"}, newer(status="preliminary"))
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason) == (Ending.REFUSED, "edited-since")
    assert statuses(hospital) == ["entered-in-error", "final"]
    assert [each.reason for each in ledger_at(tmp_path).entries(states=[State.QUARANTINED])] == ["edited-since"]


def test_an_assessment_that_we_took_back_and_a_person_edited_is_left_alone(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hidden = hospital.held.pop("Observation/t-score")
    done_on(hospital, tmp_path)
    [first, _] = hospital.all("RiskAssessment")
    hospital.hold({**first, "note": [*first["note"], {"text": "Rightly so."}]})
    hospital.held["Observation/t-score"] = hidden
    assert done_on(hospital, tmp_path).reason == "edited-since"
    assert statuses(hospital) == ["entered-in-error", "final"]


def test_an_assessment_that_holds_again_and_was_deleted_is_written_anew(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hospital.hold(newer())
    done_on(hospital, tmp_path)
    [first, second] = hospital.all("RiskAssessment")
    del hospital.held[f"RiskAssessment/{first['id']}"]
    hospital.hold(newer(status="preliminary"))
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN
    assert statuses(hospital) == ["final", "final"]
    again = hospital.all("RiskAssessment")[1]
    assert again["parent"]["reference"].startswith(f"RiskAssessment/{second['id']}")
    assert states(tmp_path) == [State.WRITTEN, State.SUPERSEDED]


@pytest.mark.parametrize("is_new_result", [True, False])
def test_every_assessment_that_rests_on_withdrawn_evidence_is_taken_back(tmp_path: Path, is_new_result: bool) -> None:
    """A3.2: also one that a newer one has replaced, whether or not the newer one changes"""
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hospital.hold(newer())
    done_on(hospital, tmp_path)
    assert statuses(hospital) == ["final", "final"]
    hospital.hold(result(status="entered-in-error"))
    if is_new_result:
        hospital.hold(newer(id="newest", effectiveDateTime="2026-06-12T08:00:00+02:00"))
    done = done_on(hospital, tmp_path)
    assert statuses(hospital) == ["entered-in-error", "final", *(["final"] if is_new_result else [])]
    assert done.ending is (Ending.WRITTEN if is_new_result else Ending.UNCHANGED)
    assert len(done.retracted) == 1
    hospital.sent.clear()
    assert done_on(hospital, tmp_path).retracted == ()
    assert not [each for each in hospital.asked() if each.startswith("PUT")]


def test_a_withdrawn_result_finds_the_patient_of_an_assessment_that_was_replaced(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    hospital.hold(newer())
    done_on(hospital, tmp_path)
    found = ledger_at(tmp_path).resting_on(BASE, "Observation/ctx")
    assert [each.patient for each in found] == [PATIENT]


@pytest.mark.parametrize("habits", [{}, {"keeps_ids": True, "metadata": statement(parameters=())}])
def test_an_assessment_that_was_given_up_and_is_on_the_server_all_the_same_is_found_and_replaced(
    tmp_path: Path, habits: dict[str, Any]
) -> None:
    """E31: the answer to the last of ten tries was lost, and then the evidence changed"""
    hospital = hospital_with(**habits)

    def lost(request: Request) -> None:
        if request.method == "POST" and request.url == BASE:
            hospital.before = unreachable
            unreachable(request)

    for number in range(10):
        hospital.before = lambda request: None
        hospital.after = lost if number == 9 else lambda request: None
        hospital.refuses = {} if number == 9 else {"": 503}
        done_on(hospital, tmp_path)
    hospital.before = hospital.after = lambda request: None
    assert (states(tmp_path), len(hospital.all("RiskAssessment"))) == ([State.DEAD], 1)
    hospital.hold(result(status="corrected"))
    assert done_on(hospital, tmp_path).ending is Ending.WRITTEN
    old, new = hospital.all("RiskAssessment")
    assert new["parent"]["reference"].startswith(f"RiskAssessment/{old['id']}")
    assert states(tmp_path) == [State.SUPERSEDED, State.WRITTEN]


def test_an_assessment_that_was_given_up_and_never_came_there_is_overtaken_by_the_next(tmp_path: Path) -> None:
    hospital = hospital_with(refuses={"": 422})
    done_on(hospital, tmp_path)
    hospital.refuses.clear()
    hospital.hold(result(status="corrected"))
    done_on(hospital, tmp_path)
    [only] = hospital.all("RiskAssessment")
    assert "parent" not in only
    assert states(tmp_path) == [State.SUPERSEDED, State.WRITTEN]


def test_an_assessment_is_not_overtaken_while_the_server_cannot_say_whether_it_stands(tmp_path: Path) -> None:
    """A1.7: the search for it was not complete"""
    hospital = hospital_with(refuses={"": 422})
    done_on(hospital, tmp_path)
    hospital.refuses.clear()
    hospital.hold(result(status="corrected"))
    issue = {"severity": "warning", "code": "incomplete"}
    outcome = encode({"resourceType": "OperationOutcome", "issue": [issue]})
    page = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":' + outcome + b"}]}"
    hospital.answers = lambda request, answer: Response(200, {}, page) if "identifier=" in request.url else answer
    done = done_on(hospital, tmp_path)
    assert (done.ending, done.reason, done.may_retry) == (Ending.FAILED, "search-incomplete", True)
    assert hospital.all("RiskAssessment") == []


def test_what_rests_on_results_of_a_record_that_was_replaced_is_not_taken_back(tmp_path: Path) -> None:
    """From files, where a record and the one that replaced it came together."""
    hospital = hospital_with()
    link = [{"type": "replaced-by", "other": {"reference": "Patient/p-02"}}]
    hospital.hold(result("p-01", link=link), {**result("p-01"), "id": "p-02"})
    job = job_on(hospital, tmp_path)

    def written() -> Done:
        held = [{"resource": each} for each in hospital.held.values() if each["resourceType"] != "RiskAssessment"]
        bundle = encode({"resourceType": "Bundle", "type": "collection", "entry": held})
        outcome = assess_sources([Source("a", bundle)], KNOWLEDGE, as_of=AS_OF, options=Options(release=Release.R4))
        [person] = [each for each in outcome.patients if each.assessment.patient.reference == "Patient/p-02"]
        return job.write_assessed("Patient/p-02", person.resources, Release.R4)

    assert written().ending is Ending.WRITTEN
    hospital.hold(newer())
    done = written()
    assert (done.ending, done.retracted, statuses(hospital)) == (Ending.WRITTEN, (), ["final", "final"])
    hospital.sent.clear()
    assert (written().ending, hospital.asked()) == (Ending.UNCHANGED, [])


def test_an_assessment_that_a_person_edited_keeps_the_list_of_its_evidence(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path / "one")
    [ours] = hospital.all("RiskAssessment")
    hospital.hold({**ours, "status": "entered-in-error"})
    assert done_on(hospital, tmp_path / "other").reason == "edited-since"
    [edited] = ledger_at(tmp_path / "other").entries()
    assert (edited.state, edited.reason) == (State.QUARANTINED, "edited-since")
    assert "Observation/ctx/_history/1" in edited.evidence
    assert edited.written[0].startswith(f"RiskAssessment/{ours['id']}")
