"""Searching: every page or a word about what is missing; nothing leaves the server's origin."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from adapter.errors import ServerError
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.messages import Response
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.searching import Found, token
from adapter.problems import ProblemCode
from tests.servers.scripted import Scripted, entry, ok, outcome, page, refused, urls
from tests.servers.ticking import Ticking

BASE = "https://h.example/fhir/r4"


class _Token:
    """A token for one origin, which remembers where it was sent."""

    def __init__(self) -> None:
        self.sent_to: list[str] = []

    def headers(self, url: str) -> Mapping[str, str]:
        self.sent_to.append(url)
        return {"Authorization": "Bearer t"} if url.startswith("https://h.example/") else {}

    def refused(self, url: str) -> bool:
        return False


def search(transport: Scripted, limits: Limits | None = None, **parameters: str) -> Found:
    server = FhirServer(BASE, transport, limits=limits or Limits(), clock=Ticking())
    return server.search("Observation", list(parameters.items()))


def ids(found: Found) -> list[int]:
    return [each.data.count(b'"Observation"') for each in found.pages]


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        (f"{BASE}?_getpages=abc&_getpagesoffset=2", f"{BASE}?_getpages=abc&_getpagesoffset=2"),
        ("https://h.example:443/fhir/r4/Observation?page=2", "https://h.example:443/fhir/r4/Observation?page=2"),
        ("?page=2", f"{BASE}/Observation?page=2"),
        ("/fhir/r4/Observation?page=2", f"{BASE}/Observation?page=2"),
        (f"{BASE}/Observation?ct={'x' * 3000}", f"{BASE}/Observation?ct={'x' * 3000}"),
        ("https://h.example/elsewhere/on/the/host?p=2", "https://h.example/elsewhere/on/the/host?p=2"),
    ],
    ids=["on-the-base", "port-443", "relative", "absolute-path", "long", "beside-the-base"],
)
def test_a_next_link_is_followed_verbatim(link: str, asked: str) -> None:
    """A1.5"""
    transport = Scripted(ok(page(entry("Observation/1"), next_=link)), ok(page(entry("Observation/2"))))
    found = search(transport)
    assert found.complete
    assert ids(found) == [1, 1]
    assert transport.sent[1].url == asked


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/fhir/r4?page=2",
        "http://h.example/fhir/r4?page=2",
        "https://h.example:8443/fhir/r4?page=2",
        "https://h.example.evil.example/fhir?page=2",
        "https://h.example@evil.example/fhir?page=2",
        "//evil.example/fhir?page=2",
        "file:///etc/passwd",
        "gopher://h.example/1",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_a_next_link_to_another_origin_is_not_followed_and_gets_no_token(link: str) -> None:
    """E1, E2, E4"""
    transport, credentials = Scripted(ok(page(entry("Observation/1"), next_=link))), _Token()
    found = FhirServer(BASE, transport, authorisation=credentials, clock=Ticking()).search("Observation", [])
    assert not found.complete
    assert len(transport.sent) == 1
    assert credentials.sent_to == [transport.sent[0].url]
    assert "cross-origin-link" in found.problems[-1].what


def test_pages_in_a_circle_end_the_search_and_are_told() -> None:
    """E3"""
    first, second = f"{BASE}?p=1", f"{BASE}?p=2"
    transport = Scripted(ok(page(next_=first)), ok(page(next_=second)), ok(page(next_=first)))
    found = search(transport)
    assert not found.complete
    assert len(transport.sent) <= 4
    assert found.problems[-1].code is ProblemCode.SEARCH_INCOMPLETE


def test_endless_pages_end_at_the_limit() -> None:
    """E3"""
    transport = Scripted(*(ok(page(next_=f"{BASE}?p={number}")) for number in range(50)))
    found = search(transport, Limits(most_pages=10))
    assert (found.complete, len(found.pages)) == (False, 10)


def test_a_listing_is_given_page_by_page_and_only_time_ends_it() -> None:
    """E3"""
    transport = Scripted(*(ok(page(entry("Patient/1"), next_=f"{BASE}?p={number}")) for number in range(50)))
    clock = Ticking()
    limits = Limits(most_pages=2, most_bytes=1, most_resources=1, search_seconds=30)
    listing = FhirServer(BASE, transport, limits=limits, clock=clock).listing("Patient", [])
    for number, _ in enumerate(listing.pages(), 1):
        assert len(transport.sent) == number
        clock.pass_by(1)
    assert (number, listing.complete) == (30, False)
    assert "took too long" in listing.problems[-1].what


@pytest.mark.parametrize("limits", [Limits(most_bytes=300), Limits(most_resources=3)], ids=["bytes", "resources"])
def test_too_much_ends_the_search(limits: Limits) -> None:
    """A1.5"""
    transport = Scripted(*(ok(page(entry("Observation/1"), next_=f"{BASE}?p={number}")) for number in range(50)))
    found = search(transport, limits)
    assert not found.complete
    assert len(transport.sent) < 5
    assert found.problems[-1].what.startswith("there are more than")


def test_an_empty_page_with_a_next_link_is_followed() -> None:
    """A1.6"""
    transport = Scripted(ok(page(next_="?p=2")), ok(page(entry("Observation/1"))))
    assert ids(search(transport)) == [0, 1]


def test_a_page_that_fails_leaves_the_rest_and_is_told() -> None:
    transport = Scripted(ok(page(entry("Observation/1"), next_="?p=2")), refused(404))
    found = search(transport)
    assert (found.complete, ids(found)) == (False, [1])
    assert "http-404" in found.problems[-1].what


@pytest.mark.parametrize("severity", ["error", "fatal"])
def test_an_error_dressed_as_a_result_is_a_failed_search(severity: str) -> None:
    """A1.7"""
    with pytest.raises(ServerError) as error:
        search(Scripted(ok(page(outcome(severity, "processing")), x_request_id="theirs")))
    assert (error.value.code, error.value.request_id) == ("search-failed", "theirs")
    assert "secret-name" not in str(error.value)


@pytest.mark.parametrize(
    "odd",
    [
        {"severity": "Error"},
        {"severity": "error", "diagnostics": None},
        {"severity": "error", "expression": "Patient.name"},
        {"severity": "error", "details": "in words"},
        {"code": "processing"},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["outcome", "match"])
def test_an_error_in_an_odd_shape_is_an_error_all_the_same(odd: Mapping[str, object], mode: str) -> None:
    """A1.7: taken for no result, it would take the place of an assessment that rests on results"""
    resource = {"resourceType": "OperationOutcome", "issue": [odd]}
    with pytest.raises(ServerError) as error:
        search(Scripted(ok(page({"resource": resource, "search": {"mode": mode}}))))
    assert error.value.code == "search-failed"


def test_an_issue_that_stands_alone_is_read() -> None:
    resource = {"resourceType": "OperationOutcome", "issue": {"severity": "error", "code": "timeout"}}
    with pytest.raises(ServerError) as error:
        search(Scripted(ok(page({"resource": resource}))))
    assert error.value.issues == ("error timeout",)


def test_a_warning_among_the_results_does_not_fail_the_search() -> None:
    assert search(Scripted(ok(page(entry("Observation/1"), outcome("warning", "informational"))))).complete


@pytest.mark.parametrize("code", ["incomplete", "suppressed", "timeout", "too-costly"])
def test_a_warning_that_something_was_left_out_makes_the_answer_incomplete(code: str) -> None:
    """A1.7: a missing answer is never "no\""""
    transport = Scripted(ok(page(entry("Observation/1"), outcome("warning", code), next_="?p=2")), ok(page()))
    found = search(transport)
    assert (found.complete, ids(found)) == (False, [1, 0])
    assert [each.code for each in found.problems] == [ProblemCode.SEARCH_INCOMPLETE]


