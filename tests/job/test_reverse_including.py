"""The patient and the context in one search: only where listed, and believed only where nothing can be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Request, Response
from adapter.fhir_server.transport import RequestsTransport
from adapter.job.asking import CONTEXT, known_codes
from adapter.job.fetching import Fetched, Fetcher
from tests.job.building import KNOWLEDGE, PATIENT, hospital_with, journey, server_of
from tests.job.hospital import Hospital, statement
from tests.servers.sekmet import sekmet

CODES = known_codes(KNOWLEDGE)
JOURNEY = "very-high-two-fragility-fractures"
LISTED = [f"{name}:patient" for name in CONTEXT]


def hospital(**habits: Any) -> Hospital:
    said = {"reverse_includes": LISTED} | habits.pop("said", {})
    return hospital_with(JOURNEY, metadata=statement(**said), **habits)


def fetched(hospital: Hospital) -> Fetched:
    return Fetcher(server_of(hospital), CODES).fetch(PATIENT)


def asked_alone(hospital: Hospital) -> set[str]:
    """The types of context that were searched for by themselves."""
    return {each.removeprefix("GET ") for each in hospital.asked()} & set(CONTEXT)


def first_context(hospital: Hospital) -> str:
    return next(str(each["resourceType"]) for each in hospital.held.values() if each["resourceType"] in CONTEXT)


def test_what_refers_to_the_patient_comes_with_her_and_is_not_asked_for_again() -> None:
    """A1.9"""
    server = hospital()
    found = fetched(server)
    came = {each["resourceType"] for each in server.held.values()} & set(CONTEXT)
    assert came
    assert found.complete
    assert set(found.held) == set(fetched(hospital_with(JOURNEY)).held)
    assert asked_alone(server) == set(CONTEXT) - came
    assert f"GET {PATIENT}" not in server.asked()


def test_a_type_of_which_nothing_came_is_asked_for_alone_so_that_a_refusal_shows() -> None:
    server = hospital()
    refused = first_context(server)
    server.refuses[refused] = 403
    server.answers = without(refused)
    assert fetched(server).shortfalls == (f"{refused.lower()}-http-403",)


def without(kind: str) -> Any:
    """A server that leaves a type out of what it includes, as it does where credentials do not cover it."""

    def answer(request: Request, response: Response) -> Response:
        if "_revinclude" not in request.url:
            return response
        body = response.body.replace(f'"resourceType":"{kind}"'.encode(), b'"resourceType":"Basic"')
        return Response(response.status, response.headers, body)

    return answer


def warned(request: Request, response: Response) -> Response:
    if "_revinclude" not in request.url:
        return response
    issue = {"severity": "warning", "code": "incomplete"}
    warning = encode({"resource": {"resourceType": "OperationOutcome", "issue": [issue]}})
    return Response(200, response.headers, response.body.replace(b'"entry":[', b'"entry":[' + warning + b","))


def refused(request: Request, response: Response) -> Response:
    return Response(400, {}, b"") if "_revinclude" in request.url else response


def somebody_elses(request: Request, response: Response) -> Response:
    if "_revinclude" not in request.url:
        return response
    return Response(200, response.headers, response.body.replace(PATIENT.encode(), b"Patient/another"))


@pytest.mark.parametrize("answers", [warned, refused, somebody_elses], ids=lambda each: each.__name__)
def test_an_answer_that_cannot_be_relied_on_leaves_every_question_open(answers: Any) -> None:
    server = hospital(answers=answers)
    found = fetched(server)
    assert found.complete
    assert set(found.held) == set(fetched(hospital_with(JOURNEY)).held)
    assert asked_alone(server) == set(CONTEXT)


def test_a_large_answer_is_not_believed_for_servers_cut_it_in_silence() -> None:
    server = hospital()
    for number in range(60):
        server.hold({"resourceType": "Procedure", "id": f"x{number}", "subject": {"reference": PATIENT}})
    assert fetched(server).complete
    assert asked_alone(server) == set(CONTEXT)


def test_an_answer_of_several_pages_is_not_believed() -> None:
    server = hospital(page_size=2)
    assert fetched(server).complete
    assert asked_alone(server) == set(CONTEXT)


def test_results_that_come_unasked_do_not_stand_for_the_search_for_results() -> None:
    server = hospital()
    result = next(each for each in server.all("Observation"))
    server.adds["Patient"] = [{"resource": result}]
    found = fetched(server)
    assert {f"Observation/{each['id']}" for each in server.all("Observation")} <= set(found.held)


@pytest.mark.parametrize("listed", [[], ["Provenance:target"], ["Condition:patient"], ["Observation:patient"]])
def test_where_nothing_is_gained_the_patient_is_read_and_each_type_asked_for(listed: list[str]) -> None:
    server = hospital(said={"reverse_includes": listed})
    assert fetched(server).complete
    assert f"GET {PATIENT}" in server.asked()
    assert not [each for each in server.sent if "_revinclude" in each.url]


def test_a_server_that_takes_batches_is_asked_by_them() -> None:
    server = hospital(said={"batch": True})
    assert fetched(server).complete
    assert not [each for each in server.sent if "_revinclude" in each.url]


def test_a_server_that_refuses_once_is_not_asked_so_again() -> None:
    server = hospital(answers=refused)
    fetcher = Fetcher(server_of(server), CODES)
    for _ in range(2):
        assert fetcher.fetch(PATIENT).complete
    # Once strictly and once leniently for the first patient; nothing for the second.
    assert len([each for each in server.sent if "_revinclude" in each.url]) == 2


def test_a_patient_that_the_server_does_not_know_is_not_found() -> None:
    assert not fetched(Hospital(metadata=statement(reverse_includes=LISTED))).found


class _Alone:
    """The network to a server that says everything but that it takes batches; remembers what it was asked."""

    def __init__(self) -> None:
        self._network = RequestsTransport()
        self.sent: list[str] = []

    def send(self, request: Request, *, seconds: float) -> Response:
        self.sent.append(f"{request.method} {request.url}")
        answer = self._network.send(request, seconds=seconds)
        body = answer.body.replace(b'"batch"', b'"other"') if request.url.endswith("/metadata") else answer.body
        return Response(answer.status, answer.headers, body, request.url)


def test_a_real_server_gives_the_same_patient_with_fewer_questions(tmp_path: Path) -> None:
    with sekmet(tmp_path) as server:
        server.load(json.loads(json.dumps(journey(JOURNEY), default=float)))
        network = _Alone()
        found = Fetcher(FhirServer(server.base, network), CODES).fetch(PATIENT)
        batched = Fetcher(FhirServer(server.base, RequestsTransport()), CODES).fetch(PATIENT)
    assert found.complete
    assert set(found.held) == set(batched.held) != set()
    [reverse] = [each for each in network.sent if "_revinclude" in each]
    assert "Patient?_id=p-01&" in reverse
    came = {place.partition("/")[0] for place in found.held} & set(CONTEXT)
    assert came
    assert not [each for each in network.sent for kind in came if f"/{kind}?" in each]
