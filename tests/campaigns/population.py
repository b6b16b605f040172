"""A server with patients on it, seen by the test without our code, and the job that is to assess them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from adapter.fhir.decoding import encode
from adapter.ledger import Ledger, State
from tests.campaigns.trap import Trap, Way, trapped
from tests.entrypoints.building import LOW, MAIN
from tests.servers.medplum_engine import medplum
from tests.servers.sekmet import sekmet

Json = dict[str, Any]
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Population:
    """Patients on a server.

    Attributes:
        base: The server itself.
        trap: The server as the job sees it.
        folder: Where the ledger and the job's logs are.
        patients: Their ids.
    """

    base: str
    trap: Trap
    folder: Path
    patients: list[str]

    def found(self, kind: str) -> list[Json]:
        """Every resource of a type as the server holds it."""
        bundle = requests.get(f"{self.base}/{kind}?_count=1000", timeout=60).json()
        assert not [link for link in bundle.get("link", []) if link["relation"] == "next"]
        return [entry["resource"] for entry in bundle.get("entry", []) if entry["resource"]["resourceType"] == kind]

    def started(
        self, patients: Sequence[str] = (), *, name: str = "job", ledger: str = "ledger.sqlite"
    ) -> subprocess.Popen[bytes]:
        """``osteo-fhir run`` on these patients in this order, or on all."""
        (self.folder / f"{name}.txt").write_text("\n".join(patients or self.patients), "utf-8")
        arguments = ["--server", self.trap.base, "--as-of", "2026-06-15", "--workers", "2"]
        files = ["--patients", str(self.folder / f"{name}.txt"), "--ledger", str(self.folder / ledger)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OSTEO_FHIR_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", MAIN, "run", *arguments, *files],
                env={**environment, "PYTHONPATH": str(_ROOT)},
                stdout=log,
                stderr=log,
            )

    def bring_to_an_end(self) -> None:
        """Let the job end by itself."""
        self.trap.set(None)
        assert self.started().wait(timeout=600) == 0, self.log()

    def log(self) -> str:
        """What the job said last."""
        return (self.folder / "job.log").read_text("utf-8")[-3000:]

    def assert_each_was_assessed_once(self) -> None:
        """Count what the server holds: an assessment for each patient, a Provenance for each, and one Device."""
        assessments = self.found("RiskAssessment")
        counts = Counter(each["subject"]["reference"].rpartition("/")[2] for each in assessments)
        assert {patient: count for patient, count in counts.items() if count > 1} == {}, "double"
        assert sorted(counts) == sorted(self.patients), "lost"
        targets = [target["reference"] for each in self.found("Provenance") for target in each["target"]]
        places = [reference.partition("/_history/")[0] for reference in targets if "RiskAssessment/" in reference]
        assert sorted(places) == sorted(f"RiskAssessment/{each['id']}" for each in assessments)
        assert len(self.found("Device")) == 1

    def assert_the_ledger_agrees(self) -> None:
        """What the ledger says was written is what the server holds, and nobody is at work any more."""
        with closing(Ledger(self.folder / "ledger.sqlite", clock=lambda: datetime.now(UTC))) as ledger:
            written = ledger.entries(states=[State.WRITTEN])
            places = {place.partition("/_history/")[0] for each in written for place in each.written}
            assert sorted(each.patient for each in written) == sorted(f"Patient/{each}" for each in self.patients)
            assert {f"RiskAssessment/{each['id']}" for each in self.found("RiskAssessment")} <= places
            assert ledger.leases() == []


@contextmanager
def population(folder: Path, kind: str, way: Way, number: int) -> Iterator[Population]:
    """So many patients on a server, and the trap before it, until the block ends."""
    with sekmet(folder / "server") if kind == "sekmet" else medplum() as server:
        base = server if isinstance(server, str) else server.base
        with trapped(base, folder / "ledger.sqlite", way) as trap:
            yield Population(base, trap, folder, [_loaded(base) for _ in range(number)])


def _loaded(base: str) -> str:
    """Put a patient with results on the server, and give the id that the server chose."""
    id_ = ""
    for resource in LOW:
        named = {} if resource["resourceType"] == "Patient" else {"subject": {"reference": f"Patient/{id_}"}}
        body = encode({name: value for name, value in {**resource, **named}.items() if name != "id"})
        headers = {"content-type": "application/fhir+json", "prefer": "return=representation"}
        answer = requests.post(f"{base}/{resource['resourceType']}", body, headers=headers, timeout=60)
        assert answer.ok, answer.text
        id_ = id_ or str(json.loads(answer.content)["id"])
    return id_
