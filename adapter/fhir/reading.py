"""Read everything that came in: every entry becomes rows, is set aside with a problem, or is irrelevant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from adapter.clinical.patient import Patient
from adapter.clinical.results import LabResult, ReportedPrediction, Statement
from adapter.errors import InputUnreadable
from adapter.fhir.addresses import address_caution
from adapter.fhir.contained_results import contained_results, contains_results
from adapter.fhir.detection import detect, releases_of, stated_release, stated_version
from adapter.fhir.element import Element, shown
from adapter.fhir.entries import split
from adapter.fhir.entry import Entry
from adapter.fhir.medications import medication_refusal, read_medication
from adapter.fhir.observations import observation_refusal, read_observation
from adapter.fhir.patients import patient_refusal, read_patient
from adapter.fhir.plain_shapes import LOOKED_UP, PlainObservation
from adapter.fhir.predictions import prediction_refusal, read_predictions
from adapter.fhir.record import Record, Row, refusal
from adapter.fhir.references import Placed, References
from adapter.fhir.releases import READ, Release
from adapter.fhir.resource_types import RESOURCE_TYPES
from adapter.fhir.statements import (
    condition_refusal,
    family_refusal,
    procedure_refusal,
    read_condition,
    read_family_history,
    read_procedure,
)
from adapter.fhir.versions import is_withdrawn, outdated
from adapter.problems import Problem, ProblemCode, Severity


class Source(msgspec.Struct, frozen=True, gc=False):
    """One file, or one body, with the name it has in paths."""

    name: str
    data: bytes


class SetAside(msgspec.Struct, frozen=True, gc=False):
    """A problem with the entry it concerns and the patient it belongs to, if that is known.

    A problem whose ``used`` is true is a caution: the entry has rows as well.
    """

    entry: str
    patient: str
    problem: Problem


class Reading(msgspec.Struct):
    """Everything that came in, as reported.

    Attributes:
        release: What all of it was read as.
        patients: By key; those that results only refer to are among them with ``known`` false.
        set_aside: What was not used, and cautions about what was.
        problems: What concerns no entry: how the release was found out.
        irrelevant: The entries that hold nothing we read, each with its patient's key or empty.
        retracted: The resources that were deleted or entered in error, so that earlier assessments can be looked up.
        entries: How many entries came in.
    """

    release: Release = Release.R4
    patients: dict[str, Patient] = {}
    results: list[LabResult] = []
    statements: list[Statement] = []
    predictions: list[ReportedPrediction] = []
    set_aside: list[SetAside] = []
    problems: list[Problem] = []
    irrelevant: list[tuple[str, str]] = []
    retracted: list[str] = []
    entries: int = 0


class _Kind(msgspec.Struct, frozen=True, gc=False):
    """How one resource type is read."""

    refuse: Callable[[Record], Problem | None]
    read: Callable[[Record], list[Row]]


_MEDICATION = _Kind(medication_refusal, read_medication)
_KINDS: Mapping[str, _Kind] = {
    "Observation": _Kind(observation_refusal, read_observation),
    "RiskAssessment": _Kind(prediction_refusal, read_predictions),
    "Condition": _Kind(condition_refusal, read_condition),
    "Procedure": _Kind(procedure_refusal, read_procedure),
    "FamilyMemberHistory": _Kind(family_refusal, read_family_history),
    "MedicationRequest": _MEDICATION,
    "MedicationStatement": _MEDICATION,
    "MedicationAdministration": _MEDICATION,
    "MedicationDispense": _MEDICATION,
}
# All others are irrelevant, whatever they say.
_THEN = "the entry was set aside"
READ_TYPES = frozenset({"Patient", *_KINDS})


def read(
    sources: Iterable[Source],
    *,
    release: Release | None,
    allow_preliminary: bool = False,
    carefully: bool = False,
) -> Reading:
    """Read all sources as one input: references lead from any of them to any other.

    Args:
        sources: Files or bodies; one that cannot be read at all is set aside and costs no other.
        release: The release to read as; ``None`` lets the input's own marks decide, else R4.
        allow_preliminary: Whether preliminary results are read too.
        carefully: Whether to read even what is plain by the careful lane; both lanes give the same rows.
    """
    entries = [entry for source in named_apart(sources) for entry in _entries(source, carefully=carefully)]
    return read_entries(entries, release=release, allow_preliminary=allow_preliminary)


def read_entries(
    entries: Sequence[Entry],
    *,
    release: Release | None,
    allow_preliminary: bool = False,
    visitors: Collection[int] = frozenset(),
    bases: Collection[str] = frozenset(),
) -> Reading:
    """Read entries as one input, or as one part of a larger one.

    Args:
        entries: In the order in which they came.
        release: The release to read as; a part is told what was found out about the whole.
        allow_preliminary: Whether preliminary results are read too.
        visitors: Which entries belong to another part, and are here because others mean them or are their versions.
        bases: The service bases of which the other parts speak.
    """
    release, notice = detect(entries, release)
    references = References(entries, bases)
    stale = {id(placed): problem for versions in references.versions() for placed, problem in outdated(versions)}
    home = [placed for index, placed in enumerate(references.placed) if index not in visitors]
    reading = Reading(release, problems=[notice] if notice else [], entries=len(home))
    has_plain = release is not Release.STU3
    looks_up = not LOOKED_UP.isdisjoint([entry.type for entry in entries])
    for placed in home:
        entry, plain = placed.entry, placed.entry.plain
        problem = entry.problem or stale.get(id(placed))
        if plain is not None and has_plain and problem is None and not (looks_up and plain.looks_up):
            _read_plain(reading, placed, plain, references)
            continue
        record = _record(placed, references, release, allow_preliminary=allow_preliminary)
        problem = _refusal_unread(entry, release) or problem
        patient, rows = _read_one(record, problem)
        if contains_results(entry):
            rows = [*rows, *contained_results(record, _owner(record), problem)]
        _file(reading, placed, patient, rows)
    addressed = (placed.entry for placed in home if placed.entry.full_url)
    reading.problems += [caution for entry in addressed if (caution := address_caution(entry)) is not None]
    _add_unknown_patients(reading)
    _drop_idle_cautions(reading)
    return reading


def named_apart(sources: Iterable[Source]) -> Iterable[Source]:
    """Give files of the same name different ones, so that every path means one place."""
    names: Counter[str] = Counter()
    for source in sources:
        names[source.name] += 1
        count = names[source.name]
        yield source if count == 1 else Source(f"{source.name} ({count})", source.data)


def _entries(source: Source, *, carefully: bool) -> Sequence[Entry]:
    try:
        return split(source.data, source.name, carefully=carefully)
    except InputUnreadable as error:
        then = "nothing of it was read"
        problem = Problem(ProblemCode.JSON_INVALID, source.name, error.sentence, then, values=error.values)
        return [Entry(source.name, problem=problem)]


def _record(placed: Placed, references: References, release: Release, *, allow_preliminary: bool) -> Record:
    root = Element(placed.entry.resource or {}, placed.entry.where)
    return Record(root, placed, references, READ[release], allow_preliminary)


def _refusal_unread(entry: Entry, release: Release) -> Problem | None:
    """Why an entry is not even looked into."""
    if entry.problem is not None or (entry.resource is None and not entry.deletes):
        return entry.problem
    if entry.deletes:
        what, then = "the resource was deleted", "no version of it in the input is used"
        return Problem(ProblemCode.DELETED, entry.where, what, then, severity=Severity.INFORMATION)
    if not entry.type:
        return Problem(ProblemCode.ENTRY_INVALID, entry.where, "there is no resourceType, so it is no FHIR", _THEN)
    if entry.type not in RESOURCE_TYPES:
        values = {"type": shown(entry.type)}
        return Problem(
            ProblemCode.TYPE_UNKNOWN, entry.where, "FHIR knows no resource type {type}", _THEN, values=values
        )
    if entry.type == "OperationOutcome":
        return _told_by_server(entry)
    if stated_version(entry) and stated_release(entry) is None:
        what, then = "it declares FHIR {version}, which is not read here", "what came with it was read all the same"
        values = {"version": shown(stated_version(entry))}
        return Problem(ProblemCode.RELEASE_MIXED, f"{entry.where}.fhirVersion", what, then, values=values)
    if entry.type in READ_TYPES and release not in releases_of(entry):
        what = "its elements exist only in another release than the one that everything is read as"
        return Problem(ProblemCode.RELEASE_MIXED, entry.where, what, _THEN)
    return None


def _told_by_server(outcome: Entry) -> Problem | None:
    """The gravest issue of an OperationOutcome; its words may name the patient, so only its code is told."""
    issues = Element(outcome.resource or {}, outcome.where).many("issue")
    for word, severity in _GRAVE.items():
        for issue in issues:
            if issue.text("severity") == word:
                return Problem(
                    ProblemCode.OPERATION_OUTCOME,
                    outcome.where,
                    "the server reports {severity}: {code}",
                    "what else came in was read",
                    severity=severity,
                    values={"severity": word, "code": shown(issue.text("code"))},
                )
    return None


_GRAVE = {"fatal": Severity.ERROR, "error": Severity.ERROR, "warning": Severity.WARNING}


def _read_one(record: Record, problem: Problem | None) -> tuple[str, Sequence[Row | Patient]]:
    """The patient that an entry belongs to, and what it says; nothing, if it says nothing to us."""
    entry = record.placed.entry
    if entry.type == "Patient" and problem is None:
        return record.references.surviving(record.resource), _read_patient(record)
    kind = _KINDS.get(entry.type)
    owner: str | Problem = _owner(record)
    patient = owner if isinstance(owner, str) else ""
    if problem is not None or kind is None:
        return patient, [problem] if problem else []
    problem = kind.refuse(record) or refusal(record)
    if problem is not None:
        return patient, [problem]
    if isinstance(owner, Problem):
        return patient, [owner]
    rows = kind.read(msgspec.structs.replace(record, patient=owner))
    return patient, record.root.distinct_faults() or rows


def _owner(record: Record) -> str | Problem:
    """Whose the resource is: its ``subject``, or ``patient`` as some types call it."""
    if record.placed.entry.type == "Patient":
        return record.references.surviving(record.resource)
    name = "subject" if "subject" in record.root.json else "patient"
    return record.references.patient(record.root.one(name), record.placed)


def _read_plain(reading: Reading, placed: Placed, plain: PlainObservation, references: References) -> None:
    """The result of an Observation that the fast lane read: all that is left to say is whose it is."""
    where = placed.entry.where
    owner = references.owner(plain.subject, placed)
    if isinstance(owner, str):
        reading.results.append(plain.result(where, placed.key, owner))
    else:
        _file(reading, placed, "", [msgspec.structs.replace(owner, where=f"{where}.subject")])


def _read_patient(record: Record) -> Sequence[Row | Patient]:
    problem = refusal(record) or patient_refusal(record)
    if problem is not None:
        return [problem]
    if record.root.faults:
        return record.root.faults
    patient, cautions = read_patient(record)
    return [patient, *cautions]


def _file(reading: Reading, placed: Placed, patient: str, rows: Sequence[Row | Patient]) -> None:
    """Put the rows of one entry where they belong; an entry without any is irrelevant."""
    entry = placed.entry
    if entry.deletes or is_withdrawn(entry):
        reading.retracted.append(placed.key)
    if not rows:
        reading.irrelevant.append((entry.where, patient))
    for row in rows:
        if isinstance(row, Problem):
            named = msgspec.structs.replace(row, resource=row.resource or _name(placed))
            reading.set_aside.append(SetAside(entry.where, patient, named))
        else:
            _add(reading, row)


def _add(reading: Reading, row: LabResult | Statement | ReportedPrediction | Patient) -> None:
    match row:
        case LabResult():
            reading.results.append(row)
        case Statement():
            reading.statements.append(row)
        case ReportedPrediction():
            reading.predictions.append(row)
        case Patient():
            _add_patient(reading, row)


def _name(placed: Placed) -> str:
    entry = placed.entry
    return placed.key if entry.id or entry.full_url or entry.deletes else ""


def _add_patient(reading: Reading, patient: Patient) -> None:
    """Keep one Patient per identity; copies add nothing, and copies that contradict each other prove nothing."""
    known = reading.patients.setdefault(patient.key, patient)
    if known is patient:
        return
    if known.known and msgspec.structs.replace(patient, where=known.where, version=known.version) == known:
        what, code, severity = "the same Patient came twice", ProblemCode.DUPLICATE, Severity.INFORMATION
    else:
        what, code, severity = "two Patients of one identity differ", ProblemCode.CONFLICT, Severity.ERROR
        if known.known:
            reading.set_aside.append(
                SetAside(known.where, known.key, Problem(code, known.where, what, resource=known.key))
            )
            reading.patients[known.key] = Patient(key=known.key, reference=known.reference, known=False)
    problem = Problem(code, patient.where, what, "the Patient was set aside", patient.key, severity)
    reading.set_aside.append(SetAside(patient.where, patient.key, problem))


def _drop_idle_cautions(reading: Reading) -> None:
    """Forget cautions about an entry that was set aside in the end: nothing is used that they could warn of."""
    if not any(aside.problem.used for aside in reading.set_aside):
        return
    used = {row.entry for row in _rows(reading)}
    used |= {patient.where for patient in reading.patients.values() if patient.known}
    reading.set_aside = [aside for aside in reading.set_aside if not aside.problem.used or aside.entry in used]


def _add_unknown_patients(reading: Reading) -> None:
    """Name the patients that results refer to though no Patient came: their sex and age are not known."""
    for key in dict.fromkeys(row.patient for row in _rows(reading)):
        if key in reading.patients:
            continue
        reading.patients[key] = Patient(key=key, reference=key, known=False)
        what, then = "results name a Patient that did not come", "they were read without sex and age"
        problem = Problem(ProblemCode.PATIENT_MISSING, "", what, then, key, Severity.WARNING, used=True)
        reading.problems.append(problem)


def _rows(reading: Reading) -> Iterable[LabResult | Statement | ReportedPrediction]:
    return chain(reading.results, reading.statements, reading.predictions)
