"""The servers that are written to, each seen in the same way; a new one joins by adding itself to ``COUNTERPARTS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from adapter.fhir.releases import Release
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.transport import RequestsTransport
from tests.servers.medplum_engine import medplum
from tests.servers.picky import picky, statement
from tests.servers.sekmet import sekmet

Json = dict[str, Any]
IMPATIENT = Limits(patience=Patience(tries=2, first_wait=0.01))


@dataclass(frozen=True)
class Counterpart:
    """A running server: how we write to it, and how the test looks into it without our code.

    Attributes:
        server: Our client.
        release: The release it holds.
        has_races: Whether two writers at once may both create, since it takes neither our ids nor conditions.
    """

    server: FhirServer
    release: Release = Release.R4
    has_races: bool = False

    def found(self, kind: str) -> list[Json]:
        """Every resource of a type as the server holds it."""
        bundle = self.ask("GET", f"{kind}?_count=500").json()
        return [entry["resource"] for entry in bundle.get("entry", []) if entry["resource"]["resourceType"] == kind]

    def one(self, kind: str) -> Json:
        """The only resource of a type."""
        [only] = self.found(kind)
        return only

    def everything(self) -> list[Json]:
        """All that was ever written, with versions."""
        return [each for kind in ("RiskAssessment", "Device", "Provenance") for each in self.found(kind)]

    def edit(self, resource: Mapping[str, Any]) -> None:
        """Change a resource as a person at the server would."""
        place = f"{resource['resourceType']}/{resource['id']}"
        answer = self.ask("PUT", place, json=dict(resource), headers={"content-type": "application/fhir+json"})
        assert answer.ok, answer.text

    def clear(self) -> None:
        """Delete all that was written, last what others name."""
        for kind in ("Provenance", "RiskAssessment", "Device"):
            for each in self.found(kind):
                assert self.ask("DELETE", f"{kind}/{each['id']}").ok

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        """One request below the base."""
        return requests.request(method, f"{self.server.base}/{path}", timeout=30, **given)


def client(base: str) -> FhirServer:
    """Our client of a server on loopback; it does not wait long."""
    return FhirServer(base, RequestsTransport(), limits=IMPATIENT)


@contextmanager
def _sekmet(folder: Path) -> Iterator[Counterpart]:
    with sekmet(folder) as server:
        server.load([{"resourceType": "Patient", "id": "63"}])
        yield Counterpart(client(server.base))


@contextmanager
def _medplum(folder: Path) -> Iterator[Counterpart]:
    with medplum() as base:
        yield Counterpart(client(base))


@contextmanager
def _medplum_r5(folder: Path) -> Iterator[Counterpart]:
    with medplum(any_release=True) as base:
        yield Counterpart(client(base), Release.R5)


def _picky(*, has_races: bool = False, **habits: Any) -> Callable[[Path], AbstractContextManager[Counterpart]]:
    @contextmanager
    def run(folder: Path) -> Iterator[Counterpart]:
        with picky(**habits) as server:
            yield Counterpart(client(server.base), has_races=has_races)

    return run


def _no_bundle_no_condition(method: str, path: str, headers: Mapping[str, str]) -> int:
    return 400 if not path or "if-none-exist" in headers else 0


COUNTERPARTS: dict[str, Callable[[Path], AbstractContextManager[Counterpart]]] = {
    "sekmet": _sekmet,
    "medplum": _medplum,
    "medplum-r5": _medplum_r5,
    "says-update-create": _picky(metadata=statement(update_create=True)),
    "says-conditional-create": _picky(metadata=statement(conditional_create=True), takes_our_ids=False),
    "says-no-transaction": _picky(metadata=statement(transaction=False, update_create=True)),
    "takes-only-posts": _picky(has_races=True, refuses=_no_bundle_no_condition, takes_our_ids=False),
}
