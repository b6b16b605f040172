"""The endpoint: only who knows the secret is heard, and only what is stored is acknowledged."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from adapter.errors import ServerError, SettingsInvalid
from adapter.service.application import ENDPOINT, Parts, application
from adapter.service.group_commit import GroupCommit
from adapter.service.guarding import Guard, refuse_to_be_open
from adapter.service.metrics import Metrics
from adapter.service.receiving import Receiver, Terms
from tests.service.building import Ward
from tests.service.living import eventually

SECRET = "correct-horse-battery-staple"  # noqa: S105 - of the test
BEARER = {"Authorization": f"Bearer {SECRET}"}
BASE = "https://fhir.example/r4"
OURS = "Subscription/bone-markers"
OBSERVATION = b'{"resourceType": "Observation", "id": "ctx", "meta": {"versionId": "1"}, "valueInteger": 0.50}'


class Desk:
    """The application with a client; the worker's clock stands still, so nothing is assessed."""

    def __init__(self, folder: Path, **terms: Any) -> None:
        self.ward = Ward(folder)
        self.asked: list[str] = []
        self.recognised: bool | ServerError = True
        metrics = Metrics()
        self.commit = GroupCommit(self.ward.inbox, stored=metrics.stored)
        self.receiver = Receiver(
            Guard([SECRET, "the-one-that-replaces-it"]),
            Terms(base=BASE, **terms),
            self.commit,
            metrics,
            known=(),
            recognise=self._recognise,
        )
        self.app = application(
            Parts(
                inbox=self.ward.inbox,
                worklist=self.ward.worklist,
                worker=self.ward.worker,
                commit=self.commit,
                receiver=self.receiver,
                metrics=metrics,
                clock=self.ward.clock,
            )
        )
        self.client: TestClient = TestClient(self.app, raise_server_exceptions=False)

    def _recognise(self, subscription: str) -> bool:
        self.asked.append(subscription)
        if isinstance(self.recognised, ServerError):
            raise self.recognised
        return self.recognised

    def tell(self, method: str = "POST", path: str = "", body: bytes = b"", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request(method, ENDPOINT + path, content=body, headers={**BEARER, **named})

    def stored(self) -> list[tuple[str, int, str]]:
        return [(each.kind.value, each.number, each.focus) for each in self.ward.inbox.after(0, most=1000)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    with desk.client:
        yield desk


@pytest.fixture
def fixture(repository: Path) -> Any:
    return lambda name: (repository / "fixtures" / "notifications" / f"{name}.json").read_bytes()


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


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 422),
        (b"{}", {}, 422),
        (b"<Observation/>", {"Content-Type": "application/fhir+xml"}, 415),
        (b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}, 415),
        (b"[" * 100_000, {}, 422),
        (b"\xff\xfe", {}, 422),
    ],
)
def test_what_is_no_notification_is_refused(desk: Desk, body: bytes, headers: dict[str, str], status: int) -> None:
    assert desk.tell("POST", "", body, **headers).status_code == status
    assert desk.stored() == []


def test_a_body_beyond_the_limit_is_refused_whether_it_says_so_or_not(tmp_path: Path) -> None:
    """E12."""
    desk = Desk(tmp_path, most_bytes=1000)
    with desk.client:
        assert desk.tell("POST", "", b" " * 1001).status_code == 413
        endless = (b" " * 100 for _ in range(1_000_000))
        assert desk.client.post(ENDPOINT, content=endless, headers=BEARER).status_code == 413
        assert desk.tell("POST", "", b" " * 1000).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "HEAD"])
def test_nothing_can_be_read_from_the_endpoint(desk: Desk, method: str) -> None:
    assert desk.tell(method).status_code == 405


def test_what_cannot_be_stored_is_not_acknowledged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """E45, A5.13."""
    file = desk.ward.inbox._file
    pages = file._connections[0].execute("PRAGMA page_count").fetchone()[0]
    file._connections[0].execute(f"PRAGMA max_page_count = {pages}")
    bundle = {"resourceType": "Observation", "meta": {"versionId": "1"}}
    statuses = {
        desk.tell("POST", "", json.dumps({**bundle, "id": f"{number:064}"}).encode()).status_code
        for number in range(300)
    }
    assert statuses == {200, 503}
    ready = desk.client.get("/ready")
    assert (ready.status_code, "disk is full" in ready.text) == (503, True)
    file._connections[0].execute("PRAGMA max_page_count = 1000000")
    assert desk.tell().status_code == 200
    assert desk.client.get("/ready").status_code == 200


