"""A Subscription that fell silent or was switched off is asked after, caught up with, and revived, in this order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from adapter.errors import ServerError
from adapter.fhir.notifications import Kind
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Response, Transport
from adapter.fhir_server.transport import RequestsTransport
from adapter.inbox.sqlite_inbox import SqliteInbox
from adapter.inbox.worklist import Watched
from adapter.service.tending import Caretaker, Tending
from tests.servers.respx_adapter import RespxAdapter
from tests.servers.scripted import Scripted, ok, refused, urls
from tests.servers.ticking import Ticking

BASE = "https://h.example/fhir"
SUBSCRIPTION = {"resourceType": "Subscription", "id": "s", "status": "active", "meta": {"versionId": "3"}}


def status(word: str, count: int = 0) -> dict[str, Any]:
    """A server's answer to ``$status``."""
    told = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "Subscription/s"}},
            {"name": "status", "valueCode": word},
            {"name": "type", "valueCode": "query-status"},
            {"name": "events-since-subscription-start", "valueString": str(count)},
        ],
    }
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": told}]}


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[SqliteInbox]:
    kept = SqliteInbox(tmp_path / "inbox.sqlite", clock=lambda: Ticking().now().timestamp())
    yield kept
    kept.close()


def look(inbox: SqliteInbox, transport: Transport, watched: Watched, **tending: Any) -> list[str]:
    """One look; what was told of it."""
    told: list[str] = []
    server = FhirServer(BASE, transport, clock=Ticking())
    care = Caretaker(
        server, inbox, lambda: [watched], Tending(**tending), tell=lambda what, how, count: told.append(how)
    )
    care.look()
    return told


def heard(seconds_ago: float, **more: Any) -> Watched:
    return Watched(reference="Subscription/s", heard_at=Ticking().now().timestamp() - seconds_ago, **more)


def kept(inbox: SqliteInbox) -> list[tuple[Kind, int, str]]:
    return [(each.kind, each.count, each.status) for each in inbox.after(0, most=10)]


def test_one_that_gave_a_sign_of_life_is_left_alone(inbox: SqliteInbox) -> None:
    transport = Scripted(refused(500))
    assert look(inbox, transport, heard(61), every=0) == []
    assert transport.sent == []


def test_a_silent_one_is_asked_for_its_status_and_the_answer_goes_through_the_inbox(inbox: SqliteInbox) -> None:
    """A5.10: what the server counted since shows what never came"""
    transport = Scripted(ok(status("active", 23)))
    assert look(inbox, transport, heard(300)) == ["active"]
    assert urls(transport.sent) == [f"GET {BASE}/Subscription/s/$status"]
    assert kept(inbox) == [(Kind.QUERY_STATUS, 23, "active")]


@pytest.mark.parametrize("word", ["off", "error"])
def test_one_that_was_switched_off_is_revived_only_after_the_search_is_sure(inbox: SqliteInbox, word: str) -> None:
    """A5.10: recover data first"""
    kept_when_revived: list[int] = []

    class Watching(Scripted):
        def send(self, request: Any, *, seconds: float) -> Response:
            if request.method == "PUT":
                kept_when_revived.append(len(inbox.after(0, most=10)))
            return super().send(request, seconds=seconds)

    transport = Watching(ok(status(word, 20)), ok({**SUBSCRIPTION, "status": word}), ok(SUBSCRIPTION))
    assert look(inbox, transport, heard(300)) == [word, "reactivated"]
    assert kept(inbox) == [(Kind.QUERY_STATUS, 20, word), (Kind.PING, -1, "")]
    assert kept_when_revived == [2]
    sent = transport.sent[-1]
    assert (sent.method, sent.headers["If-Match"]) == ("PUT", 'W/"3"')
    assert json.loads(sent.body)["status"] == "requested"


class _Dead:
    """A server on which the Subscription is dead whenever it is looked at; counts how often it was to live again."""

    def __init__(self) -> None:
        self.word, self.revivals = "error", 0

    def send(self, request: Any, *, seconds: float) -> Response:
        self.revivals += request.method == "PUT"
        answer = status(self.word) if request.url.endswith("$status") else {**SUBSCRIPTION, "status": self.word}
        return Response(200, {}, json.dumps(answer).encode(), request.url)


