"""Every shape in which servers notify is read, and what it says is taken for a hint alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.notifications import Happening, Kind, Notification, is_below, read_answer, read_notification
from adapter.problems import Problem

SUBSCRIPTION = "https://fhir.example/r4/Subscription/bone-markers"
BASE = "https://fhir.example/r4"


def fixture(repository: Path, name: str) -> bytes:
    return (repository / "fixtures" / "notifications" / f"{name}.json").read_bytes()


def told(method: str, path: str, body: bytes, **more: Any) -> Notification:
    found = read_notification(method, path, body, **more)
    assert isinstance(found, Notification), found
    return found


def refused(method: str, path: str, body: bytes) -> str:
    found = read_notification(method, path, body)
    assert isinstance(found, Problem), found
    return found.what


@pytest.mark.parametrize(
    ("name", "kind", "count", "events"),
    [
        ("r4-handshake", Kind.HANDSHAKE, 0, []),
        ("r4-heartbeat", Kind.HEARTBEAT, 2, []),
        ("r4-id-only", Kind.EVENT, 1, [(1, "Observation/ctx")]),
        ("r4-id-only-camel-case-integers", Kind.EVENT, 1, [(1, "Observation/ctx")]),
        ("r4-empty", Kind.EVENT, 1, [(1, "")]),
        ("r4-two-events-full-resource", Kind.EVENT, 2, [(1, "Observation/ctx"), (2, "Observation/p1np")]),
        ("r4-deleted-without-resource", Kind.EVENT, 3, [(3, "Observation/ctx")]),
        ("r4b-id-only", Kind.EVENT, 1, [(1, "Observation/ctx")]),
        ("r5-id-only", Kind.EVENT, 1, [(1, "Observation/ctx")]),
        ("r5-numbers-as-integers", Kind.EVENT, 1, [(1, "Observation/ctx")]),
        ("r5-events-not-counted-full-resource", Kind.EVENT, 2, [(0, "Observation/ctx")]),
        ("r5-query-event", Kind.QUERY_EVENT, 9, [(2, "Observation/p1np"), (3, "Observation/pth")]),
        ("r5-query-status-error", Kind.QUERY_STATUS, 9, []),
    ],
)
def test_each_shape_of_a_bundle_says_the_same(
    repository: Path, name: str, kind: Kind, count: int, events: list[tuple[int, str]]
) -> None:
    """A5.5 to A5.9."""
    found = told("POST", "", fixture(repository, name))
    assert (found.kind, found.subscription, found.count) == (kind, SUBSCRIPTION, count)
    assert [(each.number, each.focus.removeprefix(f"{BASE}/")) for each in found.events] == events
    assert all(is_below(each.focus, BASE) for each in found.events if each.focus)


def test_a_ping_has_no_body() -> None:
    """A5.1."""
    assert told("POST", "", b"") == Notification(kind=Kind.PING)
    assert told("POST", "", b"\r\n ") == Notification(kind=Kind.PING)


@pytest.mark.parametrize(("method", "path"), [("PUT", "Observation/ctx"), ("POST", ""), ("POST", "Observation/ctx")])
def test_a_bare_resource_says_who_it_is_and_in_which_version(repository: Path, method: str, path: str) -> None:
    """A5.2."""
    found = told(method, path, fixture(repository, "rest-hook-observation"))
    assert found == Notification(kind=Kind.CHANGED, events=(Happening("Observation/ctx", version="1"),))


def test_a_deletion_names_its_resource_in_the_address_or_in_medplums_header() -> None:
    """A5.2."""
    expected = Notification(kind=Kind.DELETED, events=(Happening("Observation/ctx"),))
    assert told("DELETE", "Observation/ctx", b"") == expected
    assert told("POST", "", b"{}", deleted="Observation/ctx") == expected


def test_a_transaction_is_taken_only_when_the_operator_says_so(repository: Path) -> None:
    """A5.5."""
    body = fixture(repository, "hapi-r5-transaction")
    assert "no type that notifies" in refused("POST", "", body)
    assert told("POST", "", body, takes_transactions=True).kind is Kind.EVENT


def test_an_error_of_the_subscription_is_told_by_its_code(repository: Path) -> None:
    found = told("POST", "", fixture(repository, "r5-query-status-error"))
    assert (found.status, found.errors) == ("error", ("no-response",))


@pytest.mark.parametrize("number", ["-1", -2, "1.5", 1.0, True, "", "9" * 19, 2**63, "٣", "1e3", {}, []])
def test_a_number_that_counts_nothing_is_refused(repository: Path, number: object) -> None:
    """E42: negative and huge."""
    bundle = json.loads(fixture(repository, "r5-id-only"))
    bundle["entry"][0]["resource"]["notificationEvent"][0]["eventNumber"] = number
    assert refused("POST", "", json.dumps(bundle).encode()) == "an event's number is none"


@pytest.mark.parametrize(
    ("method", "path", "body", "what"),
    [
        ("PUT", "Observation/2", b'{"resourceType": "Observation", "id": "1"}', "different resources"),
        ("PUT", "Observation/1", b"", "without a body"),
        ("POST", "", b'{"resourceType": "Observation"}', "no id"),
        ("POST", "", b'{"resourceType": "Observation", "id": 1}', "no id"),
        ("POST", "", b'{"resourceType": "Observation", "id": "../x"}', "no id"),
        ("POST", "", b'{"resourceType": "Nonsense", "id": "1"}', "no FHIR resource"),
        ("POST", "", b"{}", "no FHIR resource"),
        ("POST", "", b"[]", "no FHIR resource"),
        ("POST", "", b'{"resourceType": "Bundle", "type": "history"}', "no SubscriptionStatus"),
        (
            "POST",
            "",
            b'{"resourceType": "Bundle", "type": "history", "entry": [1, {"resource": 2}]}',
            "no Subscription",
        ),
        ("POST", "", b'{"resourceType": "Bundle", "type": "searchset", "entry": []}', "no type that notifies"),
        ("POST", "", b"<Bundle/>", "no JSON"),
        ("POST", "", b'"\xff"', "no UTF-8"),
        ("POST", "", b"[" * 100_000, "too deeply"),
        ("DELETE", "", b"", "does not name"),
        ("DELETE", "Nonsense/1", b"", "does not name"),
        ("DELETE", "https://elsewhere.example/Observation/1", b"", "does not name"),
    ],
)
def test_what_tells_nothing_is_refused_with_a_reason(method: str, path: str, body: bytes, what: str) -> None:
    assert what in refused(method, path, body)


def test_of_what_is_said_twice_one_is_read_for_either_only_names_what_to_look_at(repository: Path) -> None:
    body = b'\xef\xbb\xbf{"resourceType": "Observation", "id": "1", "id": "2", "valueInteger": 0.50}'
    assert [each.focus for each in told("POST", "", body).events] == ["Observation/2"]


def test_parts_within_parts_are_not_followed() -> None:
    nested = b'{"name": "notification-event", "part": [' * 300 + b"]}" * 300
    body = b'{"resourceType": "Bundle", "type": "history", "entry": [{"resource": {"resourceType": "Parameters", '
    assert "unknown type" in refused("POST", "", body + b'"parameter": [' + nested + b"]}}]}")


@pytest.mark.parametrize("kind", ["", "banana", "ping", "changed", 5, None])
def test_an_unknown_type_of_notification_is_refused(repository: Path, kind: object) -> None:
    """A5.7."""
    bundle = json.loads(fixture(repository, "r5-id-only"))
    bundle["entry"][0]["resource"]["type"] = kind
    assert "unknown type" in refused("POST", "", json.dumps(bundle).encode())


def test_a_status_without_a_subscription_is_refused(repository: Path) -> None:
    bundle = json.loads(fixture(repository, "r5-id-only"))
    del bundle["entry"][0]["resource"]["subscription"]
    assert "names no Subscription" in refused("POST", "", json.dumps(bundle).encode())


def test_an_entry_without_a_resource_still_names_what_changed(repository: Path) -> None:
    bundle = json.loads(fixture(repository, "r5-events-not-counted-full-resource"))
    bundle["entry"][1:] = [{"request": {"method": "PUT", "url": "Observation/x"}}, {"request": {"url": "?"}}, {}]
    assert [each.focus for each in told("POST", "", json.dumps(bundle).encode()).events] == ["Observation/x"]


def test_the_answer_to_a_question_is_read_like_a_notification(repository: Path) -> None:
    found = read_answer(fixture(repository, "r5-query-event"))
    assert isinstance(found, Notification)
    assert [each.number for each in found.events] == [2, 3]
    bundle = json.loads(fixture(repository, "r4-heartbeat")) | {"type": "searchset"}
    assert isinstance(read_answer(json.dumps(bundle).encode()), Notification)
    assert isinstance(read_answer(b"{"), Problem)
    assert isinstance(read_answer(b'{"resourceType": "OperationOutcome"}'), Problem)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Observation/1", True),
        ("https://fhir.example/r4/Observation/1", True),
        ("https://fhir.example/r4/Observation/1/_history/2", True),
        ("https://fhir.example/r5/Observation/1", False),
        ("https://fhir.example.evil.example/r4/Observation/1", False),
        ("http://fhir.example/r4/Observation/1", False),
        ("http://169.254.169.254/latest/Observation/1", False),
        ("file:///etc/passwd", False),
        ("Observation/1\0", False),
        ("Observation/1\n", False),
        ("urn:uuid:7bd91d26-c951-4520-9ac6-67f41bfbe897", False),
        ("", False),
    ],
)
def test_only_the_configured_server_is_ours(reference: str, expected: bool) -> None:
    """E43, E4."""
    assert is_below(reference, BASE) is expected


def _recorded(shared_data: Path) -> list[Path]:
    folders = {
        "hl7-r4-backport-notifications/sushi-json": "Bundle-*.json",
        "hl7-r4b-examples/notification": "notification-*.json",
        "server-captures-sekmet": "notify-*.json",
    }
    return [path for folder, names in folders.items() for path in sorted((shared_data / folder).glob(names))]


def test_every_recorded_notification_is_read(shared_data: Path) -> None:
    """Those of the backport guide, of R5's examples, and what an independent server really sent."""
    paths = _recorded(shared_data)
    assert len(paths) > 20
    for path in paths:
        # An R5 message is not a notification by rest-hook.
        expects = Problem if path.name == "notification-message-full-resource.json" else Notification
        found = read_notification("POST", "", path.read_bytes())
        assert isinstance(found, expects), f"{path.name}: {found}"
        if isinstance(found, Notification) and found.kind is not Kind.CHANGED:
            assert found.kind.value in path.name or found.kind is Kind.EVENT, path.name
            assert found.subscription


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "subscription",
                    "reference",
                    "notificationEvent",
                    "eventNumber",
                    "parameter",
                    "name",
                    "part",
                    "valueCode",
                    "focus",
                    "additionalContext",
                    "error",
                    "coding",
                    "topic",
                    "status",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(_JSON, st.sampled_from(["SubscriptionStatus", "Parameters"]))
def test_no_status_however_odd_does_more_than_being_refused(odd: object, kind: str) -> None:
    status = {**(odd if isinstance(odd, dict) else {"parameter": odd}), "resourceType": kind}
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}, odd]}
    assert isinstance(read_notification("POST", "", json.dumps(bundle).encode()), Notification | Problem)
