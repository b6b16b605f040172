"""The assessment that stands for a patient when a new one comes: what it rested on, and whether it still may stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapter.fhir.decoding import decode
from adapter.fhir.entry import Entry as Came
from adapter.fhir.entry import holding
from adapter.fhir.identity import IDENTIFIER_SYSTEM
from adapter.fhir.references import literal
from adapter.fhir.releases import Release
from adapter.fhir.standing import standing_in
from adapter.fhir.versions import is_withdrawn
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.retracting import retract
from adapter.job.answers import single
from adapter.job.asking import said_by
from adapter.job.endings import Done, Ending
from adapter.job.fetching import Fetched
from adapter.ledger.entries import UNFINISHED, Entry, State
from adapter.ledger.ledger import Ledger
from adapter.problems import Problem

_WHY = (
    "Entered in error: a result that this assessment rests on was withdrawn or removed after it was made. "
    "该评估所依据的结果已被撤回或删除。"
)


class Earlier:
    """What was written before for one patient, as the ledger and the server know it."""

    def __init__(self, server: FhirServer, ledger: Ledger, patient: str, release: Release) -> None:
        """Take where it stands and where it is recorded."""
        self._server, self._ledger, self._patient, self._release = server, ledger, patient, release

    def standing(self, key: str) -> Entry | None:
        """The newest assessment that stands, other than the one that is about to be written."""
        for begun in self._recorded(*UNFINISHED):
            if begun.key not in (key, self._patient):
                self._settle(begun)
        standing = self._recorded(State.WRITTEN)
        for older in standing[1:]:
            # A crash came between writing the newer one and recording that it took this one's place.
            self._close(older, State.SUPERSEDED)
        return standing[0] if standing else None

    def taken_back(self, old: Entry, fetched: Fetched) -> Done:
        """Take the old assessment back if what it rested on was withdrawn; say what became of it."""
        nothing = Done(patient=self._patient, ending=Ending.NOTHING_TO_WRITE)
        reference = standing_reference(old)
        if not reference or all(self._stands(each, fetched) for each in old.evidence):
            return nothing
        result = retract(self._server, reference, reason=_WHY, release=self._release)
        if isinstance(result, Problem):
            # A person changed it, or it is gone: it is no longer ours to take back.
            self._close(old, State.SUPERSEDED, result.code)
            return msgspec.structs.replace(nothing, problems=(result,))
        self._close(msgspec.structs.replace(old, written=result.written), State.RETRACTED)
        return msgspec.structs.replace(nothing, retracted=result.written, problems=result.problems)

    def _stands(self, reference: str, fetched: Fetched) -> bool:
        """Whether a resource still is there, is not entered in error, and is this patient's."""
        link = literal(reference)
        if link is None or link.base not in ("", self._server.base):
            return True
        raw = fetched.held.get(link.local)
        if raw is None:
            answer = self._server.read(link.local)
            if answer is None:
                return False
            raw = answer.body
        subject = literal(single(raw).subject)
        return not _is_withdrawn(raw) and (subject is None or subject.local == self._patient)

    def _settle(self, begun: Entry) -> None:
        """Find out whether an assessment whose writing was begun and not ended is on the server."""
        written = begun.written or self._found(begun.key)
        state = (
            State.WRITTEN if standing_reference(msgspec.structs.replace(begun, written=written)) else State.SUPERSEDED
        )
        self._close(msgspec.structs.replace(begun, written=written), state)

    def _found(self, key: str) -> tuple[str, ...]:
        wanted: dict[str, Any] = {"resourceType": "RiskAssessment", "id": key}
        answer = self._server.read(f"RiskAssessment/{key}")
        if answer is not None:
            return (f"RiskAssessment/{key}",)
        if "identifier" not in said_by(self._server).of("RiskAssessment").search_parameters:
            return ()
        found = self._server.search("RiskAssessment", [("identifier", f"{IDENTIFIER_SYSTEM}|urn:uuid:{key}")])
        places = [place for page in found.pages for place in standing_in(page.data, wanted) or ()]
        return tuple(place.reference for place in places[:1])

    def _recorded(self, *states: State) -> list[Entry]:
        return self._ledger.entries(states=states, server=self._server.base, patient=self._patient)

    def _close(self, entry: Entry, state: State, reason: str = "") -> None:
        self._ledger.record(msgspec.structs.replace(entry, state=state, reason=reason))


def standing_reference(entry: Entry | None) -> str:
    """Where the RiskAssessment of an entry stands; empty where it was never written."""
    written = entry.written if entry else ()
    return next((each for each in written if each.startswith("RiskAssessment/")), "")


def is_taken_back(server: FhirServer, written: Sequence[str]) -> bool:
    """Whether the RiskAssessment that stood there before is one that somebody marked as entered in error.

    A server that finds it by ``ifNoneExist`` answers with its place alone (hl7.org/fhir/R4/http.html#ccreate).
    """
    reference = next((each for each in written if each.startswith("RiskAssessment/")), "")
    answer = server.read(reference.partition("/_history/")[0]) if reference else None
    return answer is not None and _is_withdrawn(answer.body)


def _is_withdrawn(raw: bytes) -> bool:
    resource = decode(raw, where="evidence")
    return not isinstance(resource, dict) or is_withdrawn(holding(Came("evidence"), resource))
