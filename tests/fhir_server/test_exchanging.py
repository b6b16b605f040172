"""One request until there is an answer: tried again where that can help, and never where it could do harm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir_server.client import Event, FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.messages import Request, Response
from adapter.fhir_server.origins import service_base
from adapter.fhir_server.retrying import Patience, retry_after, wait_before_retry
from tests.servers.scripted import Scripted, ok, refused, urls
from tests.servers.ticking import Ticking

BASE = "https://h.example/fhir"
NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)
PATIENT = ok({"resourceType": "Patient", "id": "1"})
LOST = ServerError("no answer came", code="unreachable", may_retry=True)


def server(transport: Scripted, clock: Ticking | None = None, **patience: float) -> FhirServer:
    limits = Limits(patience=msgspec.convert(patience, Patience))
    return FhirServer(BASE, transport, limits=limits, clock=clock or Ticking())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 15 Jun 2026 08:00:30 GMT", 30.0),
        ("Mon, 15 Jun 2020 08:00:00 GMT", 0.0),
        ("Sun, 15 Jun 2036 08:00:00 GMT", 150.0),
        ("9" * 30, 150.0),
    ],
    ids=["seconds", "date", "past", "ten-years", "absurd"],
)
def test_the_server_says_how_long_to_wait_within_our_limit(text: str, seconds: float) -> None:
    """E28"""
    clock = Ticking()
    server(Scripted(refused(429, retry_after=text), PATIENT), clock).read("Patient/1")
    assert clock.waits == [seconds]


@pytest.mark.parametrize("text", ["soon", "-5", "", "1.5.2", "²"])
def test_nonsense_about_waiting_is_not_believed(text: str) -> None:
    """E28: then our own back-off decides"""
    assert retry_after(Response(429, {"retry-after": text}), now=NOW) is None


def test_milliseconds_are_understood_too() -> None:
    """A1.21"""
    assert retry_after(Response(429, {"x-ms-retry-after-ms": "250"}), now=NOW) == 0.25


def test_a_server_that_is_away_for_a_moment_is_asked_until_it_answers() -> None:
    """E29"""
    clock = Ticking()
    transport = Scripted(refused(503), refused(503), refused(503), PATIENT)
    assert server(transport, clock).read("Patient/1") is not None
    assert len(transport.sent) == 4
    assert len(clock.waits) == 3


def test_five_hundred_for_ever_ends_after_few_tries() -> None:
    """E30: EHRs answer 500 also to what never will succeed"""
    transport = Scripted(refused(500))
    with pytest.raises(ServerError) as error:
        server(transport).read("Patient/1")
    assert len(transport.sent) == 3
    assert error.value.may_retry


@pytest.mark.parametrize("status", [400, 403, 405, 406, 409, 412, 413, 415, 422, 451])
def test_what_is_refused_for_good_is_asked_once(status: int) -> None:
    """A1.20"""
    transport = Scripted(refused(status))
    with pytest.raises(ServerError) as error:
        server(transport).read("Patient/1")
    assert len(transport.sent) == 1
    assert (error.value.status, error.value.may_retry) == (status, False)


@pytest.mark.parametrize("code", ["lock-error", "transient", "throttled", "timeout", "no-store"])
def test_an_issue_may_say_that_time_mends_it_under_any_status(code: str) -> None:
    """A1.20"""
    transport = Scripted(refused(409, code), PATIENT)
    assert server(transport).read("Patient/1") is not None


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_none(status: int) -> None:
    assert server(Scripted(refused(status))).read("Patient/1") is None


def test_the_whole_exchange_has_a_deadline() -> None:
    clock = Ticking()
    with pytest.raises(ServerError):
        server(Scripted(refused(503, retry_after="40")), clock, tries=100, seconds=100).read("Patient/1")
    assert clock.passed <= 100


@given(st.integers(1, 40), st.floats(0, 1))
def test_our_own_waits_are_jittered_and_never_longer_than_allowed(attempt: int, chance: float) -> None:
    patience = Patience(tries=100)
    request = Request("GET", BASE)
    wait = wait_before_retry(request, Response(503), attempt, patience, now=NOW, random=lambda: chance)
    assert wait is not None
    assert 0 <= wait <= min(60, 0.5 * 2 ** (attempt - 1))


@pytest.mark.parametrize("answer", [LOST, refused(503), refused(500), refused(502)], ids=["lost", "503", "500", "502"])
def test_a_create_whose_answer_was_lost_is_not_sent_again(answer: Response | ServerError) -> None:
    """A1.21: it may have been carried out"""
    transport = Scripted(answer)
    with pytest.raises(ServerError):
        server(transport).send("POST", "RiskAssessment", b"{}")
    assert len(transport.sent) == 1


@pytest.mark.parametrize(
    "how",
    [
        {"method": "POST", "headers": {"If-None-Exist": "identifier=a|b"}},
        {"method": "POST", "is_repeatable": True},
        {"method": "PUT"},
    ],
    ids=["conditional", "said-so", "put"],
)
def test_what_does_no_more_when_sent_twice_is_sent_again(how: Mapping[str, object]) -> None:
    """E31"""
    transport = Scripted(LOST, PATIENT)
    named = {"path": "RiskAssessment/1", "body": b"{}", **how}
    assert server(transport).send(**named).status == 200  # type: ignore[arg-type]


def test_a_create_that_was_throttled_is_sent_again() -> None:
    transport = Scripted(refused(429, retry_after="1"), Response(201))
    assert server(transport).send("POST", "RiskAssessment", b"{}").status == 201


class _Renewing:
    """Credentials that are renewed after a 401, so many times."""

    def __init__(self, renewals: int) -> None:
        self.number, self._renewals = 0, renewals

    def headers(self, url: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.number}"}

    def refused(self, url: str) -> bool:
        self.number += 1
        return self.number <= self._renewals


def test_refused_credentials_are_renewed_once_and_not_for_ever() -> None:
    """E38"""
    transport, credentials = Scripted(refused(401)), _Renewing(100)
    with pytest.raises(ServerError) as error:
        FhirServer(BASE, transport, authorisation=credentials, clock=Ticking()).read("Patient/1")
    assert [each.headers["Authorization"] for each in transport.sent] == ["Bearer 0", "Bearer 1"]
    assert error.value.status == 401


def test_an_expired_token_is_renewed_in_the_middle_of_a_run() -> None:
    """E38"""
    transport = Scripted(refused(401), PATIENT)
    assert FhirServer(BASE, transport, authorisation=_Renewing(1), clock=Ticking()).read("Patient/1") is not None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_followed(status: int) -> None:
    """A1.25"""
    transport = Scripted(Response(status, {"location": "/other/Patient/1"}), PATIENT)
    assert server(transport).read("Patient/1") is not None
    assert urls(transport.sent)[1] == "GET https://h.example/other/Patient/1"


@pytest.mark.parametrize("location", ["https://evil.example/fhir/Patient/1", "http://h.example/fhir/Patient/1"])
def test_a_redirect_to_another_origin_is_refused(location: str) -> None:
    """E5, A1.25"""
    transport = Scripted(Response(302, {"location": location}))
    with pytest.raises(ServerError) as error:
        server(transport).read("Patient/1")
    assert error.value.code == "cross-origin-link"
    assert len(transport.sent) == 1


def test_redirects_in_a_circle_end() -> None:
    with pytest.raises(ServerError) as error:
        server(Scripted(Response(302, {"location": "/fhir/Patient/1"}))).read("Patient/1")
    assert error.value.code == "redirect-loop"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_change_is_not_sent_again_as_something_else(method: str, status: int) -> None:
    transport = Scripted(Response(status, {"location": "/fhir/other"}))
    with pytest.raises(ServerError) as error:
        server(transport).send(method, "Device/1", b"{}")
    assert error.value.code == "redirect-refused"
    assert len(transport.sent) == 1


def test_a_change_goes_to_the_new_place_where_it_is_said_to_stay_the_same() -> None:
    transport = Scripted(Response(308, {"location": "/new/Device/1"}), Response(200))
    server(transport).send("PUT", "Device/1", b"{}")
    assert [(each.method, each.body) for each in transport.sent] == [("PUT", b"{}")] * 2


@pytest.mark.parametrize(
    "reference",
    [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "gopher://x/1",
        "Patient/../metadata",
        "Patient/1?x=y",
        "",
        "#1",
    ],
)
def test_only_a_plain_reference_is_read(reference: str) -> None:
    """E4, A1.2"""
    transport = Scripted(PATIENT)
    with pytest.raises(ServerError) as error:
        server(transport).read(reference)
    assert error.value.code == "reference-refused"
    assert transport.sent == []


@pytest.mark.parametrize(
    "url",
    [
        "http://fhir.example/r4",
        "ftp://x/",
        "not a url",
        "https://user:secret@h.example/fhir",
        "https://h.example/fhir?x=1",
    ],
)
def test_a_base_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid) as error:
        service_base(url, allow_http=False)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/fhir", "http://localhost/fhir/", "http://[::1]:1/fhir"])
def test_plain_http_is_for_this_machine_alone(url: str) -> None:
    assert not service_base(url, allow_http=False).endswith("/")


def test_no_segment_of_the_base_is_lost() -> None:
    """A1.2"""
    transport = Scripted(PATIENT)
    FhirServer("https://h.example/tenant/7/fhir/", transport, clock=Ticking()).read("Patient/1")
    assert transport.sent[0].url == "https://h.example/tenant/7/fhir/Patient/1"


def test_every_exchange_is_told_without_a_word_about_the_patient() -> None:
    """A1.23, E46"""
    events: list[Event] = []
    transport = Scripted(refused(404), ok({"resourceType": "Bundle"}), refused(403, "forbidden", x_request_id="theirs"))
    told = FhirServer(BASE, transport, clock=Ticking(), announce=events.append)
    told.read("Patient/secret-id")
    told.search("Observation", [("patient", "Patient/secret-id")])
    with pytest.raises(ServerError) as error:
        told.send("PUT", "RiskAssessment/secret-id", b'{"text": "secret-value"}')
    assert [each.what for each in events] == ["GET Patient", "GET Observation", "PUT RiskAssessment"]
    assert "secret" not in str(events)
    assert "secret" not in str(error.value)
    assert events[2].server_request_id == error.value.request_id == "theirs"
    assert len({each.headers["X-Request-Id"] for each in transport.sent}) == 3
    assert len({each.headers["X-Correlation-Id"] for each in transport.sent}) == 1


def test_capabilities_are_asked_once_and_read_as_hints() -> None:
    """A1.22"""
    statement = {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "rest": [
            {
                "mode": "server",
                "interaction": [{"code": "transaction"}],
                "resource": [
                    {"type": "RiskAssessment", "updateCreate": True, "searchInclude": ["RiskAssessment:subject"]},
                    {"type": "Device", "conditionalCreate": "yes"},
                ],
            }
        ],
    }
    transport = Scripted(ok(statement))
    told = server(transport)
    assert told.capabilities() is told.capabilities()
    assert len(transport.sent) == 1
    can = told.capabilities()
    assert (can.fhir_version, can.transaction, can.batch) == ("4.0.1", True, False)
    assert can.of("RiskAssessment").update_create is True
    assert can.of("Device").conditional_create is None, "a word is no boolean"
    assert can.of("Patient").interactions == frozenset()


@pytest.mark.parametrize("content", [{}, {"resourceType": "Patient"}, {"resourceType": "Bundle"}])
def test_metadata_that_is_no_statement_is_a_clear_error(content: Mapping[str, str]) -> None:
    with pytest.raises(ServerError):
        server(Scripted(ok(content))).capabilities()
