"""One patient from fetching to receipt, so that a stop at any moment loses nothing and writes nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapter.errors import ServerError
from adapter.fhir.amending import superseding
from adapter.fhir.releases import Release
from adapter.fhir.validation import validate
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.writing_back import write_back
from adapter.fhir_server.writing_back_ways import Habits
from adapter.job.asking import known_codes
from adapter.job.auditing import Audit
from adapter.job.earlier import Earlier, is_taken_back, standing_reference
from adapter.job.endings import Done, Ending
from adapter.job.fetching import Fetched, Fetcher
from adapter.job.turns import DeviceTurn
from adapter.knowledge.model import Knowledge
from adapter.ledger.entries import GIVEN_UP, Entry, State
from adapter.ledger.ledger import Ledger
from adapter.pipeline import Options, Outcome, assess_sources
from adapter.problems import Problem, ProblemCode, Severity

Resource = Mapping[str, Any]
_AMBIGUOUS = ProblemCode.SUBJECT_AMBIGUOUS
_EDITED = ProblemCode.EDITED_SINCE
# A server that is down is tried again by later runs; one that fails each time on the same patient is not, for ever.
_MOST_ATTEMPTS = 10


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator chose for all patients.

    Attributes:
        options: How to read and assess; without a release, the server's own is taken.
        owner: Who holds a patient while working on it: another name for each process.
        dry_run: Do everything but write, to the server and to the ledger.
        allow_incomplete: Write also where not everything came that was asked for.
        lease_seconds: How long a patient stays held if the process dies.
    """

    options: Options
    owner: str
    dry_run: bool = False
    allow_incomplete: bool = False
    lease_seconds: float = 900


