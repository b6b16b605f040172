"""The assessment that stands for a patient when a new one comes: what it rested on, and whether it still may stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapter.errors import ServerError
from adapter.fhir.addresses import literal
from adapter.fhir.decoding import decode
from adapter.fhir.entry import Entry as Came
from adapter.fhir.entry import holding
from adapter.fhir.identity import IDENTIFIER_SYSTEM
from adapter.fhir.references import REPLACED
from adapter.fhir.releases import Release
from adapter.fhir.standing import object_in, standing_in
from adapter.fhir.versions import is_withdrawn
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.retracting import reinstate, retract
from adapter.job.answers import single
from adapter.job.asking import said_by
from adapter.job.fetching import Fetched
from adapter.ledger.entries import MAY_STAND, Entry, State
from adapter.ledger.ledger import Ledger
from adapter.problems import Problem, ProblemCode

_WITHDRAWN = (
    "Entered in error: a result that this assessment rests on was withdrawn or removed after it was made. "
    "该评估所依据的结果已被撤回或删除。"
)
_OVERTAKEN = (
    "Entered in error: what this assessment rests on no longer applies, and an earlier assessment holds again. "
    "该评估所依据的情况已不再适用，先前的评估重新有效。"
)
_AGAIN = (
    "This assessment holds again: what it rests on is there again, as it was. 该评估所依据的结果已恢复，评估重新有效。"
)


class Revised(msgspec.Struct):
    """What became of a patient's earlier assessments.

    Attributes:
        replaced: The one in whose place a new one comes, also where it was just taken back.
        retracted: What was taken back, with versions.
        problems: What went otherwise than planned.
    """

    replaced: Entry | None = None
    retracted: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


class Earlier:
    """What was written before for one patient, as the ledger and the server know it."""

    def __init__(self, server: FhirServer, ledger: Ledger, patient: str, release: Release) -> None:
        """Take where it stands and where it is recorded."""
        self._server, self._ledger, self._patient, self._release = server, ledger, patient, release
        self._seen: dict[str, bool] = {}

    def revised(self, history: Sequence[Entry], key: str, fetched: Fetched, *, stands: bool) -> Revised:
        """Find out what stands besides the assessment that holds now, and take back what may not stand beside it.

        That is what rests on evidence that was withdrawn; and where the assessment that holds now stands there since
        an earlier time, every later one: readers would take the newest that stands for the one that holds.

        Args:
            history: All that is known of the patient, the one that was begun first before the others.
            key: The assessment that holds now; empty where none does.
            fetched: What the server said of the patient.
            stands: Whether the assessment that holds now is on the server already.
        """
        revised = Revised()
        is_later = False
        for entry in history:
            if entry.key == key:
                is_later = stands
            elif self._may_stand(entry):
                self._revise(self._found_out(entry), fetched, revised, is_later=is_later)
        return revised

    def renewed(self, known: Entry, status: str) -> Entry | Problem | None:
        """An assessment that holds again, where it stood; ``None`` if it is gone, a problem if a person changed it.

        Args:
            known: What is recorded of it: superseded or retracted.
            status: The status with which it would be written now.
        """
        reference = standing_reference(known)
        if known.state is State.RETRACTED:
            result = reinstate(
                self._server,
                reference,
                status=status,
                reason=_AGAIN,
                ours=(_WITHDRAWN, _OVERTAKEN),
                release=self._release,
            )
            if isinstance(result, Problem):
                return None if result.code is ProblemCode.DELETED else result
            others = tuple(each for each in known.written if each != reference)
            return msgspec.structs.replace(known, written=(*result.written, *others))
        answer = self._server.read(reference.partition("/_history/")[0])
        if answer is not None and _is_withdrawn(answer.body):
            what = "it is marked as entered in error, and not by us"
            return Problem(ProblemCode.EDITED_SINCE, "RiskAssessment", what, "it was left alone", reference)
        return known if answer is not None else None

    def close_replaced(self, key: str) -> None:
        """Record that a newer one took the place of every other that stands."""
        for other in self._ledger.entries(states=[State.WRITTEN], server=self._server.base, patient=self._patient):
            if other.key != key:
                self._close(other, State.SUPERSEDED)

    def _may_stand(self, entry: Entry) -> bool:
        """Whether it may say something on the server and is ours to change: what a person changed is not."""
        is_left = entry.state is State.SUPERSEDED and (entry.reason or not standing_reference(entry))
        return entry.key != self._patient and entry.state in (*MAY_STAND, State.ASSESSED) and not is_left

    def _revise(self, entry: Entry, fetched: Fetched, revised: Revised, *, is_later: bool) -> None:
        if entry.state is State.WRITTEN:
            revised.replaced = entry
        if not standing_reference(entry):
            return
        if not all(self._stands(each, fetched) for each in entry.evidence):
            self._take_back(entry, _WITHDRAWN, revised)
        elif is_later:
            self._take_back(entry, _OVERTAKEN, revised)

    def _take_back(self, entry: Entry, why: str, revised: Revised) -> None:
        result = retract(self._server, standing_reference(entry), reason=why, release=self._release)
        if isinstance(result, Problem):
            # A person changed it, or it is gone: it is no longer ours to take back.
            self._close(entry, State.SUPERSEDED, result.code)
            revised.problems += (result,)
            return
        self._close(msgspec.structs.replace(entry, written=result.written), State.RETRACTED)
        revised.retracted += result.written
        revised.problems += result.problems

    def _stands(self, reference: str, fetched: Fetched) -> bool:
        """Whether a resource still is there, is not entered in error, and is this patient's."""
        link = literal(reference)
        if link is None or link.base not in ("", self._server.base):
            return True
        if link.local not in self._seen:
            self._seen[link.local] = self._stands_there(link.local, fetched)
        return self._seen[link.local]

    def _stands_there(self, local: str, fetched: Fetched) -> bool:
        raw = fetched.held.get(local)
        if raw is None:
            answer = self._server.read(local)
            if answer is None:
                return False
            raw = answer.body
        subject = literal(single(raw).subject)
        return not _is_withdrawn(raw) and (subject is None or self._is_hers(subject.local))

    def _is_hers(self, record: str) -> bool:
        """Whether a Patient is this one, or one that was replaced by it, whose results a file brings under both."""
        if record == self._patient:
            return True
        answer = self._server.read(record)
        links = object_in(answer.body).get("link") if answer is not None else None
        return any(_leads_to(each, self._patient) for each in (links if isinstance(links, list) else []))

    def _found_out(self, begun: Entry) -> Entry:
        """Whether an assessment that was tried to be written, and whose end is not known, is on the server."""
        if begun.state in (State.WRITTEN, State.SUPERSEDED):
            return begun
        written = begun.written if standing_reference(begun) else begun.written + self._found(begun.key)
        found = msgspec.structs.replace(begun, written=written, reason="")
        state = State.WRITTEN if standing_reference(found) else State.SUPERSEDED
        self._close(found, state)
        return msgspec.structs.replace(found, state=state)

    def _found(self, key: str) -> tuple[str, ...]:
        wanted: dict[str, Any] = {"resourceType": "RiskAssessment", "id": key}
        answer = self._server.read(f"RiskAssessment/{key}")
        if answer is not None:
            return (f"RiskAssessment/{key}",)
        if "identifier" not in said_by(self._server).of("RiskAssessment").search_parameters:
            return ()
        found = self._server.search("RiskAssessment", [("identifier", f"{IDENTIFIER_SYSTEM}|urn:uuid:{key}")])
        places = [place for page in found.pages for place in standing_in(page.data, wanted) or ()]
        if not places and not found.complete:
            raise ServerError("whether it stands there is not known", code="search-incomplete", may_retry=True)
        return tuple(place.reference for place in places[:1])

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


def _leads_to(link: object, patient: str) -> bool:
    """Whether a Patient's link says that it was replaced by this one."""
    other = link.get("other") if isinstance(link, dict) and link.get("type") in REPLACED else None
    reference = other.get("reference") if isinstance(other, dict) else None
    named = literal(reference) if isinstance(reference, str) else None
    return named is not None and named.local == patient


def _is_withdrawn(raw: bytes) -> bool:
    resource = decode(raw, where="evidence")
    return not isinstance(resource, dict) or is_withdrawn(holding(Came("evidence"), resource))
