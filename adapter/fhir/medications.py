"""Read requests, statements, administrations and dispenses of medicines as statements about the patient."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from adapter.clinical.results import Concept, Statement, StatementKind
from adapter.clinical.time import ClinicalTime, clinical_time
from adapter.fhir.datatypes import concept_of, end_of, quantity_of, start_of
from adapter.fhir.dosages import daily_dose
from adapter.fhir.element import Element, shown
from adapter.fhir.record import Record, Row, status_problem
from adapter.problems import Problem, ProblemCode

# The usable statuses, and whether each says that the medication is over. Requests that were only drafted or were
# cancelled, medicines that were not taken, and what nobody knows, are no medication.
_REQUESTED = {"active": False, "on-hold": False, "completed": True, "stopped": True, "ended": True}
_STATED = {"active": False, "on-hold": False, "completed": True, "stopped": True, "recorded": False}
_ADMINISTERED = {"in-progress": False, "on-hold": False, "completed": True, "stopped": True}
_DISPENSED = {"in-progress": False, "on-hold": False, "completed": True, "stopped": True}
_STATUSES: Mapping[str, Mapping[str, bool]] = {
    "MedicationRequest": _REQUESTED,
    "MedicationStatement": _STATED,
    "MedicationAdministration": _ADMINISTERED,
    "MedicationDispense": _DISPENSED,
}
_ORDERS = frozenset({"", "order", "original-order", "reflex-order", "filler-order", "instance-order"})
_DAYS_BEYOND_REASON = 3653
_TAKEN = frozenset({"", "y"})


def medication_refusal(record: Record) -> Problem | None:
    """Why a medication resource is not used: not ordered, not given, not taken, or nobody knows."""
    root = record.root
    for name in ("doNotPerform", "notGiven", "notDone"):
        if root.flag(name):
            return record.refused(ProblemCode.STATUS_NOT_USABLE, name, "{element} is true", {"element": name})
    if root.text("intent") not in _ORDERS and not _is_reported_plan(root):
        intent = {"value": shown(root.text("intent"))}
        return record.refused(ProblemCode.STATUS_NOT_USABLE, "intent", "intent is {value}, no order", intent)
    if root.text("taken") not in _TAKEN or _adherence(root).startswith(("not-taking", "unknown")):
        return record.refused(ProblemCode.STATUS_NOT_USABLE, "", "the medicine is not known to be taken")
    return status_problem(record, frozenset(_STATUSES[record.placed.entry.type]))


def read_medication(record: Record) -> list[Row]:
    """A medication: which medicine, since when, until when, and how much a day."""
    code = _medicine(record)
    if isinstance(code, Problem):
        return [code]
    root, type_ = record.root, record.placed.entry.type
    since, until = _SPANS[type_](record)
    is_over = _STATUSES[type_][root.text("status")] or _adherence(root).startswith("stopped")
    return [
        Statement(
            kind=StatementKind.MEDICATION,
            where=record.where,
            entry=record.where,
            resource=record.resource,
            patient=record.patient,
            code=code,
            version=record.version,
            since=since,
            until=until,
            recorded=root.time("authoredOn") or root.time("dateAsserted"),
            ended=is_over,
            daily_dose=daily_dose(_dosages(root, type_)),
            security=record.security(),
        )
    ]


def _is_reported_plan(root: Element) -> bool:
    """US Core reports what a patient takes as a request with the intent ``plan``."""
    return root.text("intent") == "plan" and (root.flag("reportedBoolean") is True or root.has("reportedReference"))


def _adherence(root: Element) -> str:
    adherence = root.one("adherence")
    codings = concept_of(adherence.one("code")).codings if adherence else ()
    return next((coding.code for coding in codings), "")


def _medicine(record: Record) -> Concept | Problem:
    """The medicine's code: written here, or on the Medication that is referred to."""
    if record.shape.medication_is_reference:
        either = record.root.one("medication")
        concept, reference = (either.one("concept"), either.one("reference")) if either else (None, None)
    else:
        record.root.choice("medication")
        concept, reference = record.root.one("medicationCodeableConcept"), record.root.one("medicationReference")
    if reference is None or concept is not None:
        return concept_of(concept)
    medication = record.resolved(reference, "Medication")
    if medication is None or medication.text("status") == "entered-in-error":
        what = "the Medication it refers to did not come, or was entered in error"
        return record.refused(ProblemCode.FACTOR_NOT_USABLE, "medication", what)
    code = concept_of(medication.one("code"))
    for fault in medication.faults:
        return record.refused(fault.code, "medication", fault.sentence, fault.values)
    return code


def _dosages(root: Element, type_: str) -> list[Element]:
    if type_ == "MedicationAdministration":
        return []
    return root.many("dosage" if type_ == "MedicationStatement" else "dosageInstruction")


Span = tuple[ClinicalTime | None, ClinicalTime | None]


def _requested(record: Record) -> Span:
    """From the bounds of the dosage where they are given, else from when it was written."""
    root = record.root
    if root.has("effectiveDosePeriod"):
        return start_of(root, "effectiveDose"), end_of(root, "effectiveDose")
    for dosage in root.many("dosageInstruction"):
        timing = dosage.one("timing")
        repeat = timing.one("repeat") if timing else None
        if repeat is not None and repeat.has("boundsPeriod"):
            return start_of(repeat, "bounds") or root.time("authoredOn"), end_of(repeat, "bounds")
    return root.time("authoredOn"), None


def _stated(record: Record) -> Span:
    return start_of(record.root, "effective"), end_of(record.root, "effective")


def _administered(record: Record) -> Span:
    """One administration is over when it was given; a span of them at its end."""
    stem = record.shape.administered
    since = start_of(record.root, stem)
    is_span = record.root.choice(stem).endswith("Period")
    return since, end_of(record.root, stem) if is_span else since


def _dispensed(record: Record) -> Span:
    """From the handing over for as many days as were supplied."""
    since = record.root.time("whenHandedOver") or record.root.time("whenPrepared")
    supply = quantity_of(record.root.one("daysSupply"))
    if since is None or supply is None or supply.comparator or not 0 < (supply.value or 0) < _DAYS_BEYOND_REASON:
        return since, None
    try:
        return since, clinical_time((since.latest + timedelta(days=int(supply.value or 0))).date().isoformat())
    except OverflowError:
        return since, None


_SPANS = {
    "MedicationRequest": _requested,
    "MedicationStatement": _stated,
    "MedicationAdministration": _administered,
    "MedicationDispense": _dispensed,
}
