"""What the worker asks of the configured server: whose a resource is, what changed, and which events it keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import ServerError
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.messages import Request, Response
from adapter.fhir_server.retrying import Patience
from adapter.ledger.entries import Entry, State
from adapter.ledger.ledger import Ledger
from adapter.service.surroundings import ServerSurroundings, leads_to_us

BASE = "https://fhir.example/r4"
Json = dict[str, Any]


class Answers:
    """A server that answers by path, and remembers what it was asked."""

    def __init__(self, answers: dict[str, Json | int]) -> None:
        self.answers, self.asked = answers, list[str]()

    def send(self, request: Request, *, seconds: float) -> Response:
        path = request.url.removeprefix(f"{BASE}/")
        self.asked.append(path)
        answer = self.answers.get(path, self.answers.get(path.partition("?")[0], 404))
        if isinstance(answer, int):
            return Response(answer, {"content-type": "application/fhir+json"}, b"", request.url)
        return Response(200, {"content-type": "application/fhir+json"}, json.dumps(answer).encode(), request.url)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite", clock=lambda: datetime(2026, 6, 15, tzinfo=UTC))
    yield ledger
    ledger.close()


def server(answers: dict[str, Json | int]) -> FhirServer:
    return FhirServer(BASE, Answers(answers), limits=Limits(patience=Patience(tries=1)))


def surroundings(ledger: Ledger, answers: dict[str, Json | int]) -> ServerSurroundings:
    return ServerSurroundings(server(answers), ledger, ["http://loinc.org|47255-5", r"urn:our\|lab|BTM\,P1"])


def observation(**more: Any) -> Json:
    return {"resourceType": "Observation", "id": "1", "status": "final", **more}


def measured(system: str | None, *codes: str) -> Json:
    return {"coding": [{"system": system, "code": code} if system else {"code": code} for code in codes]}


def rests_on(ledger: Ledger, reference: str, patient: str) -> None:
    entry = Entry(server=BASE, key="k", patient=patient, state=State.WRITTEN, evidence=(f"{reference}/_history/1",))
    ledger.record(entry)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Patient/one", ("Patient/one",)),
        (f"{BASE}/Patient/one", ("Patient/one",)),
        (f"{BASE}/Patient/one/_history/3", ("Patient/one",)),
        ("https://elsewhere.example/r4/Patient/one", ()),
        ("Group/one", ()),
        ("urn:uuid:7bd91d26-c951-4520-9ac6-67f41bfbe897", ()),
        (None, ()),
    ],
)
def test_a_result_is_its_subjects_if_that_is_a_patient_of_this_server(
    ledger: Ledger, subject: str | None, expected: tuple[str, ...]
) -> None:
    """E43: a reference to another server is not followed."""
    asked = surroundings(ledger, {"Observation/1": observation(subject={"reference": subject})})
    # The hint of the notification is not believed where the resource can be read.
    assert asked.patients_of("Observation/1", "Patient/hint") == expected


def test_a_family_history_names_its_patient_otherwise(ledger: Ledger) -> None:
    history = {"resourceType": "FamilyMemberHistory", "id": "1", "patient": {"reference": "Patient/one"}}
    assert surroundings(ledger, {"FamilyMemberHistory/1": history}).patients_of("FamilyMemberHistory/1", "") == (
        "Patient/one",
    )


@pytest.mark.parametrize("gone", [404, 410])
def test_of_what_is_gone_the_ledger_and_the_notification_know_whose_it_was(ledger: Ledger, gone: int) -> None:
    rests_on(ledger, "Observation/1", "Patient/two")
    asked = surroundings(ledger, {"Observation/1": gone})
    assert asked.patients_of("Observation/1", "Patient/one") == ("Patient/one", "Patient/two")
    assert asked.patients_of("Observation/2", "") == ()


def test_a_result_of_which_only_the_status_is_left_still_concerns_whom_it_was_used_for(ledger: Ledger) -> None:
    """E22."""
    rests_on(ledger, "Observation/1", "Patient/two")
    asked = surroundings(ledger, {"Observation/1": observation(status="entered-in-error")})
    assert asked.patients_of("Observation/1", "") == ("Patient/two",)


@pytest.mark.parametrize(
    ("more", "is_looked_at"),
    [
        ({"code": measured("http://loinc.org", "2339-0")}, False),
        ({"code": measured("http://loinc.org", "47255-5")}, True),
        ({"code": measured("http://loinc.org", "2339-0", "47255-5")}, True),
        ({"code": measured(None, "47255-5")}, True),
        ({"code": measured("urn:our|lab", "btm,p1")}, True),
        ({"code": measured("x", "x"), "component": [{"code": measured("http://loinc.org", "47255-5")}]}, True),
        ({"code": measured("x", "x"), "component": [{"code": measured("x", "y")}, 5]}, False),
        ({"code": {"text": "P1NP"}}, True),
        ({"code": "odd"}, True),
        ({"code": measured("x", "x"), "resourceType": "DiagnosticReport"}, True),
    ],
)
def test_a_result_that_no_search_would_find_concerns_nobody(ledger: Ledger, more: Json, is_looked_at: bool) -> None:
    """What was measured is known by the code alone; where nothing is coded, the assessment says so."""
    told = observation(subject={"reference": "Patient/one"}) | more
    asked = surroundings(ledger, {"Observation/1": told})
    assert asked.patients_of("Observation/1", "") == (("Patient/one",) if is_looked_at else ())


def test_where_every_result_is_searched_for_every_result_concerns_its_patient(ledger: Ledger) -> None:
    told = observation(subject={"reference": "Patient/one"}, code=measured("http://loinc.org", "2339-0"))
    asked = ServerSurroundings(server({"Observation/1": told}), ledger, [])
    assert asked.patients_of("Observation/1", "") == ("Patient/one",)


def test_a_result_that_now_is_of_something_else_concerns_whom_it_was_used_for(ledger: Ledger) -> None:
    rests_on(ledger, "Observation/1", "Patient/one")
    now = observation(subject={"reference": "Patient/one"}, code=measured("http://loinc.org", "2339-0"))
    assert surroundings(ledger, {"Observation/1": now}).patients_of("Observation/1", "") == ("Patient/one",)


def test_our_own_assessment_concerns_nobody_and_anothers_does(ledger: Ledger) -> None:
    """A5.15."""
    theirs = {"resourceType": "RiskAssessment", "id": "1", "subject": {"reference": "Patient/one"}}
    ours = {**theirs, "method": {"coding": [{"code": "joint-pathway-frax-bmd-btm"}]}}
    assert surroundings(ledger, {"RiskAssessment/1": theirs}).patients_of("RiskAssessment/1", "") == ("Patient/one",)
    assert surroundings(ledger, {"RiskAssessment/1": ours}).patients_of("RiskAssessment/1", "") == ()


def test_a_server_that_fails_is_told_of(ledger: Ledger) -> None:
    with pytest.raises(ServerError, match="500"):
        surroundings(ledger, {"Observation/1": 500}).patients_of("Observation/1", "")


def test_what_changed_is_searched_for_by_when_the_server_wrote_it(ledger: Ledger) -> None:
    entry = {"resource": observation(subject={"reference": "Patient/one"})}
    found = {"resourceType": "Bundle", "type": "searchset", "entry": [entry]}
    empty = {"resourceType": "Bundle", "type": "searchset"}
    metadata = {
        "resourceType": "CapabilityStatement",
        "rest": [{"mode": "server", "resource": [{"type": "Observation"}, {"type": "Patient"}]}],
    }
    answers: dict[str, Json | int] = {"metadata": metadata, "Observation": found, "Patient": empty}
    asked = surroundings(ledger, answers)
    assert list(asked.changed(datetime(2026, 6, 15, 8, tzinfo=UTC)).patients) == ["Patient/one"]


def events(subscription: str, focus: str = "Observation/7") -> Json:
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "query-event",
        "subscription": {"reference": f"{BASE}/{subscription}"},
        "notificationEvent": [{"eventNumber": "2", "focus": {"reference": focus}}],
    }
    return {"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": status}]}


def test_past_events_are_asked_for_by_number(ledger: Ledger) -> None:
    """A5.9."""
    asked = surroundings(
        ledger, {"Subscription/s/$events?eventsSinceNumber=2&eventsUntilNumber=3": events("Subscription/s")}
    )
    found = asked.events("Subscription/s", 2, 3)
    assert found is not None
    assert [each.number for each in found.events] == [2]


@pytest.mark.parametrize(
    "answer",
    [
        404,
        400,
        501,
        {"resourceType": "OperationOutcome"},
        events("Subscription/other"),
        events("Subscription/s", "https://elsewhere.example/r4/Observation/7"),
    ],
)
def test_where_the_server_keeps_none_or_answers_oddly_there_are_none(ledger: Ledger, answer: Json | int) -> None:
    """E43."""
    assert surroundings(ledger, {"Subscription/s/$events": answer}).events("Subscription/s", 2, 3) is None


def test_a_server_that_is_down_may_keep_them_all_the_same(ledger: Ledger) -> None:
    with pytest.raises(ServerError):
        surroundings(ledger, {"Subscription/s/$events": 503}).events("Subscription/s", 2, 3)


@pytest.mark.parametrize(
    ("subscription", "expected"),
    [
        ({"criteria": "Observation?", "channel": {"endpoint": "https://adapter.example/osteo/notify"}}, True),
        ({"criteria": "Observation?", "channel": {"endpoint": "https://adapter.example/notify/"}}, True),
        ({"topic": "http://t", "endpoint": "https://adapter.example/notify"}, True),
        ({"criteria": "Observation?", "channel": {"endpoint": "https://adapter.example/other"}}, False),
        ({"criteria": "Observation?", "channel": {"type": "email"}}, False),
        ({}, False),
        (404, False),
    ],
)
def test_a_subscription_is_ours_if_the_server_says_that_it_leads_to_us(
    subscription: Json | int, expected: bool
) -> None:
    """E43."""
    answer = subscription if isinstance(subscription, int) else {"resourceType": "Subscription", **subscription}
    assert leads_to_us(server({"Subscription/s": answer}), "Subscription/s", "/notify") is expected
