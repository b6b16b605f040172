"""Read conditions, procedures and family history as statements about the patient."""

from __future__ import annotations

from decimal import Decimal

from adapter.clinical.results import Statement, StatementKind
from adapter.fhir.datatypes import concept_of, concepts_of, quantity_of, start_of, time_of
from adapter.fhir.element import Element
from adapter.fhir.record import Record, Row, element_refused, status_problem
from adapter.problems import Problem, ProblemCode

# hl7.org/fhir/R4/valueset-condition-clinical.html. STU3 and DSTU2 have the same words as bare codes.
_OVER = frozenset({"inactive", "remission", "resolved"})
_CLINICAL = _OVER | {"active", "recurrence", "relapse"}
# What is only suspected is no fact about the patient; where nobody says how sure it is, it is as recorded.
_VERIFIED = frozenset({"confirmed"})
# Seen in US case reports that were converted from CDA.
_CDA_STATUSES = {
    ("http://snomed.info/sct", "55561003"): "active",
    ("http://snomed.info/sct", "73425007"): "inactive",
    ("http://snomed.info/sct", "413322009"): "resolved",
}
_PERFORMED = frozenset({"completed", "in-progress"})
_TOLD = frozenset({"completed", "partial"})
_YEARS = frozenset({"a", "year", "years"})


def condition_refusal(record: Record) -> Problem | None:
    """Why a Condition is not used: refuted, wrong, only suspected, or with a status that is not known."""
    for name, usable in (("verificationStatus", _VERIFIED), ("clinicalStatus", _CLINICAL)):
        for status in _statuses(record.root, name):
            if status not in usable:
                return element_refused(record, name, status)
    return None


def read_condition(record: Record) -> list[Row]:
    """A Condition: what the patient has or had."""
    root = record.root
    is_over = not _OVER.isdisjoint(_statuses(root, "clinicalStatus"))
    abated = root.choice("abatement")
    return [
        Statement(
            kind=StatementKind.CONDITION,
            where=record.where,
            entry=record.where,
            resource=record.resource,
            patient=record.patient,
            code=concept_of(root.one("code")),
            version=record.version,
            since=time_of(root, "onset"),
            until=time_of(root, "abatement"),
            recorded=root.time(record.shape.asserted),
            ended=is_over or (bool(abated) and root.json[abated] is not False),
            body_sites=concepts_of(root.many("bodySite")),
            onset_age=_age(root),
            security=record.security(),
        )
    ]


def procedure_refusal(record: Record) -> Problem | None:
    """Why a Procedure is not used: it was not done, or not finished."""
    if record.root.flag("notDone"):
        return record.refused(ProblemCode.STATUS_NOT_USABLE, "notDone", "the procedure was not done")
    return status_problem(record, _PERFORMED)


def read_procedure(record: Record) -> list[Row]:
    """A Procedure: what was done; the state it brings (a removed ovary, a transplant) is not over when the act is."""
    root = record.root
    return [
        Statement(
            kind=StatementKind.PROCEDURE,
            where=record.where,
            entry=record.where,
            resource=record.resource,
            patient=record.patient,
            code=concept_of(root.one("code")),
            version=record.version,
            since=start_of(root, record.shape.performed),
            body_sites=concepts_of(root.many("bodySite")),
            security=record.security(),
        )
    ]


def family_refusal(record: Record) -> Problem | None:
    """Why a FamilyMemberHistory is not used: nothing is known, or it was not asked."""
    if record.root.flag("notDone"):
        return record.refused(ProblemCode.STATUS_NOT_USABLE, "notDone", "the history was not taken")
    return status_problem(record, _TOLD)


def read_family_history(record: Record) -> list[Row]:
    """A FamilyMemberHistory: each condition of the relative."""
    relationship = concept_of(record.root.one("relationship"))
    return [
        Statement(
            kind=StatementKind.FAMILY_HISTORY,
            where=condition.where,
            entry=record.where,
            resource=record.resource,
            patient=record.patient,
            code=concept_of(condition.one("code")),
            version=record.version,
            relationship=relationship,
            recorded=record.root.time("date"),
            onset_age=_age(condition),
            security=record.security(),
        )
        for condition in record.root.many("condition")
    ]


def _statuses(root: Element, name: str) -> tuple[str, ...]:
    """The codes of a status: a CodeableConcept since R4, a bare code before; its text where it has no code."""
    found = root.json.get(name)
    if isinstance(found, str):
        return (found,) if found else ()
    concept = concept_of(root.one(name))
    codes = tuple(_CDA_STATUSES.get((coding.system, coding.code), coding.code) for coding in concept.codings)
    return codes or ((concept.text,) if concept.text else ())


def _age(element: Element) -> Decimal | None:
    """``onsetAge`` in years."""
    age = quantity_of(element.one("onsetAge"))
    return age.value if age and not age.comparator and (age.code or age.unit) in _YEARS else None
