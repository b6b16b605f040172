"""The Device that all patients share is made once, however many begin at the same moment."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import ServerError
from adapter.fhir_server.messages import Request
from adapter.job.endings import Ending
from adapter.job.running import Tally, run
from adapter.job.turns import DeviceTurn
from tests.job.building import job_on, journey, ledger_at, server_of
from tests.job.hospital import BASE, Hospital, statement

PEOPLE = [f"Patient/p-{number}" for number in range(8)]


def plain_creates() -> dict[str, Any]:
    """A server that takes neither transactions nor ids of ours nor conditions."""
    said = statement()
    said["rest"][0]["interaction"] = []
    for each in said["rest"][0]["resource"]:
        each["conditionalCreate"] = False
    return said


def slow_hospital() -> Hospital:
    """Eight patients, and a create that takes so long that others begin theirs meanwhile."""
    hospital = Hospital(metadata=plain_creates())
    for patient in PEOPLE:
        _, _, number = patient.partition("-")
        for each in journey():
            is_person = each["resourceType"] == "Patient"
            own = (
                {"id": f"p-{number}"}
                if is_person
                else {"id": f"{each['id']}-{number}", "subject": {"reference": patient}}
            )
            hospital.hold({**each, **own})

    def wait(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/Device"):
            time.sleep(0.1)

    hospital.before = wait
    return hospital


def test_workers_and_processes_that_begin_together_make_one_device(tmp_path: Path) -> None:
    """E32, where the server takes only plain creates"""
    hospital = slow_hospital()
    tallies: list[Tally] = []

    def copy(owner: str) -> None:
        do = job_on(hospital, tmp_path, owner=owner).assess_and_write
        tallies.append(run(do, PEOPLE, workers=4, tell=lambda done: None, stop=threading.Event()))

    copies = [threading.Thread(target=copy, args=(owner,)) for owner in ("one", "other")]
    for each in copies:
        each.start()
    for each in copies:
        each.join()
    assert sum(tally.endings[Ending.WRITTEN] for tally in tallies) == len(PEOPLE)
    assert [len(hospital.all(kind)) for kind in ("Device", "RiskAssessment", "Provenance")] == [1, 8, 8]
    assert ledger_at(tmp_path).leases() == []


def test_a_turn_that_does_not_come_is_worth_another_try(tmp_path: Path) -> None:
    hospital, ledger = Hospital(), ledger_at(tmp_path)
    ledger.claim(BASE, "Device", owner="one that hangs", seconds=600)
    with (
        pytest.raises(ServerError, match="still writing the Device") as awaited,
        DeviceTurn(server_of(hospital), ledger, "us"),
    ):
        pass
    assert (awaited.value.code, awaited.value.may_retry) == ("device-awaited", True)


def test_a_turn_ends_with_an_error_too(tmp_path: Path) -> None:
    turn = DeviceTurn(server_of(Hospital()), ledger_at(tmp_path), "us")
    with pytest.raises(KeyError), turn:
        raise KeyError
    with turn:
        assert [each.patient for each in ledger_at(tmp_path).leases()] == ["Device"]
