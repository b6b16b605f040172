"""The job is killed with -9 wherever it may be, started again until it is done, and every patient has one assessment.

E45. ``pytest tests/campaigns --kills 200`` is the long form; what is counted is what the server holds.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from adapter.ledger import Ledger, State
from tests.campaigns.trap import Moment, Trap, trapped
from tests.entrypoints.building import LOW, MAIN
from tests.servers.sekmet import Sekmet, sekmet

Json = dict[str, Any]
_ROOT = Path(__file__).resolve().parents[2]
_WAYS = pytest.mark.parametrize("refuses_transactions", [False, True], ids=["in one transaction", "one by one"])
# A run that failed is tried again; what another copy is at work on is left to it.
_ORDERLY = (0, 3)


@contextmanager
def population(folder: Path, number: int, *, refuses_transactions: bool = False) -> Iterator[tuple[Sekmet, Trap]]:
    """A server with so many patients, and the trap before it."""
    with sekmet(folder / "server") as server:
        server.load([json.loads(encode(each)) for person in range(number) for each in _person(f"p{person}")])
        with trapped(server.base, folder / "ledger.sqlite", refuses_transactions=refuses_transactions) as trap:
            yield server, trap


def _person(id_: str) -> Iterator[Json]:
    for resource in LOW:
        if resource["resourceType"] == "Patient":
            yield {**resource, "id": id_}
        else:
            yield {**resource, "id": f"{id_}-{resource['id']}", "subject": {"reference": f"Patient/{id_}"}}


def started(folder: Path, base: str, patients: Sequence[str], *, name: str = "patients") -> subprocess.Popen[bytes]:
    """``osteo-fhir run`` on these patients, in this order."""
    (folder / name).write_text("\n".join(patients), "utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OSTEO_FHIR_")}
    arguments = ["run", "--server", base, "--patients", str(folder / name), "--as-of", "2026-06-15", "--workers", "2"]
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments, "--ledger", str(folder / "ledger.sqlite")],
            env={**environment, "PYTHONPATH": str(_ROOT)},
            stdout=log,
            stderr=log,
        )


def one_life(folder: Path, trap: Trap, patients: list[str], chance: random.Random) -> Moment | str:
    """Start the job, kill it at some moment, and say at which."""
    chance.shuffle(patients)
    moment = chance.choice([*Moment, None])
    trap.set(
        moment, chance.randint(1, 25) if moment is Moment.READING else chance.randint(1, 3), delay=chance.random() / 50
    )
    process = trap.victim = started(folder, trap.base, patients)
    try:
        process.wait(timeout=None if moment else 0.5 + chance.random())
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "at any time"
    return moment if moment and trap.sprung else "it ended before"


def brought_to_an_end(folder: Path, trap: Trap, patients: list[str]) -> None:
    """Let the job end by itself."""
    trap.set(None)
    process = started(folder, trap.base, patients)
    assert process.wait(timeout=600) == 0, (folder / "patients.log").read_text("utf-8")[-2000:]


def assert_each_was_assessed_once(server: Sekmet, number: int) -> None:
    """Count what the server holds."""
    assessments = server.found("RiskAssessment?_count=500")
    by_patient = Counter(each["subject"]["reference"].rpartition("/")[2] for each in assessments)
    targets = Counter(
        target["reference"].partition("/_history/")[0].rpartition("/")[2]
        for each in server.found("Provenance?_count=500")
        for target in each["target"]
        if "RiskAssessment" in target["reference"]
    )
    assert {patient: count for patient, count in by_patient.items() if count != 1} == {}, "double"
    assert len(by_patient) == number, "lost"
    assert targets == Counter({each["id"]: 1 for each in assessments})
    assert len(server.found("Device?_count=500")) == 1


def assert_the_ledger_agrees(folder: Path, server: Sekmet, number: int) -> None:
    """What the ledger says was written is what the server holds, and nobody is at work any more."""
    with closing(Ledger(folder / "ledger.sqlite", clock=lambda: datetime.now(UTC))) as ledger:
        written = ledger.entries(states=[State.WRITTEN])
        places = {place.partition("/_history/")[0] for each in written for place in each.written}
        assert len({each.patient for each in written}) == number
        assert {f"RiskAssessment/{each['id']}" for each in server.found("RiskAssessment?_count=500")} <= places
        assert ledger.leases() == []


@_WAYS
def test_a_job_that_is_killed_again_and_again_assesses_every_patient_once(
    tmp_path: Path, kills: int, refuses_transactions: bool, record_property: Any
) -> None:
    number = max(6, kills)
    patients, chance, deaths = [f"p{person}" for person in range(number)], random.Random(45), Counter[str]()  # noqa: S311
    with population(tmp_path, number, refuses_transactions=refuses_transactions) as (server, trap):
        while deaths.total() - deaths["it ended before"] < kills and deaths["it ended before"] < kills:
            deaths[one_life(tmp_path, trap, patients, chance)] += 1
        record_property("deaths", dict(deaths))
        brought_to_an_end(tmp_path, trap, patients)

        assert_each_was_assessed_once(server, number)
        assert_the_ledger_agrees(tmp_path, server, number)
    print(dict(deaths))  # noqa: T201 - shown with -s, and where the test fails
    assert deaths.total() - deaths["it ended before"] >= kills / 2


@_WAYS
@pytest.mark.parametrize("moment", Moment)
def test_a_job_that_is_killed_at_a_boundary_goes_on_from_there(
    tmp_path: Path, moment: Moment, refuses_transactions: bool
) -> None:
    with population(tmp_path, 2, refuses_transactions=refuses_transactions) as (server, trap):
        # The second write lies between the Device and the Provenance where resources are written one by one.
        trap.set(moment, 2 if refuses_transactions else 1, delay=0.003)
        trap.victim = started(tmp_path, trap.base, ["p0", "p1"])
        trap.victim.wait(timeout=60)
        assert trap.sprung, (tmp_path / "patients.log").read_text("utf-8")

        brought_to_an_end(tmp_path, trap, ["p0", "p1"])

        assert_each_was_assessed_once(server, 2)
        assert_the_ledger_agrees(tmp_path, server, 2)


@_WAYS
def test_two_copies_started_together_assess_every_patient_once(tmp_path: Path, refuses_transactions: bool) -> None:
    patients = [f"p{person}" for person in range(6)]
    with population(tmp_path, 6, refuses_transactions=refuses_transactions) as (server, trap):
        copies = [started(tmp_path, trap.base, patients, name=name) for name in ("first", "second")]
        codes = [copy.wait(timeout=120) for copy in copies]

        assert set(codes) <= set(_ORDERLY)
        assert_each_was_assessed_once(server, 6)
        assert_the_ledger_agrees(tmp_path, server, 6)


@_WAYS
def test_two_copies_that_do_not_share_a_ledger_assess_every_patient_once(
    tmp_path: Path, refuses_transactions: bool
) -> None:
    patients = [f"p{person}" for person in range(6)]
    with population(tmp_path, 6, refuses_transactions=refuses_transactions) as (server, trap):
        (tmp_path / "elsewhere").mkdir()
        copies = [started(folder, trap.base, patients) for folder in (tmp_path, tmp_path / "elsewhere")]
        codes = [copy.wait(timeout=120) for copy in copies]

        assert set(codes) <= set(_ORDERLY)
        assert_each_was_assessed_once(server, 6)
