"""The endpoint under stress: what is too much, too slow or not storable is refused, and an operator sees it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapter.service.receiving import ENDPOINT
from tests.full_disk import full_disk
from tests.service.desk import BEARER, OBSERVATION, Desk
from tests.service.living import SECRET, eventually


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
    answer = desk.tell(method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, POST, PUT")


def test_what_only_begins_like_the_endpoint_is_not_it(desk: Desk) -> None:
    assert desk.client.post(f"{ENDPOINT}-else", headers=BEARER).status_code == 404
    assert desk.stored() == []


def test_what_cannot_be_stored_is_not_acknowledged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """E45, A5.13."""
    bundle = {"resourceType": "Observation", "meta": {"versionId": "1"}}
    assert desk.tell().status_code == 200
    with full_disk(desk.ward.inbox._file):
        statuses = {
            desk.tell("POST", "", json.dumps({**bundle, "id": f"{number:064}"}).encode()).status_code
            for number in range(300)
        }
        assert statuses == {200, 503}
        ready = desk.client.get("/ready")
        assert (ready.status_code, "disk is full" in ready.text) == (503, True)
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


def test_a_stop_waits_for_what_is_under_way_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.service.application._GRACE", 0.3)
    desk, release = Desk(tmp_path), threading.Event()
    monkeypatch.setattr(desk.ward.hospital, "patients_of", lambda *_: release.wait(20) and ())
    with desk.client:
        desk.tell("PUT", "/Observation/ctx", OBSERVATION)
        eventually(lambda: "Observation/ctx" in desk.ward.worker._running)
        began = time.monotonic()
    assert 0.2 < time.monotonic() - began < 5
    assert desk.ward.worklist.counts()[0] >= 1
    release.set()
