"""The endpoint: only who knows the secret is heard, only of what is ours, and it answers as servers expect."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import ServerError, SettingsInvalid
from adapter.service.guarding import Guard, refuse_to_be_open
from adapter.service.receiving import ENDPOINT
from tests.service.desk import BASE, OBSERVATION, OURS, Desk
from tests.service.living import SECRET


def test_a_ping_is_stored_and_answered_without_a_body(desk: Desk) -> None:
    """A5.1, A5.3."""
    answer = desk.tell()
    assert (answer.status_code, answer.content, desk.stored()) == (200, b"", [("ping", 0, "")])


def test_a_put_is_answered_with_the_same_resource(desk: Desk) -> None:
    """A5.3: HAPI reads the answer as FHIR."""
    answer = desk.tell("PUT", "/Observation/ctx", OBSERVATION, Content_Type="application/fhir+json; charset=utf-8")
    assert (answer.status_code, answer.content) == (200, OBSERVATION)
    assert answer.headers["content-type"] == "application/fhir+json"
    assert desk.stored() == [("changed", 0, "Observation/ctx")]


@pytest.mark.parametrize(("method", "path", "body"), [("POST", "", OBSERVATION), ("DELETE", "/Observation/ctx", b"")])
def test_everything_else_is_answered_without_a_body(desk: Desk, method: str, path: str, body: bytes) -> None:
    """A5.2, A5.3."""
    answer = desk.tell(method, path, body)
    assert (answer.status_code, answer.content, len(desk.stored())) == (200, b"", 1)


def test_medplums_deletion_is_understood(desk: Desk) -> None:
    assert desk.tell("POST", "", b"{}", X_Medplum_Deleted_Resource="Observation/ctx").status_code == 200
    assert desk.stored() == [("deleted", 0, "Observation/ctx")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Authorization": f"Bearer {SECRET[:-1]}"},
        {"Authorization": f"Basic {SECRET}x"},
        {"X-Other": SECRET},
        {"X-Signature": "0" * 64},
        {"X-Signature": sha256(OBSERVATION).hexdigest()},
        {"X-Signature": ""},
    ],
)
def test_without_the_secret_nothing_is_stored(desk: Desk, headers: dict[str, str]) -> None:
    """E40."""
    answer = desk.client.post(ENDPOINT, content=OBSERVATION, headers=headers)
    assert (answer.status_code, answer.content, desk.stored()) == (401, b"", [])


@pytest.mark.parametrize("brought", [f"Bearer {SECRET}", f"bearer {SECRET}", SECRET, "Bearer the-one-that-replaces-it"])
def test_with_the_secret_or_the_one_that_replaces_it_it_is(desk: Desk, brought: str) -> None:
    assert desk.client.post(ENDPOINT, headers={"Authorization": brought}).status_code == 200


def test_a_signature_over_the_body_proves_it_too(desk: Desk) -> None:
    """A5.12: Medplum."""
    signature = hmac.new(SECRET.encode(), OBSERVATION, sha256).hexdigest()
    headers = {"X-Signature": signature}
    assert desk.client.post(ENDPOINT, content=OBSERVATION, headers=headers).status_code == 200
    assert desk.client.post(ENDPOINT, content=OBSERVATION + b" ", headers=headers).status_code == 401
    assert len(desk.stored()) == 1


def test_all_secrets_are_compared_however_early_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """E40: nothing is said by how long the answer takes. Digests of one length are compared in constant time."""
    compared: list[tuple[int, int]] = []
    whole = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return whole(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    guard = Guard(["a" * 16, "b" * 40, "c" * 16])
    assert guard.brings_secret({"authorization": "Bearer " + "a" * 16})
    assert not guard.brings_secret({"authorization": "x"})
    assert compared == [(32, 32)] * 6


def test_the_secret_may_come_in_another_header() -> None:
    guard = Guard([SECRET], header="X-Api-Key")
    assert guard.brings_secret({"x-api-key": SECRET})
    assert not guard.brings_secret({"authorization": f"Bearer {SECRET}"})


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="too short"):
        Guard(["short"])


def test_without_a_secret_it_does_not_start_but_on_this_machine_when_told_to() -> None:
    """A5.12."""
    refuse_to_be_open(Guard([SECRET]), "0.0.0.0", insecure=False)  # noqa: S104
    refuse_to_be_open(Guard([]), "127.0.0.1", insecure=True)
    with pytest.raises(SettingsInvalid, match="--secret-file"):
        refuse_to_be_open(Guard([]), "127.0.0.1", insecure=False)
    with pytest.raises(SettingsInvalid, match="loopback"):
        refuse_to_be_open(Guard([]), "0.0.0.0", insecure=True)  # noqa: S104


def test_the_same_notification_again_is_acknowledged_and_kept_once(desk: Desk, fixture: Any) -> None:
    """E41: by number and by body."""
    for _ in range(19):
        assert desk.tell(body=fixture("r4-id-only")).status_code == 200
        assert desk.tell("PUT", "/Observation/ctx", OBSERVATION).status_code == 200
    assert sorted(desk.stored()) == [("changed", 0, "Observation/ctx"), ("event-notification", 1, "Observation/ctx")]


def test_several_events_of_a_notification_are_stored_together(desk: Desk, fixture: Any) -> None:
    """A5.9."""
    desk.tell(body=fixture("r4-two-events-full-resource"))
    assert [each[1:] for each in desk.stored()] == [(1, "Observation/ctx"), (2, "Observation/p1np")]


def test_only_a_subscription_that_the_server_itself_knows_is_heard(desk: Desk, fixture: Any) -> None:
    """E43, A5.7."""
    desk.recognised = False
    assert desk.tell(body=fixture("r4-handshake")).status_code == 403
    assert desk.tell(body=fixture("r4-id-only")).status_code == 403
    # A flood about it asks the server nothing.
    assert (desk.asked, desk.stored()) == ([OURS], [])


def test_a_subscription_that_leads_to_us_is_heard_and_asked_about_once(desk: Desk, fixture: Any) -> None:
    for name in ("r4-handshake", "r4-heartbeat", "r4-id-only"):
        assert desk.tell(body=fixture(name)).status_code == 200
    assert desk.asked == [OURS]


def test_while_the_server_cannot_be_asked_the_sender_is_told_to_come_again(desk: Desk, fixture: Any) -> None:
    desk.recognised = ServerError("", code="unreachable", may_retry=True)
    answer = desk.tell(body=fixture("r4-id-only"))
    assert (answer.status_code, answer.headers["retry-after"], desk.stored()) == (503, "5", [])


def test_where_the_operator_names_the_subscriptions_no_other_is_heard(tmp_path: Path, fixture: Any) -> None:
    """E43."""
    desk = Desk(tmp_path, subscriptions=("Subscription/other",))
    with desk.client:
        assert desk.tell(body=fixture("r4-id-only")).status_code == 403
    desk = Desk(tmp_path / "ours", subscriptions=(OURS,))
    with desk.client:
        assert desk.tell(body=fixture("r4-id-only")).status_code == 200
    assert desk.asked == []


def test_a_patient_of_another_server_is_no_hint(desk: Desk, fixture: Any) -> None:
    """A5.12: of the same id there may be another person here"""
    body = fixture("r4-id-only")
    foreign = body.replace(f"{BASE}/Patient/".encode(), b"https://elsewhere.example/r4/Patient/")
    assert foreign != body
    assert desk.tell(body=body).status_code == 200
    assert desk.tell(body=foreign.replace(b"2026", b"2027")).status_code == 200
    kept = desk.ward.inbox.after(0, most=10)
    assert [(each.focus, each.hint) for each in kept] == [("Observation/ctx", "Patient/one"), ("Observation/ctx", "")]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (f"{BASE}/Subscription/", "https://elsewhere.example/r4/Subscription/"),
        (f"{BASE}/Subscription/", "http://fhir.example/r4/Subscription/"),
        (f"{BASE}/Subscription/", f"{BASE}.evil.example/Subscription/"),
        (f"{BASE}/Subscription/", "Patient/"),
        (f"{BASE}/Observation/", "https://elsewhere.example/r4/Observation/"),
        (f"{BASE}/Observation/", "http://169.254.169.254/latest/Observation/"),
        (f"{BASE}/Observation/ctx", "file:///etc/passwd"),
    ],
)
def test_what_names_another_server_is_refused(desk: Desk, fixture: Any, ours: str, theirs: str) -> None:
    """E43, E4."""
    body = fixture("r4-id-only").replace(ours.encode(), theirs.encode())
    assert body != fixture("r4-id-only")
    assert desk.tell(body=body).status_code in (403, 422)
    assert (desk.stored(), desk.asked) == ([], [])