def test_a_parameter_that_the_server_ignored_is_told() -> None:
    """A1.8"""
    answer = ok(page(self_=f"{BASE}/Observation?patient=Patient/1"))
    found = search(Scripted(answer), patient="Patient/1", code="a")
    assert found.ignored == ("code",)
    assert found.problems[0].code is ProblemCode.PARAMETER_IGNORED


def test_a_self_link_with_nothing_but_the_page_size_says_that_all_else_was_ignored() -> None:
    """A1.8"""
    found = search(Scripted(ok(page(self_=f"{BASE}/Observation?_count=50"))), patient="1", code="a")
    assert found.ignored == ("patient", "code")


@pytest.mark.parametrize("name", ["subject", "subject:Patient", "patient"])
def test_a_patient_may_be_called_a_subject(name: str) -> None:
    """A1.8"""
    assert search(Scripted(ok(page(self_=f"{BASE}/Observation?{name}=Patient/1"))), patient="1").ignored == ()


@pytest.mark.parametrize("self_", ["", f"{BASE}/Observation", f"{BASE}?_getpages=abc"])
def test_a_self_link_that_says_nothing_accuses_nobody(self_: str) -> None:
    assert search(Scripted(ok(page(self_=self_))), patient="Patient/1").ignored == ()


def test_a_server_that_demands_a_category_is_asked_again_with_it() -> None:
    """A1.10"""
    transport = Scripted(refused(400, "required", text="The category parameter is required"), ok(page()))
    found = search(transport, patient="1")
    assert "category=laboratory" in transport.sent[1].url
    assert found.problems[0].code is ProblemCode.SEARCH_NARROWED


def test_a_server_that_takes_no_strict_search_is_asked_leniently() -> None:
    transport = Scripted(refused(400, "invalid"), ok(page()))
    search(transport)
    assert transport.sent[0].headers["Prefer"] == "handling=strict"
    assert "Prefer" not in transport.sent[1].headers


