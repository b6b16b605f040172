"""Live against an independent server: results are posted to it, and assessments appear on it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.sekmet import Json, Sekmet, sekmet
from tests.service.living import SECRET, Service, command, eventually, free_port, lines, log, service

TOPIC = "http://sekmet.dev/fhir/SubscriptionTopic/observation-lab"
QUICK = ("--window-seconds", "0.7", "--search-interval-seconds", "1", "--gap-seconds", "1")
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "one",
    "gender": "female",
    "birthDate": "1956-03-14",
    "name": [{"family": "Petrova"}],
}


def result(id_: str, code: str, value: float, unit: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/one"},
        "effectiveDateTime": "2026-06-01",
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


BMD = result("bmd", "38267-1", -2.7, "{T-score}")
P1NP = result("p1np", "47255-5", 88.5, "ug/L")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekmet]:
    with sekmet(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(autouse=True)
def emptied(server: Sekmet) -> None:
    """A server with one patient and nothing else."""
    for kind in ("Subscription", "Observation", "RiskAssessment", "Provenance"):
        for each in server.found(f"{kind}?_count=200"):
            server.ask("DELETE", f"{kind}/{each['id']}")
    server.load([PATIENT])
    with_topic(server)


def subscribed(
    server: Sekmet, running: Service, *, payload: bool = True, topic: str = "", content: str = "id-only"
) -> Json:
    """A Subscription on the server that leads to us, and is active."""
    channel: dict[str, Any] = {
        "type": "rest-hook",
        "endpoint": running.endpoint,
        "header": [f"Authorization: Bearer {SECRET}"],
    }
    wanted = {"resourceType": "Subscription", "status": "requested", "reason": "test", "channel": channel}
    wanted["criteria"] = topic or "Observation?code=http://loinc.org|47255-5,http://loinc.org|38267-1"
    if payload or topic:
        channel["payload"] = "application/fhir+json"
    if topic:
        backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"
        wanted["meta"] = {"profile": [f"{backport}-subscription"]}
        channel["_payload"] = {"extension": [{"url": f"{backport}-payload-content", "valueCode": content}]}
        channel["extension"] = [{"url": f"{backport}-heartbeat-period", "valueUnsignedInt": 1}]
    made = server.ask("POST", "Subscription", wanted)
    eventually(lambda: server.read(f"Subscription/{made['id']}")["status"] == "active")
    return made


def standing(server: Sekmet) -> list[Json]:
    return [each for each in server.found("RiskAssessment?_count=200") if each["status"] != "entered-in-error"]


def resting_on(server: Sekmet, *ids: str) -> list[Json]:
    """The assessments that stand and rest on results."""
    wanted = {f"Observation/{id_}" for id_ in ids}
    return [
        each
        for each in standing(server)
        if wanted <= {basis.get("reference", "").partition("/_history/")[0] for basis in each.get("basis", ())}
    ]


def with_topic(server: Sekmet) -> None:
    """Give the server a topic about Observations, made after the one it has about Patients."""
    basic = next(each for each in server.found("Basic?_count=200") if "patient-change" in json.dumps(each))
    text = json.dumps(basic).replace("patient-change", "observation-lab").replace("Patient", "Observation")
    made = json.loads(text.replace("patient_change", "observation_lab"))
    server.ask("PUT", f"Basic/{made['id']}", made)


def settled(running: Service) -> bool:
    return not running.figure("inbox_events") and not running.figure("worklist_tasks")


@pytest.mark.parametrize(
    "how",
    [{}, {"payload": False}, {"topic": TOPIC}, {"topic": TOPIC, "content": "empty"}],
    ids=["put", "ping", "id-only", "empty"],
)
def test_a_result_is_posted_and_an_assessment_appears(tmp_path: Path, server: Sekmet, how: dict[str, Any]) -> None:
    """A5.1, A5.2, A5.5 to A5.8."""
    with service(tmp_path, server.base, *QUICK) as running:
        eventually(lambda: running.figure('tasks_total{how="searched"}'))
        subscribed(server, running, **how)
        server.ask("PUT", "Observation/bmd", BMD)
        server.ask("PUT", "Observation/p1np", P1NP)
        [assessment] = eventually(lambda: resting_on(server, "bmd", "p1np"))
        eventually(lambda: settled(running))
        assert assessment["subject"]["reference"] == "Patient/one"
        assert len(standing(server)) == len(resting_on(server, "bmd", "p1np")) == 1
        kind = "event-notification" if how.get("topic") else "changed" if how.get("payload", True) else "ping"
        assert running.figure(f'events_total{{how="{kind}"}}') == 2


def test_our_own_writing_does_not_trigger_us(tmp_path: Path, server: Sekmet) -> None:
    """A5.15."""
    with service(tmp_path, server.base, *QUICK) as running:
        channel = {"type": "rest-hook", "endpoint": running.endpoint, "payload": "application/fhir+json",
                   "header": [f"Authorization: Bearer {SECRET}"]}  # fmt: skip
        wanted = {"resourceType": "Subscription", "status": "requested", "reason": "t", "criteria": "RiskAssessment?",
                  "channel": channel}  # fmt: skip
        server.ask("POST", "Subscription", wanted)
        subscribed(server, running)
        server.load([BMD, P1NP])
        eventually(lambda: running.figure('tasks_total{how="nobody"}'))
        eventually(lambda: settled(running))
        assert len(resting_on(server, "bmd", "p1np")) == 1
        again = running.figure('tasks_total{how="unchanged"}')
        time.sleep(2)
        assert running.figure('tasks_total{how="unchanged"}') == again


def test_what_happened_while_nobody_listened_is_caught_up_with(tmp_path: Path, server: Sekmet) -> None:
    """The server gives up telling; at the next start it is searched for."""
    port = free_port()
    with service(tmp_path, server.base, *QUICK, port=port) as running:
        eventually(lambda: running.figure('tasks_total{how="searched"}'))
        assert running.stop() in (0, -15)
    server.load([BMD, P1NP])
    with service(tmp_path, server.base, *QUICK, port=port):
        eventually(lambda: resting_on(server, "bmd", "p1np"))


def test_a_result_that_turns_out_wrong_takes_the_assessment_along(tmp_path: Path, server: Sekmet) -> None:
    with service(tmp_path, server.base, *QUICK) as running:
        subscribed(server, running)
        server.load([BMD, P1NP])
        [first] = eventually(lambda: resting_on(server, "bmd", "p1np"))
        server.ask("PUT", "Observation/p1np", P1NP | {"status": "entered-in-error"})
        eventually(lambda: resting_on(server, "bmd") and not resting_on(server, "p1np"))
        assert first["id"] not in {each["id"] for each in standing(server)}
        server.ask("DELETE", "Observation/bmd")
        running.tell("DELETE", "/Observation/bmd")
        eventually(lambda: not resting_on(server, "bmd"))


def test_what_cannot_be_done_waits_for_the_operator_who_has_it_tried_again(tmp_path: Path, server: Sekmet) -> None:
    with service(tmp_path, server.base, *QUICK, "--notification-tries", "1") as running:
        running.tell("PUT", "/Patient/unborn", b'{"resourceType": "Patient", "id": "unborn"}')
        eventually(lambda: running.figure("dead_letters"))
        listed = command(tmp_path, "inbox", "list").stdout.decode()
        assert "patient-missing" in listed
        assert "1 given up" in listed
        shown = command(tmp_path, "inbox", "show", "1").stdout.decode()
        assert "Patient/unborn" in shown
        server.load([PATIENT | {"id": "unborn"}, BMD | {"id": "b", "subject": {"reference": "Patient/unborn"}}])
        assert command(tmp_path, "inbox", "replay", "1").stdout.decode() == "1 will be tried again\n"
        eventually(lambda: resting_on(server, "b"))
        assert command(tmp_path, "inbox", "list").stdout.decode().startswith("0 given up")
    assert "Petrova" not in log(tmp_path)
    assert SECRET not in log(tmp_path)
    assert Counter(each["event"] for each in lines(tmp_path)).keys() <= {"exchange"}
