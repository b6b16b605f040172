"""Fetching one patient: everything that was asked for and is hers, or a word about what is missing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.results import MarkerResult
from adapter.errors import ServerError
from adapter.fhir.decoding import encode
from adapter.fhir_server.messages import Request, Response
from adapter.job.asking import known_codes
from adapter.job.fetching import Fetched, Fetcher
from adapter.pipeline import Options, PatientOutcome, assess_sources
from tests.job.building import AS_OF, KNOWLEDGE, PATIENT, hospital_with, journey, server_of
from tests.job.hospital import BASE, Hospital, statement, unreachable

CODES = known_codes(KNOWLEDGE)


def fetched(hospital: Hospital) -> Fetched:
    return Fetcher(server_of(hospital), CODES).fetch(PATIENT)


def assessed(found: Fetched) -> PatientOutcome:
    outcome = assess_sources(found.sources, KNOWLEDGE, as_of=AS_OF, options=Options())
    [person] = [each for each in outcome.patients if each.assessment.patient.reference == PATIENT]
    return person


def ctx(id_: str, subject: str, **more: Any) -> dict[str, Any]:
    [found] = [each for each in journey() if each["id"] == "ctx"]
    return {**found, "id": id_, "subject": {"reference": subject}, "meta": {"versionId": "1"}, **more}


def test_what_a_server_sends_is_assessed_as_the_same_file_is() -> None:
    found = fetched(hospital_with())
    assert found.complete
    assert assessed(found).assessment.stratum == "moderate"
    assert assessed(found).assessment.plan == "P3"


def test_no_digit_is_lost_on_the_way() -> None:
    hospital = hospital_with()
    hospital.hold(ctx("ctx", PATIENT, valueQuantity={"value": Decimal("0.8120"), "unit": "ng/mL"}))
    results = [each.result for each in assessed(fetched(hospital)).assessment.evidence]
    used = {each.marker: each for each in results if isinstance(each, MarkerResult)}
    assert used["ctx"].digits == "0.8120"


def test_pages_are_followed_to_the_last() -> None:
    hospital = hospital_with(page_size=2)
    assert set(fetched(hospital).held) == set(hospital.held)


def test_what_is_somebody_elses_is_left_out_even_if_the_server_sends_it() -> None:
    """A1.8: a server may ignore the parameter"""
    hospital = hospital_with(ignores={"patient", "code"})
    hospital.hold({"resourceType": "Patient", "id": "p-02"}, ctx("hers", "Patient/p-02"))
    found = fetched(hospital)
    assert found.complete
    assert found.foreign == 1
    assert "Observation/hers" not in found.held


def test_a_number_that_is_none_costs_its_entry_and_neither_its_page_nor_the_batch() -> None:
    """E15, E19"""
    hospital = hospital_with(metadata=statement(batch=True))
    hospital.hold(ctx("ctx", PATIENT, valueQuantity={"value": Decimal("0.8127731"), "unit": "ng/mL"}))
    hospital.answers_batch = lambda body: body.replace(b"0.8127731", b"NaN")
    found = fetched(hospital)
    assert found.complete
    assert "GET Observation" not in hospital.asked()
    person = assessed(found)
    used = {each.result.marker for each in person.assessment.evidence if isinstance(each.result, MarkerResult)}
    assert "ctx" not in used
    assert used
    outcome = assess_sources(found.sources, KNOWLEDGE, as_of=AS_OF, options=Options())
    assert "json-invalid" in {problem.code for problem in outcome.problems}


@pytest.mark.parametrize("subject", [PATIENT, f"https://elsewhere.example/fhir/{PATIENT}"])
def test_results_of_two_servers_are_never_mixed(subject: str) -> None:
    """E24"""
    hospital = hospital_with()
    elsewhere = {"fullUrl": "https://elsewhere.example/fhir/Observation/ctx", "resource": ctx("ctx", subject)}
    hospital.adds["Observation"] = [elsewhere]
    found = fetched(hospital)
    assert found.shortfalls == ("several-servers",)
    assert found.held["Observation/ctx"] == encode(hospital.held["Observation/ctx"])


def test_a_server_behind_a_proxy_may_call_itself_otherwise() -> None:
    found = fetched(hospital_with(called="http://inner:8080/fhir"))
    assert found.complete
    assert assessed(found).assessment.stratum == "moderate"


def test_absolute_references_to_the_server_itself_are_its_own() -> None:
    hospital = hospital_with(called="http://inner:8080/fhir")
    for each in journey():
        if "subject" in each:
            hospital.hold({**each, "subject": {"reference": f"{BASE}/{PATIENT}"}})
    found = fetched(hospital)
    assert found.complete
    assert assessed(found).assessment.stratum == "moderate"


def test_a_sample_that_was_not_delivered_is_asked_for_once_for_all_results() -> None:
    hospital = hospital_with("non-fasting-by-specimen")
    found = fetched(hospital)
    assert [each for each in hospital.asked() if "Specimen" in each] == ["GET Specimen"]
    assert any(each.code == "not-fasting" for each in assessed(found).set_aside)


def test_members_of_a_panel_that_were_not_delivered_are_read_whatever_their_depth() -> None:
    """A3.13"""
    hospital = hospital_with()
    panel = ctx("panel", PATIENT, hasMember=[{"reference": "Observation/inner"}])
    inner = ctx("inner", PATIENT, code={"text": "local"}, hasMember=[{"reference": f"{BASE}/Observation/innermost"}])
    hospital.hold(panel, inner, ctx("innermost", PATIENT, code={"text": "local"}))
    assert {"Observation/inner", "Observation/innermost"} <= set(fetched(hospital).held)


def test_a_panel_that_is_deeper_than_is_followed_is_not_taken_for_read() -> None:
    hospital = hospital_with()
    codeless = {"code": {"text": "local"}}
    for number in range(5):
        member = [{"reference": f"Observation/panel{number + 1}"}]
        hospital.hold(ctx(f"panel{number}", PATIENT, hasMember=member, **(codeless if number else {})))
    assert fetched(hospital).shortfalls == ("references-too-deep",)


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/fhir/Specimen/1", "file:///etc/Specimen/1", "gopher://h/Specimen/1"]
)
def test_a_reference_to_another_place_is_never_followed(address: str) -> None:
    """E4"""
    hospital = hospital_with()
    hospital.hold(ctx("ctx", PATIENT, specimen={"reference": address}))
    fetched(hospital)
    assert all(each.url.startswith(BASE) for each in hospital.sent)
    assert not [each for each in hospital.sent if "Specimen?_id=1&" in each.url]


def test_a_medicine_that_an_order_refers_to_is_read() -> None:
    hospital = hospital_with()
    order = {
        "resourceType": "MedicationRequest",
        "id": "order",
        "subject": {"reference": PATIENT},
        "medicationReference": {"reference": "Medication/m"},
    }
    hospital.hold(order, {"resourceType": "Medication", "id": "m"})
    assert "Medication/m" in fetched(hospital).held


def test_a_type_that_may_not_be_read_makes_the_answer_incomplete() -> None:
    found = fetched(hospital_with(refuses={"Condition": 403}))
    assert not found.complete
    assert found.shortfalls == ("condition-http-403",)


def test_a_page_that_does_not_come_makes_the_answer_incomplete() -> None:
    """E3"""
    hospital = hospital_with(page_size=2)

    def lost(request: Any) -> None:
        if "_start=2" in request.url:
            unreachable(request)

    hospital.before = lost
    assert "observation-search-incomplete" in fetched(hospital).shortfalls


def cut(*, includes: bool, everything: bool = False) -> Callable[[Request, Response], Response]:
    """An answer with a warning that it is cut, where something was to be included, or always."""

    def behave(request: Request, answer: Response) -> Response:
        asked = f"{request.url} {request.body.decode()}"
        if "Observation" not in asked or not (everything or (includes and "_include" in asked)):
            return answer
        issue = {"severity": "warning", "code": "incomplete"}
        warning = {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}, "search": {"mode": "outcome"}}
        return Response(
            answer.status, answer.headers, answer.body.replace(b'"entry":[', b'"entry":[' + encode(warning) + b",")
        )

    return behave


@pytest.mark.parametrize("batch", [False, True])
def test_what_a_server_says_it_left_out_makes_the_answer_incomplete(batch: bool) -> None:
    """A1.7"""
    hospital = hospital_with(metadata=statement(batch=batch), answers=cut(includes=True, everything=True))
    assert fetched(hospital).shortfalls == ("observation-search-incomplete",)


@pytest.mark.parametrize("batch", [False, True])
def test_where_only_what_was_included_is_cut_it_is_read_by_itself(batch: bool) -> None:
    """Azure includes a hundred resources and no more"""
    listed = statement(includes=["Observation:specimen"], batch=batch)
    hospital = hospital_with("non-fasting-by-specimen", metadata=listed, answers=cut(includes=True))
    found = fetched(hospital)
    assert found.complete
    assert set(found.held) == set(hospital.held)


def test_a_server_that_is_gone_is_an_error_and_no_incomplete_patient() -> None:
    with pytest.raises(ServerError, match="no answer came"):
        fetched(hospital_with(before=unreachable))


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing"}]}',
        b'{"resourceType":"Patient","id":"the-one-that-took-her-place","gender":"male"}',
    ],
    ids=["nothing", "an error as a success", "another record"],
)
def test_what_comes_in_the_place_of_the_patient_is_not_taken_for_her(body: bytes, batch: bool) -> None:
    """A child, or nobody knows whether it is one, is what she would be taken for"""

    def answers(request: Request, answer: Response) -> Response:
        return Response(200, {}, body) if request.url.endswith(f"/{PATIENT}") else answer

    hospital = hospital_with(metadata=statement(batch=batch), answers=answers)
    assert "patient-unexpected-content" in fetched(hospital).shortfalls


def test_a_patient_that_the_server_does_not_know_is_not_found() -> None:
    assert not fetched(Hospital()).found


def test_a_server_that_says_nothing_of_itself_is_asked_for_everything() -> None:
    found = fetched(hospital_with(metadata=None))
    assert found.complete
    assert assessed(found).assessment.stratum == "moderate"


def test_what_the_server_cannot_offer_is_not_asked_for() -> None:
    hospital = hospital_with(metadata=statement("Patient", "Observation", "Condition"))
    assert fetched(hospital).complete
    assert hospital.asked() == ["GET metadata", f"GET {PATIENT}", "POST Observation/_search", "GET Condition"]


def test_one_broken_entry_costs_no_other() -> None:
    """E19"""
    hospital = hospital_with()
    hospital.adds["Observation"] = [
        {"fullUrl": f"{BASE}/Observation/x", "resource": {"resourceType": "Observation", "id": "x", "status": 5}},
        {"resource": {"resourceType": ["Observation"]}},
        {"fullUrl": 5, "resource": {"id": "nameless"}},
    ]
    found = fetched(hospital)
    assert found.complete
    assert assessed(found).assessment.stratum == "moderate"


def test_a_server_that_takes_a_batch_is_asked_for_everything_in_one_request() -> None:
    hospital = hospital_with(metadata=statement(batch=True))
    found = fetched(hospital)
    assert found.complete
    assert set(found.held) == set(fetched(hospital_with()).held)
    assert hospital.asked() == ["GET metadata", "POST ", "GET Specimen"]


def test_what_a_batch_does_not_answer_whole_is_asked_for_alone() -> None:
    """A1.18: "each entry's status is inspected"; a part with more pages is none either"""
    hospital = hospital_with("very-high-two-fragility-fractures", metadata=statement(batch=True), page_size=1)
    hospital.refuses["Procedure"] = 403
    found = fetched(hospital)
    assert found.shortfalls == ("procedure-http-403",)
    assert [each for each in found.held if each.startswith("Condition/")] == [
        f"Condition/{each['id']}" for each in hospital.all("Condition")
    ]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 501])
def test_a_server_that_lists_batches_and_takes_none_is_asked_one_by_one(status: int) -> None:
    hospital = hospital_with(metadata=statement(batch=True), refuses={"": status})
    fetcher = Fetcher(server_of(hospital), CODES)
    for _ in range(2):
        assert fetcher.fetch(PATIENT).complete
    assert hospital.asked().count("POST ") == 1


@pytest.mark.parametrize("answer", [b"{}", b"no JSON", b'{"type":"batch-response","entry":[]}'])
def test_an_answer_to_a_batch_that_does_not_fit_is_not_believed(answer: bytes) -> None:
    hospital = hospital_with(metadata=statement(batch=True))
    hospital.answers_batch = lambda _: answer
    found = fetched(hospital)
    assert found.complete
    assert assessed(found).assessment.stratum == "moderate"


def test_a_patient_that_is_missing_in_a_batch_is_not_found() -> None:
    assert not fetched(Hospital(metadata=statement(batch=True))).found