def test_one_that_dies_again_each_time_is_brought_back_ever_more_seldom(inbox: SqliteInbox) -> None:
    clock, dead = Ticking(), _Dead()
    watched = Watched(reference="Subscription/s", status="error")
    care = Caretaker(FhirServer(BASE, dead, clock=clock), inbox, lambda: [watched], Tending())
    revivals = []
    for _ in range(12):
        care.look()
        revivals.append(dead.revivals)
        clock.sleep(30)
    assert revivals == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]
    assert [each.kind for each in inbox.after(0, most=50)].count(Kind.PING) == 12

    dead.word = "active"
    care.look()
    dead.word = "error"
    care.look()
    assert dead.revivals == 5


def test_a_server_without_status_operation_is_asked_for_the_resource(inbox: SqliteInbox) -> None:
    transport = Scripted(refused(404), ok({**SUBSCRIPTION, "status": "active"}))
    assert look(inbox, transport, heard(300)) == ["active"]
    assert kept(inbox) == [(Kind.QUERY_STATUS, -1, "active")]


def test_one_that_is_gone_is_told_and_nothing_is_made_up(inbox: SqliteInbox) -> None:
    assert look(inbox, Scripted(refused(404)), heard(300)) == ["gone"]
    assert kept(inbox) == []


def test_a_server_that_does_not_answer_is_asked_next_time(inbox: SqliteInbox) -> None:
    lost = ServerError("no answer came", code="unreachable")
    assert look(inbox, Scripted(lost), heard(300)) == ["failed"]
    assert kept(inbox) == []


def test_the_classic_rest_hook_that_names_nobody_is_not_asked_after(inbox: SqliteInbox) -> None:
    transport = Scripted(refused(500))
    assert look(inbox, transport, Watched(reference="", heard_at=1)) == []
    assert transport.sent == []


def test_one_that_ends_soon_is_renewed(inbox: SqliteInbox) -> None:
    """The clock stands on the full hour, when that is looked at."""
    end = (Ticking().now() + timedelta(hours=5)).isoformat()
    ending = ok({**SUBSCRIPTION, "end": end})
    transport = Scripted(ending, ending, ok(SUBSCRIPTION))
    assert look(inbox, transport, heard(10), life=timedelta(days=9)) == ["renewed"]
    assert json.loads(transport.sent[-1].body)["end"] == (Ticking().now() + timedelta(days=9)).isoformat()


CLASSIC = Watched(reference="")


def test_one_of_the_classic_rest_hook_is_tended_where_the_operator_names_it(inbox: SqliteInbox) -> None:
    """It never says whose its notifications are; once an hour it is looked up."""
    end = (Ticking().now() + timedelta(hours=5)).isoformat()
    ending = ok({**SUBSCRIPTION, "end": end})
    transport = Scripted(ending, ending, ok(SUBSCRIPTION))
    assert look(inbox, transport, CLASSIC, named=("Subscription/s",), life=timedelta(days=9)) == ["renewed"]
    assert kept(inbox) == []


def test_one_of_the_classic_rest_hook_that_was_switched_off_is_caught_up_with_and_revived(inbox: SqliteInbox) -> None:
    off = ok({**SUBSCRIPTION, "status": "error"})
    transport = Scripted(off, off, ok(SUBSCRIPTION))
    assert look(inbox, transport, CLASSIC, named=("Subscription/s",)) == ["reactivated"]
    assert kept(inbox) == [(Kind.PING, -1, "")]
    assert json.loads(transport.sent[-1].body)["status"] == "requested"


def test_one_that_the_operator_names_and_that_is_gone_is_told(inbox: SqliteInbox) -> None:
    assert look(inbox, Scripted(refused(410)), CLASSIC, named=("Subscription/s",)) == ["gone"]


def test_over_http_the_same_is_asked_and_written(inbox: SqliteInbox) -> None:
    router = respx.Router()
    asked = router.get(f"{BASE}/Subscription/s/$status").mock(return_value=httpx.Response(200, json=status("off", 20)))
    router.get(f"{BASE}/Subscription/s").mock(return_value=httpx.Response(200, json={**SUBSCRIPTION, "status": "off"}))
    revived = router.put(f"{BASE}/Subscription/s").mock(return_value=httpx.Response(200, json=SUBSCRIPTION))
    transport = RequestsTransport(mount=RespxAdapter(router))
    assert look(inbox, transport, heard(300)) == ["off", "reactivated"]
    assert (asked.call_count, revived.call_count) == (1, 1)
    assert revived.calls.last.request.headers["If-Match"] == 'W/"3"'