class Job:
    """Assesses patients of one server, one call each; safe for threads."""

    def __init__(
        self,
        server: FhirServer,
        ledger: Ledger,
        knowledge: Knowledge,
        choices: Choices,
        *,
        as_of: Callable[[], datetime],
        audit: Audit | None = None,
    ) -> None:
        """Take the server, the record of what was written to it, what is known, and what was chosen.

        Args:
            server: Where the patients are.
            ledger: What was written there before.
            knowledge: The mappings.
            choices: What the operator chose.
            as_of: The moment of the next assessment.
            audit: Where it is recorded whose record was read and what was written.
        """
        self.server, self.ledger, self.codes = server, ledger, known_codes(knowledge)
        self._knowledge, self._choices, self._as_of = knowledge, choices, as_of
        self._audit = audit
        self._fetcher = Fetcher(server, self.codes)
        self._habits = Habits(device_turn=DeviceTurn(server, ledger, choices.owner))

    def assess_and_write(self, patient: str) -> Done:
        """Fetch, assess and write one patient; what goes wrong at the server is said, and costs no other.

        Args:
            patient: ``Patient/1``.

        Raises:
            LedgerUnusable: Nothing can be recorded, so nothing may be written.
        """
        if self._choices.dry_run:
            return self._tried(patient)
        if not self._hold(patient):
            return Done(patient=patient, ending=Ending.ELSEWHERE)
        try:
            return self._remembered(self._audited(self._tried(patient)))
        finally:
            self.ledger.release(self.server.base, patient, owner=self._owner)

    def write_assessed(self, patient: str, resources: Sequence[Resource], release: Release) -> Done:
        """Write an assessment that was made before, as ``convert`` makes them; the same rules hold, the same ledger.

        Args:
            patient: ``Patient/1``.
            resources: RiskAssessment, Device and Provenance, in this order.
            release: What they are written in.

        Raises:
            LedgerUnusable: Nothing can be recorded, so nothing may be written.
        """
        if not self._choices.dry_run and not self._hold(patient):
            return Done(patient=patient, ending=Ending.ELSEWHERE)
        try:
            done = self._concluded(patient, resources, Fetched(), release)
        except ServerError as error:
            done = Done(patient=patient, ending=Ending.FAILED, reason=error.code, may_retry=error.may_retry)
        finally:
            self.ledger.release(self.server.base, patient, owner=self._owner)
        return done if self._choices.dry_run else self._remembered(self._audited(done, release))

    @property
    def not_offered(self) -> tuple[str, ...]:
        """The types of context that the server does not offer: nothing they say is known of anybody."""
        return self._fetcher.not_offered

    @property
    def _owner(self) -> str:
        return f"{self._choices.owner}-{threading.get_ident()}"

    def _hold(self, patient: str) -> bool:
        seconds = self._choices.lease_seconds
        return self.ledger.claim(self.server.base, patient, owner=self._owner, seconds=seconds)

    def _tried(self, patient: str) -> Done:
        try:
            if self._speaks_unread_release():
                return Done(patient=patient, ending=Ending.REFUSED, reason="release-unread")
            return self._fetched(patient, self._read(patient))
        except ServerError as error:
            return Done(patient=patient, ending=Ending.FAILED, reason=error.code, may_retry=error.may_retry)

    def _read(self, patient: str) -> Fetched:
        succeeded = False
        try:
            fetched = self._fetcher.fetch(patient)
            succeeded = fetched.found and fetched.complete
        finally:
            # A record that was read in part was read.
            if self._audit is not None:
                self._audit.read(patient, self._release, succeeded=succeeded)
        return fetched

    def _audited(self, done: Done, release: Release | None = None) -> Done:
        """Record what was written; without a release, in the server's own, which is known by then."""
        if self._audit is None or not (done.written or done.retracted):
            return done
        return self._audit.done(done, release or self._release)

    @property
    def _release(self) -> Release:
        return self._options().release or Release.R4

    def _speaks_unread_release(self) -> bool:
        """Whether what the server means by its elements is not known, nor said by an operator who names the release."""
        said = self._fetcher.capabilities
        return bool(said.fhir_version) and said.release is None and self._choices.options.release is None

    def _fetched(self, patient: str, fetched: Fetched) -> Done:
        if not fetched.found:
            return Done(patient=patient, ending=Ending.MISSING, reason="patient-missing")
        if not fetched.complete and not self._choices.allow_incomplete:
            return Done(patient=patient, ending=Ending.INCOMPLETE, reason=fetched.shortfalls[0])
        outcome = assess_sources(fetched.sources, self._knowledge, as_of=self._as_of(), options=self._options())
        if _is_ambiguous(outcome):
            return Done(patient=patient, ending=Ending.REFUSED, reason=_AMBIGUOUS)
        person = next((each for each in outcome.patients if each.assessment.patient.reference == patient), None)
        if person is None:
            return Done(patient=patient, ending=Ending.REFUSED, reason="patient-replaced")
        unread = sum(problem.severity is Severity.ERROR for problem in outcome.problems)
        done = self._concluded(patient, person.resources, fetched, outcome.release)
        return msgspec.structs.replace(
            done,
            stratum=person.assessment.stratum,
            unread=unread,
            foreign=fetched.foreign,
            problems=(*fetched.problems, *done.problems),
        )

    def _concluded(self, patient: str, resources: Sequence[Resource], fetched: Fetched, release: Release) -> Done:
        """Write what is new, take back what no longer holds, and send nothing where nothing changed."""
        key = resources[0]["id"] if resources else ""
        history = self.ledger.history(self.server.base, patient)
        known = next((entry for entry in history if entry.key == key), None)
        foreseen = _foreseen(patient, resources, known, release)
        if self._choices.dry_run:
            return foreseen or Done(patient=patient, ending=Ending.WOULD_WRITE)
        # Of a file nothing says what became of the evidence of earlier ones: that is for the runs that look at it.
        if foreseen and foreseen.ending is Ending.UNCHANGED and (len(history) == 1 or not fetched.held):
            return foreseen
        if not self._hold(patient):
            return Done(patient=patient, ending=Ending.ELSEWHERE)
        earlier = Earlier(self.server, self.ledger, patient, release)
        if foreseen is None and known is not None and _stood(known):
            again = earlier.renewed(known, resources[0]["status"])
            if isinstance(again, Problem):
                foreseen = self._left_alone(known, again.code, (again,))
            else:
                known = again
        holds = foreseen is None or foreseen.ending is Ending.UNCHANGED
        revised = earlier.revised(history, key, fetched, stands=holds and bool(standing_reference(known)))
        done = foreseen or self._written(patient, resources, known, revised.replaced)
        if done.ending is Ending.WRITTEN and revised.replaced is not None:
            earlier.close_replaced(key)
        return msgspec.structs.replace(done, retracted=revised.retracted, problems=(*revised.problems, *done.problems))

    def _written(self, patient: str, resources: Sequence[Resource], known: Entry | None, old: Entry | None) -> Done:
        """Write the assessment, or what is missing of one that stands there and holds again."""
        entry = self._begun(patient, resources[0], known, old)
        if old is not None and not (known is not None and _stood(known)):
            resources = superseding(resources, standing_reference(old))
        return self._sent(entry, resources)

    def _sent(self, entry: Entry, resources: Sequence[Resource]) -> Done:
        """Send what is not there yet, recording each step, so that whoever comes after a crash goes on from there."""

        def step(written: tuple[str, ...]) -> None:
            nonlocal entry
            entry = msgspec.structs.replace(entry, written=written)
            self.ledger.record(entry)

        self.ledger.record(entry)
        try:
            receipt = write_back(self.server, resources, done=entry.written, step=step, habits=self._habits)
            # What stood there before was not written by this call: a person may have taken it back since.
            taken_back = not receipt.created and is_taken_back(self.server, receipt.written)
        except ServerError as error:
            return self._not_written(entry, error)
        entry = msgspec.structs.replace(entry, written=receipt.written)
        if taken_back:
            return self._left_alone(entry, _EDITED, receipt.problems)
        self._close(entry, State.WRITTEN)
        return Done(
            patient=entry.patient,
            ending=Ending.WRITTEN,
            key=entry.key,
            way=receipt.way,
            written=receipt.written,
            problems=receipt.problems,
        )

    def _left_alone(self, entry: Entry, reason: str, problems: tuple[Problem, ...]) -> Done:
        """A person has changed it, or it cannot be changed: it waits for a person."""
        self._close(entry, State.QUARANTINED, reason)
        return Done(patient=entry.patient, ending=Ending.REFUSED, reason=reason, problems=problems, key=entry.key)

    def _begun(self, patient: str, assessment: Resource, known: Entry | None, old: Entry | None) -> Entry:
        evidence = [basis["reference"] for basis in assessment.get("basis", ()) if "reference" in basis]
        return Entry(
            server=self.server.base,
            key=assessment["id"],
            patient=patient,
            state=State.WRITING,
            evidence=tuple(evidence),
            written=known.written if known else (),
            attempts=known.attempts + 1 if known else 1,
            replaces=old.key if old else (known.replaces if known else ""),
        )

    def _not_written(self, entry: Entry, error: ServerError) -> Done:
        """What time may mend stays begun, so that the next run goes on with it; the rest waits for a person."""
        may_retry = error.may_retry and entry.attempts < _MOST_ATTEMPTS
        self._close(entry, State.WRITING if may_retry else State.DEAD, error.code)
        return Done(patient=entry.patient, ending=Ending.FAILED, reason=error.code, may_retry=may_retry, key=entry.key)

    def _close(self, entry: Entry, state: State, reason: str = "") -> None:
        self.ledger.record(msgspec.structs.replace(entry, state=state, reason=reason))

    def _remembered(self, done: Done) -> Done:
        """Record what concerns the patient as a whole, and clear it once that is over."""
        base = self.server.base
        state = done.remembered_as
        if state is not None:
            key = done.key or done.patient
            known = self.ledger.entry(base, key) or Entry(server=base, key=key, patient=done.patient, state=state)
            self._close(known, state, done.reason)
        elif done.is_settled:
            before = self.ledger.entry(base, done.patient)
            if before is not None and before.state is not State.SUPERSEDED:
                self._close(before, State.SUPERSEDED)
        return done

    def _options(self) -> Options:
        options, said = self._choices.options, self._fetcher.capabilities
        return options if options.release else msgspec.structs.replace(options, release=said.release)


def _foreseen(patient: str, resources: Sequence[Resource], known: Entry | None, release: Release) -> Done | None:
    """How it ends where nothing is to be written; ``None`` where something is."""
    if not resources:
        return Done(patient=patient, ending=Ending.NOTHING_TO_WRITE)
    key = resources[0]["id"]
    if known is not None and known.state is State.WRITTEN:
        return Done(patient=patient, ending=Ending.UNCHANGED, written=known.written)
    if any(validate(resource, release) for resource in resources):
        return Done(patient=patient, ending=Ending.REFUSED, reason="output-invalid", key=key)
    if known is not None and known.state in GIVEN_UP:
        return Done(patient=patient, ending=Ending.FAILED, reason=known.reason, key=key)
    return None


def _stood(known: Entry) -> bool:
    """Whether an assessment was on the server before another took its place or it was taken back."""
    return known.state in (State.SUPERSEDED, State.RETRACTED) and bool(standing_reference(known))


def _is_ambiguous(outcome: Outcome) -> bool:
    """Whether something may be this patient's or another's: then nobody's assessment can be relied on."""
    told = [*outcome.problems, *(problem for person in outcome.patients for problem in person.set_aside)]
    return any(problem.code is _AMBIGUOUS for problem in told)