def test_more_than_the_disk_can_take_is_put_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.service.group_commit._MOST_WAITING", 0)
    assert desk.tell().status_code == 503


def test_an_operator_sees_that_it_is_up_ready_and_how_it_does(desk: Desk, fixture: Any) -> None:
    desk.tell(body=fixture("r4-id-only"))
    desk.client.post(ENDPOINT)
    assert desk.client.get("/health").json() == {"status": "up"}
    assert desk.client.get("/ready").json() == {"ready": True, "faults": []}
    answer = desk.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'osteo_fhir_requests_total{status="401",reason="no-secret"} 1' in lines
    assert 'osteo_fhir_requests_total{status="200",reason="event-notification"} 1' in lines
    assert "osteo_fhir_dead_letters 0" in lines
    assert 'osteo_fhir_acknowledgement_seconds_bucket{le="+Inf"} 1' in lines
    assert all(line.startswith("#") or len(line.rsplit(" ", 1)) == 2 for line in lines)


def test_nothing_that_names_a_patient_is_logged_or_counted(
    desk: Desk, fixture: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """E46."""
    caplog.set_level(logging.DEBUG)
    desk.tell(body=fixture("r4-two-events-full-resource"))
    desk.tell("PUT", "/Observation/ctx", OBSERVATION)
    desk.tell("POST", "", b'{"resourceType": "Patient", "id": "one", "name": [{"family": "Petrova"}]}')
    desk.tell("POST", "", b'{"resourceType": "Patient", "name": [{"family": "Petrova"}]}')
    desk.client.post(ENDPOINT, headers={"Authorization": "Bearer wrong-secret"})
    ours = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith("httpx"))
    said = ours + desk.client.get("/metrics").text + desk.client.get("/ready").text
    for forbidden in (
        "Petrova",
        "Observation/ctx",
        "ctx",
        "p1np",
        "0.62",
        "0.50",
        "Patient/one",
        SECRET,
        "wrong-secret",
    ):
        assert forbidden not in said


def test_a_worker_that_hangs_is_not_ready(desk: Desk) -> None:
    desk.ward.worker.turn = lambda **_: False  # type: ignore[method-assign]
    # What was under way when it was made to hang still ends.
    time.sleep(0.5)
    desk.ward.clock.sleep(3600)
    assert desk.client.get("/ready").json() == {"ready": False, "faults": ["the worker hangs"]}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_died_is_not_ready(desk: Desk) -> None:
    desk.ward.worker.turn = _failing  # type: ignore[method-assign]
    time.sleep(0.5)
    assert desk.client.get("/ready").json() == {"ready": False, "faults": ["the worker has ended"]}


def _failing(**_: bool) -> bool:
    raise SystemExit


def test_what_is_done_is_forgotten_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.service.application._PRUNE_EVERY", 0.05)
    desk = Desk(tmp_path)
    monkeypatch.setattr(desk.ward.inbox, "_remembered", 2)
    with desk.client:
        for _ in range(6):
            assert desk.tell().status_code == 200
        eventually(lambda: len(desk.stored()) == 2)


def test_many_at_once_share_a_commit_and_each_is_acknowledged(desk: Desk) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [each.status_code for each in pool.map(lambda _: desk.tell(), range(120))]
    assert answers == [200] * 120
    lines = desk.client.get("/metrics").text.splitlines()
    commits = next(int(line.rpartition(" ")[2]) for line in lines if line.startswith("osteo_fhir_commits_total "))
    assert commits < 120
    assert len(desk.stored()) == 120


def test_a_notification_that_arrives_too_slowly_is_given_up(tmp_path: Path) -> None:
    """E13."""
    desk = Desk(tmp_path, body_seconds=0.2)

    answers: list[int] = []

    async def call() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(1)
            return {"type": "http.request", "body": b"", "more_body": True}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        headers = [(name.lower().encode(), value.encode()) for name, value in BEARER.items()]
        scope = {"type": "http", "method": "POST", "path": ENDPOINT, "headers": headers, "query_string": b""}
        await desk.app({**scope, "app": desk.app}, receive, send)  # type: ignore[arg-type]

    asyncio.run(call())
    assert (answers, desk.stored()) == ([408], [])


def test_a_sender_that_hangs_up_leaves_nothing_behind(desk: Desk) -> None:
    async def call() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            pass

        headers = [(name.lower().encode(), value.encode()) for name, value in BEARER.items()]
        scope = {"type": "http", "method": "POST", "path": ENDPOINT, "headers": headers, "query_string": b""}
        await desk.app({**scope, "app": desk.app}, receive, send)  # type: ignore[arg-type]

    asyncio.run(call())
    assert desk.stored() == []