def test_a_long_search_is_posted_and_falls_back_where_that_is_refused() -> None:
    """A1.3"""
    transport = Scripted(refused(405), ok(page()), ok(page()))
    server = FhirServer(BASE, transport, clock=Ticking())
    codes = ",".join(f"http://loinc.org|{number}-1" for number in range(10000, 10200))
    first = server.search("Observation", [("code", codes)])
    server.search("Observation", [("code", codes)])
    assert [each.method for each in transport.sent] == ["POST", "GET", "GET"]
    assert transport.sent[0].url == f"{BASE}/Observation/_search"
    assert transport.sent[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert first.problems[0].code is ProblemCode.WAY_CHANGED


def test_every_search_is_posted_where_that_was_chosen() -> None:
    transport = Scripted(ok(page()))
    search(transport, Limits(always_post=True), patient="1")
    assert urls(transport.sent) == [f"POST {BASE}/Observation/_search"]
    assert b"patient=1" in transport.sent[0].body


def test_signs_that_mean_something_in_a_search_are_escaped() -> None:
    """A1.4"""
    assert token("a,b|c$d\\e") == r"a\,b\|c\$d\\e"
    transport = Scripted(ok(page()))
    search(transport, code="http://loinc.org|1-8,http://loinc.org|2-6")
    assert "code=http%3A%2F%2Floinc.org%7C1-8%2Chttp%3A%2F%2Floinc.org%7C2-6" in transport.sent[0].url


@pytest.mark.parametrize(
    ("content", "server_time"),
    [
        ({"meta": {"lastUpdated": "2026-06-15T08:00:00Z"}}, "2026-06-15T08:00:00Z"),
        ({}, "2026-06-15T08:00:00+00:00"),
    ],
)
def test_the_servers_own_clock_is_kept(content: Mapping[str, object], server_time: str) -> None:
    """A1.11"""
    answer = ok({**page(), **content}, date="Mon, 15 Jun 2026 08:00:00 GMT")
    assert search(Scripted(answer)).server_time == server_time


@pytest.mark.parametrize(
    "clock", ["9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", "2026-06-15T08:00:00", "2026-06-17T00:00:00Z", "noon"]
)
def test_a_clock_that_cannot_be_is_not_believed(clock: str) -> None:
    """A1.11: what it would pass by, no later run would look for"""
    answer = {**page(), "meta": {"lastUpdated": clock}}
    assert search(Scripted(ok(answer, date="Mon, 15 Jun 2026 08:00:00 GMT"))).server_time == "2026-06-15T08:00:00+00:00"
    assert search(Scripted(ok(answer))).server_time == ""


def test_a_clock_that_differs_by_minutes_is_told() -> None:
    found = search(Scripted(ok(page(), date="Mon, 15 Jun 2026 09:00:00 GMT")))
    assert [problem.code for problem in found.problems] == [ProblemCode.CLOCK_DIFFERS]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'"x"',
        b'{"resourceType":"Patient"}',
        b"{" * 100_000,
        b"\xff\xfe",
        b'{"resourceType":"Bundle","entry":1}',
    ],
    ids=["empty", "list", "text", "patient", "deep", "no-utf-8", "entry-is-a-number"],
)
def test_what_is_no_searchset_is_a_clear_error(body: bytes) -> None:
    """E11, E16"""
    with pytest.raises(ServerError) as error:
        search(Scripted(Response(200, {"content-type": "application/fhir+json"}, body)))
    assert error.value.code == "unexpected-content"


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/fhir+xml", "application/pdf"])
def test_a_login_page_is_no_empty_result(kind: str) -> None:
    """E18, A1.1"""
    with pytest.raises(ServerError) as error:
        search(Scripted(Response(200, {"content-type": kind}, b"<html>please log in, secret-name</html>")))
    assert error.value.code == "unexpected-content"
    assert "secret-name" not in str(error.value)


@pytest.mark.parametrize(
    "kind",
    [
        "application/fhir+json",
        "application/json",
        "application/json+fhir",
        "application/fhir+json; charset=utf-8",
        "Application/FHIR+JSON",
        "",
    ],
)
def test_every_name_for_json_is_taken(kind: str) -> None:
    """A1.1"""
    assert search(Scripted(Response(200, {"content-type": kind}, ok(page()).body))).complete


def test_markup_called_json_is_no_result() -> None:
    """E18"""
    with pytest.raises(ServerError):
        search(Scripted(Response(200, {"content-type": "application/json"}, b"<Bundle/>")))


def test_enough_entries_end_the_search_without_being_incomplete() -> None:
    transport = Scripted(ok(page(entry("Observation/1"), next_="?p=2")), ok(page(entry("Observation/2"))))
    found = FhirServer(BASE, transport, clock=Ticking()).search("Observation", [], most=1)
    assert (found.complete, len(transport.sent)) == (True, 1)


@pytest.mark.parametrize(("wait", "told"), [("10", "too long"), ("50", "http-503")], ids=["between", "within"])
def test_a_search_that_outlasts_its_time_is_incomplete(wait: str, told: str) -> None:
    """A1.5: be it between two pages or while one is waited for"""
    clock = Ticking()
    transport = Scripted(
        ok(page(next_="?p=1")), refused(503, retry_after=wait), ok(page(next_="?p=2")), ok(page(next_="?p=3"))
    )
    limits = Limits(search_seconds=10, patience=Patience(seconds=100))
    found = FhirServer(BASE, transport, limits=limits, clock=clock).search("Observation", [])
    assert not found.complete
    assert told in found.problems[-1].what
    assert clock.passed <= 10
