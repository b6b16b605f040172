"""Read FHIR's data types as values: concepts, quantities, ranges, times."""

from __future__ import annotations

from collections.abc import Iterable

from adapter.clinical.results import Coding, Concept, ReportedQuantity, ReportedRange, ReportedRatio
from adapter.clinical.time import ClinicalTime, period
from adapter.fhir.element import Element, shown
from adapter.problems import ProblemCode

# The codes of hl7.org/fhir/R4/valueset-quantity-comparator.html. R5 adds "ad", which bounds nothing.
_COMPARATORS = frozenset({"", "<", "<=", ">=", ">"})
_NOTHING = Concept()


def coding_of(element: Element) -> Coding:
    """One Coding."""
    return Coding(element.text("system"), element.text("code"), element.text("display"))


def concept_of(element: Element | None) -> Concept:
    """A CodeableConcept; empty where there is none."""
    if element is None:
        return _NOTHING
    return Concept(tuple(map(coding_of, element.many("coding"))), element.text("text"))


def concepts_of(elements: Iterable[Element]) -> tuple[Concept, ...]:
    """Several CodeableConcepts."""
    return tuple(map(concept_of, elements))


def quantity_of(element: Element | None) -> ReportedQuantity | None:
    """A Quantity; a comparator that is no bound, or is there and not known, makes it faulty."""
    if element is None:
        return None
    comparator = element.text("comparator")
    if not comparator and element.has("_comparator"):
        sentence = "it is not known whether the value is exact ({reason})"
        reason = {"reason": element.absence("comparator") or "unknown"}
        element.fault("comparator", ProblemCode.COMPARATOR_INVALID, sentence, reason)
    elif comparator not in _COMPARATORS:
        sentence = "{value} is none of <, <=, >=, >, so the value is not known"
        element.fault("comparator", ProblemCode.COMPARATOR_INVALID, sentence, {"value": shown(comparator)})
    return ReportedQuantity(
        element.number("value"), comparator, element.text("unit"), element.text("system"), element.text("code")
    )


def range_of(element: Element | None) -> ReportedRange | None:
    """A Range; ends in the wrong order, or with a comparator, make it faulty."""
    if element is None:
        return None
    low, high = quantity_of(element.one("low")), quantity_of(element.one("high"))
    if any(end is not None and end.comparator for end in (low, high)):
        # sqty-1: "The comparator is not used on a SimpleQuantity", and the ends of a Range are that.
        element.fault("", ProblemCode.COMPARATOR_INVALID, "an end of the range is not exact")
    elif low is not None and high is not None and _is_above(low, high):
        # rng-2: "If present, low SHALL have a lower value than high"
        element.fault("", ProblemCode.ELEMENT_INVALID, "the range ends below where it starts")
    return ReportedRange(low, high)


def _is_above(low: ReportedQuantity, high: ReportedQuantity) -> bool:
    is_one_unit = (low.unit, low.system, low.code) == (high.unit, high.system, high.code)
    return is_one_unit and low.value is not None and high.value is not None and low.value > high.value


def ratio_of(element: Element) -> ReportedRatio:
    """A Ratio."""
    return ReportedRatio(quantity_of(element.one("numerator")), quantity_of(element.one("denominator")))


def period_of(element: Element) -> ClinicalTime | None:
    """A Period as one time; ends in the wrong order make it faulty."""
    start, end = element.time("start"), element.time("end")
    time = period(start, end)
    if time is None and start and end:
        element.fault("", ProblemCode.TIME_INVALID, "the period ends before it starts")
    return time


def time_of(element: Element, stem: str) -> ClinicalTime | None:
    """A choice of times such as ``effective[x]``; a Timing, an Age or a text gives no single time."""
    name = element.choice(stem)
    match name.removeprefix(stem):
        case "DateTime" | "Date" | "Instant":
            return element.time(name)
        case "Period":
            found = element.one(name)
            return period_of(found) if found else None
    return None


def start_of(element: Element, stem: str) -> ClinicalTime | None:
    """When something began: the single time given, or the start of the Period."""
    span = element.one(f"{stem}Period")
    return span.time("start") if span else time_of(element, stem)


def end_of(element: Element, stem: str) -> ClinicalTime | None:
    """When something ended: the end of the Period; a single time has none."""
    span = element.one(f"{stem}Period")
    return span.time("end") if span else None


def identifiers_of(element: Element) -> tuple[str, ...]:
    """The identifiers that have both system and value, as ``system|value``."""
    pairs = ((each.text("system"), each.text("value")) for each in element.many("identifier"))
    return tuple(f"{system}|{value}" for system, value in pairs if system and value)


def notes_of(root: Element, comment: str) -> tuple[str, ...]:
    """The texts of ``note``, and of the one comment that STU3 has instead."""
    notes = [note.text("text") for note in root.many("note")]
    return tuple(note for note in (*notes, root.text(comment) if comment else "") if note)


def name_of(element: Element | None) -> str:
    """What tells one referenced thing from another: its name, else its reference."""
    if element is None:
        return ""
    reference = element.text("reference")
    return element.text("display") or ("" if reference.startswith("#") else reference)
