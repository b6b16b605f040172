"""Patients for the tests of the job, and the job on a hospital that holds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapter.fhir.decoding import decode
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.retrying import Patience
from adapter.job.doing import Choices, Job
from adapter.ledger.ledger import Ledger
from adapter.mapping_files import load_knowledge
from adapter.pipeline import Options
from tests.job.hospital import BASE, Hospital
from tests.servers.ticking import Ticking

Json = dict[str, Any]
JOURNEYS = Path(__file__).parents[2] / "fixtures" / "journeys"
AS_OF = datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC)
KNOWLEDGE = load_knowledge()
MODERATE = "moderate-raised-turnover"
PATIENT = "Patient/p-01"


def journey(name: str = MODERATE) -> list[Json]:
    """The resources of one clinical state; its patient is p-01."""
    bundle: Any = decode((JOURNEYS / name / "input.json").read_bytes(), where=name)
    return [entry["resource"] for entry in bundle["entry"]]


def hospital_with(name: str = MODERATE, **habits: Any) -> Hospital:
    """A hospital that holds one clinical state."""
    hospital = Hospital(**habits)
    hospital.hold(*journey(name))
    return hospital


def server_of(hospital: Hospital) -> FhirServer:
    """Our client of a hospital; it waits only on the test's clock."""
    return FhirServer(BASE, hospital, clock=Ticking(), limits=Limits(patience=Patience(tries=2)))


def ledger_at(folder: Path) -> Ledger:
    """The ledger in a folder."""
    return Ledger(folder / "ledger.sqlite", clock=lambda: datetime.now(UTC))


def job_on(hospital: Hospital, folder: Path, *, owner: str = "test", **choices: Any) -> Job:
    """The job as a process of its own would make it."""
    chosen = Choices(options=choices.pop("options", Options()), owner=owner, **choices)
    return Job(server_of(hospital), ledger_at(folder), KNOWLEDGE, chosen, as_of=lambda: AS_OF)


NAME, NUMBER, VALUE, BORN = "Kanarienvogel", "4711-0815-CANARY", "812.7731", "1963-03-14"
CANARY = "Patient/canary-77"


def canary() -> list[Json]:
    """A patient whose name, number and result would be recognised anywhere."""
    text = json.dumps(journey(), default=float).replace(PATIENT, CANARY)
    resources: list[Json] = json.loads(text)
    for each in resources:
        if each["resourceType"] == "Patient":
            each |= {
                "id": "canary-77",
                "birthDate": BORN,
                "name": [{"family": NAME}],
                "identifier": [{"system": "urn:mrn", "value": NUMBER}],
            }
        elif each["id"] == "ctx":
            each["valueQuantity"]["value"] = float(VALUE)
            each["note"] = [{"text": f"{NAME} {NUMBER}"}]
    return resources
