"""Read an Observation as the results it reports: its own, and one per component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from adapter.clinical.results import (
    Coding,
    Concept,
    LabResult,
    LabTest,
    ReferenceRange,
    ReportedOther,
    ReportedQuantity,
    ReportedText,
    ReportedValue,
)
from adapter.clinical.time import ClinicalTime
from adapter.fhir.datatypes import (
    concept_of,
    concepts_of,
    identifiers_of,
    name_of,
    notes_of,
    period_of,
    quantity_of,
    range_of,
    ratio_of,
    time_of,
)
from adapter.fhir.element import Element
from adapter.fhir.entry import object_at, text_at
from adapter.fhir.record import Record, Row, status_problem
from adapter.fhir.specimens import sample_of
from adapter.problems import Problem, ProblemCode, Severity

_USABLE = frozenset({"final", "amended", "corrected"})
_USABLE_OR_PRELIMINARY = _USABLE | {"preliminary"}


def observation_refusal(record: Record) -> Problem | None:
    """Why an Observation is not used whatever it reports: it does not stand, or is about somebody else."""
    problem = status_problem(record, _USABLE_OR_PRELIMINARY if record.allow_preliminary else _USABLE)
    if problem is None and _is_about_something_else(record):
        what = "the focus says that the result is about somebody or something other than the subject"
        return record.refused(ProblemCode.FOCUS_ELSEWHERE, "focus", what)
    return problem


def read_observation(record: Record) -> list[Row]:
    """The results of one Observation; a panel heading is a result without value."""
    root = record.root
    components = root.many("component", apart=True)
    shared = _shared(record)
    rows: list[Row] = []
    if not components or root.choice("value") or root.has("dataAbsentReason"):
        rows += _result(shared, root, shared.code, components)
    for component in components:
        part = msgspec.structs.replace(
            shared,
            where=component.where,
            test=msgspec.structs.replace(shared.test, code=concept_of(component.one("code")), panel=shared.code),
            members=(),
            interpretation=codings_of_interpretation(component, repeats=record.shape.interpretation_repeats),
        )
        rows += _result(part, component, part.code, ())
    return rows


def _shared(record: Record) -> LabResult:
    """What all results of the Observation have in common."""
    root = record.root
    sample = sample_of(record, root.one("specimen"))
    if sample.unfit:
        root.fault("specimen", ProblemCode.SPECIMEN_UNFIT, "the sample is {condition}", {"condition": sample.unfit})
    members, sources = _links(record)
    return LabResult(
        where=record.where,
        entry=record.entry,
        resource=record.resource,
        patient=record.patient,
        status=root.text("status"),
        test=LabTest(
            code=concept_of(root.one("code")),
            body_site=concept_of(root.one("bodySite")),
            method=concept_of(root.one("method")),
            device=name_of(root.one("device")),
            performer=_laboratory(record),
            specimen=sample.type,
            notes=notes_of(root, record.shape.comment),
        ),
        version=record.version,
        effective=_effective(root),
        issued=text_at(root.json, "issued"),
        last_updated=text_at(object_at(root.json, "meta"), "lastUpdated"),
        specimen_collected=sample.collected,
        fasting=sample.fasting,
        interpretation=codings_of_interpretation(root, repeats=record.shape.interpretation_repeats),
        identifiers=identifiers_of(root),
        related=sources,
        members=members,
        security=record.security(),
    )


def _result(shared: LabResult, element: Element, code: Concept, components: Sequence[Element]) -> list[Row]:
    """One result with its own value and ranges; where its elements are faulty, their problems instead."""
    name, value = _value(element)
    absent_reason = _absent_reason(element, name)
    is_given = value is not None and not (isinstance(value, ReportedQuantity) and value.value is None)
    if is_given and absent_reason:
        # obs-6: "dataAbsentReason SHALL only be present if Observation.value[x] is not present"
        element.fault("dataAbsentReason", ProblemCode.ELEMENT_INVALID, "there are both a value and a reason for none")
    if is_given and code.codings and any(concept_of(each.one("code")) == code for each in components):
        # obs-7: "If Observation.code is the same as an Observation.component.code then the value element associated
        # with the code SHALL NOT be present"
        element.fault(name, ProblemCode.ELEMENT_INVALID, "a component with the same code has its own value")
    ranges, cautions = ranges_of(element)
    if element.faults:
        return [*element.distinct_faults()]
    unit = msgspec.structs.replace(value, value=None) if isinstance(value, ReportedQuantity) else None
    result = msgspec.structs.replace(
        shared,
        test=msgspec.structs.replace(shared.test, unit=unit),
        value=None if absent_reason else value,
        absent_reason=absent_reason,
        reference_ranges=ranges,
    )
    return [result, *cautions]


def _value(element: Element) -> tuple[str, ReportedValue | None]:
    """The value as reported, and the name it came under."""
    name = element.choice("value")
    if not name:
        return "value", None
    reader = _VALUES.get(name.removeprefix("value"))
    if reader is None:
        element.fault(name, ProblemCode.ELEMENT_INVALID, "FHIR knows no such type of value")
        return name, None
    return name, reader(element, name)


def _range(element: Element, name: str) -> ReportedValue | None:
    return range_of(element.one(name))


def _ratio(element: Element, name: str) -> ReportedValue | None:
    ratio = element.one(name)
    return ratio_of(ratio) if ratio else None


def _concept(element: Element, name: str) -> ReportedValue | None:
    concept = element.one(name)
    return concept_of(concept) if concept else None


def _period(element: Element, name: str) -> ReportedValue | None:
    found = element.one(name)
    return ReportedOther("Period", time=period_of(found)) if found else None


def _other(element: Element, name: str) -> ReportedValue | None:
    return ReportedOther(name.removeprefix("value"))


_VALUES: Mapping[str, Callable[[Element, str], ReportedValue | None]] = {
    "Quantity": lambda element, name: quantity_of(element.one(name)),
    "Integer": lambda element, name: ReportedQuantity(element.number(name)),
    "Range": _range,
    "Ratio": _ratio,
    "CodeableConcept": _concept,
    "String": lambda element, name: ReportedText(element.text(name)),
    "Boolean": lambda element, name: ReportedOther("boolean", boolean=element.flag(name)),
    "DateTime": lambda element, name: ReportedOther("dateTime", time=element.time(name)),
    "Period": _period,
    "Time": _other,
    "SampledData": _other,
    "Attachment": _other,
    "Reference": _other,
}


def _absent_reason(element: Element, name: str) -> str:
    """Why there is no value: said on the result, on the value, or on the number within the Quantity."""
    stated = element.one("dataAbsentReason")
    if stated is not None:
        concept = concept_of(stated)
        return next((coding.code for coding in concept.codings if coding.code), concept.text) or "unknown"
    if name != "value":
        quantity = element.one(name) if name == "valueQuantity" else None
        return element.absence(name) or (quantity.absence("value") if quantity else "")
    return next(
        (reason for each in element.json if each.startswith("_value") and (reason := element.absence(each[1:]))), ""
    )


def ranges_of(element: Element) -> tuple[tuple[ReferenceRange, ...], list[Problem]]:
    """The reference ranges that can be read; one that cannot costs neither the others nor the result."""
    ranges: list[ReferenceRange] = []
    cautions: list[Problem] = []
    for each in element.many("referenceRange", apart=True):
        found = ReferenceRange(
            quantity_of(each.one("low")),
            quantity_of(each.one("high")),
            concept_of(each.one("type")),
            concepts_of(each.many("appliesTo")),
            range_of(each.one("age")),
            each.text("text"),
        )
        if each.faults:
            cautions.append(_range_not_used(each.faults[0]))
        else:
            ranges.append(found)
    return tuple(ranges), cautions


def _range_not_used(fault: Problem) -> Problem:
    return msgspec.structs.replace(
        fault,
        code=ProblemCode.RANGE_NOT_USED,
        then="the result was used without this reference range",
        severity=Severity.WARNING,
        used=True,
    )


def codings_of_interpretation(element: Element, *, repeats: bool) -> tuple[Coding, ...]:
    """The codes of ``interpretation``, be it one concept or, where it repeats, several."""
    if repeats:
        return tuple(coding for concept in concepts_of(element.many("interpretation")) for coding in concept.codings)
    return concept_of(element.one("interpretation")).codings


def _effective(root: Element) -> ClinicalTime | None:
    if root.has("effectiveTiming"):
        root.fault("effectiveTiming", ProblemCode.TIME_INVALID, "a schedule is no single time")
    return time_of(root, "effective")


def _laboratory(record: Record) -> str:
    """The organization that performed the test; persons change while the assay stays the same."""
    for performer in record.root.many("performer"):
        if is_called_organization(performer) or record.resolved(performer, "Organization"):
            return name_of(performer)
    return ""


def is_called_organization(performer: Element) -> bool:
    """Whether a reference says itself that it means an organization."""
    return performer.text("type") == "Organization" or "Organization/" in performer.text("reference")


def _links(record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The members of a panel, and what a result was derived from, by the identity of each."""
    root = record.root
    if record.shape.links:
        members, sources = (root.many(name) for name in record.shape.links)
    else:
        related = root.many("related")
        members = [target for each in related if each.text("type") == "has-member" and (target := each.one("target"))]
        sources = [target for each in related if each.text("type") == "derived-from" and (target := each.one("target"))]
    return record.keys(members), record.keys(sources)


def _is_about_something_else(record: Record) -> bool:
    """Whether a focus names anything but the subject itself."""
    if not record.root.has("focus"):
        return False
    subject, focus = record.root.one("subject"), record.root.many("focus")
    own = record.references.key(subject.text("reference"), record.placed) if subject else ""
    return any(not each.text("reference") for each in focus) or any(key != own for key in record.keys(focus))
