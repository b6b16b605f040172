"""One Subscription of ours stands on the server, and only as long as it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import msgspec
import pytest

from adapter.fhir.releases import WRITTEN, Release
from adapter.fhir.subscriptions import Wanted, as_subscription, bringing, brings_the_same, purpose, renewed
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.transport import RequestsTransport
from adapter.service.subscribing import Step, remove, tend
from tests.servers.sekmet import Sekmet, sekmet

NOW = datetime(2026, 6, 15, tzinfo=UTC)
LIFE = timedelta(days=10)
CLASSIC = Wanted(
    endpoint="http://127.0.0.1:8040/notify",
    criteria="Observation?code=http://loinc.org|41171-0",
    header="Authorization: Bearer a-secret-of-the-test",
)
TOPIC = msgspec.structs.replace(CLASSIC, topic="http://hl7.org/fhir/us/core/SubscriptionTopic/patient-data-feed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FhirServer, Sekmet]]:
    with sekmet(tmp_path_factory.mktemp("sekmet")) as running:
        yield FhirServer(running.base, RequestsTransport()), running


# R5 knows no subscription without a topic.
_KINDS = [
    *[(release, CLASSIC) for release in (Release.R4, Release.R4B)],
    *[(release, TOPIC) for release in (Release.R4, Release.R4B, Release.R5)],
]


@pytest.mark.parametrize(("release", "wanted"), _KINDS)
@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_every_kind_of_subscription_is_valid_in_every_release(release: Release, wanted: Wanted, content: str) -> None:
    end = (NOW + LIFE).isoformat()
    written = as_subscription(msgspec.structs.replace(wanted, content=content, end=end), release)
    model = import_module(f"{WRITTEN[release].models}.subscription").Subscription
    assert model.model_validate(written).status == "requested"


def test_a_classic_subscription_without_content_has_no_payload() -> None:
    written = as_subscription(msgspec.structs.replace(CLASSIC, content="empty"), Release.R4)
    assert "payload" not in written["channel"]


def test_a_topic_stands_in_the_criteria_and_its_filter_beside_it() -> None:
    """A5.11"""
    written = as_subscription(TOPIC, Release.R4)
    assert written["criteria"] == TOPIC.topic
    assert written["_criteria"]["extension"][0]["valueString"] == TOPIC.criteria
    assert written["channel"]["_payload"]["extension"][0]["valueCode"] == "id-only"


def test_in_r5_the_filter_is_taken_apart_and_the_secret_is_a_parameter() -> None:
    written = as_subscription(TOPIC, Release.R5)
    (only,) = written["filterBy"]
    assert only == {"resourceType": "Observation", "filterParameter": "code", "value": "http://loinc.org|41171-0"}
    assert written["parameter"] == [{"name": "Authorization", "value": "Bearer a-secret-of-the-test"}]


@pytest.mark.parametrize("release", [Release.R4, Release.R5], ids=lambda release: release.name)
def test_the_purpose_survives_what_a_server_adds(release: Release) -> None:
    fresh = as_subscription(TOPIC, release)
    stored = {**fresh, "id": "x", "status": "active", "meta": {"versionId": "7"}}
    assert purpose(stored) == purpose(fresh)
    assert purpose(as_subscription(msgspec.structs.replace(TOPIC, endpoint="http://elsewhere/"), release)) != purpose(
        fresh
    )
    assert renewed(stored, end="2027-01-01T00:00:00+00:00")["status"] == "requested"


def test_calling_twice_leaves_one_subscription(server: tuple[FhirServer, Sekmet]) -> None:
    client, running = server
    first = tend(client, CLASSIC, Release.R4, now=NOW, life=LIFE)
    second = tend(client, CLASSIC, Release.R4, now=NOW + timedelta(days=1), life=LIFE)
    assert (first.step, second.step) == (Step.CREATED, Step.KEPT)
    assert second.reference == first.reference
    assert len(_on(running)) == 1


def test_with_another_secret_it_is_renewed_and_brings_that_one(server: tuple[FhirServer, Sekmet]) -> None:
    client, running = server
    tend(client, CLASSIC, Release.R4, now=NOW, life=LIFE)
    replaced = msgspec.structs.replace(CLASSIC, header="Authorization: Bearer the-one-that-replaces-it")
    assert tend(client, replaced, Release.R4, now=NOW, life=LIFE).step is Step.RENEWED
    assert tend(client, replaced, Release.R4, now=NOW, life=LIFE).step is Step.KEPT
    assert [each["channel"]["header"] for each in _on(running)] == [[replaced.header]]


@pytest.mark.parametrize(("release", "wanted"), _KINDS)
def test_a_secret_is_replaced_in_every_release_and_what_a_server_hides_is_no_difference(
    release: Release, wanted: Wanted
) -> None:
    before = as_subscription(wanted, release)
    after = as_subscription(msgspec.structs.replace(wanted, header="X-Key: another-secret"), release)
    assert not brings_the_same(before, after)
    assert brings_the_same(bringing(before, after), after)
    hidden = {name: each for name, each in before.items() if name not in ("parameter", "channel")}
    assert brings_the_same(hidden, after)


def test_near_its_end_it_is_renewed(server: tuple[FhirServer, Sekmet]) -> None:
    client, running = server
    tend(client, CLASSIC, Release.R4, now=NOW, life=LIFE)
    later = NOW + timedelta(days=9)
    assert tend(client, CLASSIC, Release.R4, now=later, life=LIFE).step is Step.RENEWED
    (only,) = _on(running)
    assert datetime.fromisoformat(only["end"]) == later + LIFE


def test_one_that_the_server_switched_off_is_asked_for_again(server: tuple[FhirServer, Sekmet]) -> None:
    client, running = server
    tend(client, CLASSIC, Release.R4, now=NOW, life=LIFE)
    (only,) = _on(running)
    running.ask("PUT", f"Subscription/{only['id']}", {**only, "status": "off"})
    assert tend(client, CLASSIC, Release.R4, now=NOW, life=LIFE).step is Step.REACTIVATED
    assert _on(running)[0]["status"] in ("requested", "active")


def test_a_dry_run_changes_nothing(server: tuple[FhirServer, Sekmet]) -> None:
    client, running = server
    other = msgspec.structs.replace(CLASSIC, endpoint="http://127.0.0.1:8040/dry")
    before = _on(running)
    assert tend(client, other, Release.R4, now=NOW, life=LIFE, dry_run=True).step is Step.CREATED
    assert _on(running) == before


def test_removing_ours_leaves_those_of_others(server: tuple[FhirServer, Sekmet]) -> None:
    client, running = server
    other = msgspec.structs.replace(CLASSIC, endpoint="http://127.0.0.1:8040/somebody-else")
    tend(client, CLASSIC, Release.R4, now=NOW, life=LIFE)
    tend(client, other, Release.R4, now=NOW, life=LIFE)
    assert [each.step for each in remove(client, CLASSIC, Release.R4)] == [Step.REMOVED]
    assert [each["channel"]["endpoint"] for each in _on(running)] == [other.endpoint]
    remove(client, other, Release.R4)


def _on(running: Sekmet) -> list[dict[str, Any]]:
    return running.found("Subscription?_count=100")
