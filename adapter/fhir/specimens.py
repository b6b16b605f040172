"""What a Specimen says about the sample that a result was measured in."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.clinical.results import Concept
from adapter.clinical.time import ClinicalTime
from adapter.fhir.datatypes import concept_of, quantity_of, time_of
from adapter.fhir.element import Element
from adapter.fhir.record import Record

# hl7.org/fhir/R4/v2/0916: F "fasted", NF "did not fast"; FNA (not asked) and NG (no answer) say neither.
_FASTING_SYSTEMS = frozenset({"http://terminology.hl7.org/CodeSystem/v2-0916", "http://hl7.org/fhir/v2/0916"})
_FASTING = {"F": True, "NF": False}
# hl7.org/fhir/R4/v2/0493: the condition of a specimen.
_HEMOLYZED = frozenset(
    {("http://terminology.hl7.org/CodeSystem/v2-0493", "HEM"), ("http://hl7.org/fhir/v2/0493", "HEM")}
)
# An overnight fast; a shorter one says neither fasting nor fed.
_FASTING_HOURS = Decimal(8)


class Sample(msgspec.Struct, frozen=True):
    """The sample: what it is, when it was taken, whether the patient was fasting, and why it is unfit."""

    type: Concept = Concept()
    collected: ClinicalTime | None = None
    fasting: bool | None = None
    unfit: str = ""


_UNKNOWN = Sample()


def sample_of(record: Record, reference: Element | None) -> Sample:
    """The sample that a result refers to; nothing is known of one that did not come or is not usable itself."""
    specimen = record.resolved(reference, "Specimen")
    if specimen is None or specimen.text("status") == "entered-in-error":
        return _UNKNOWN
    collection = specimen.one("collection")
    sample = Sample(
        concept_of(specimen.one("type")),
        time_of(collection, "collected") if collection else None,
        _fasting(collection) if collection else None,
        _unfit(specimen),
    )
    return _UNKNOWN if specimen.faults else sample


def _unfit(specimen: Element) -> str:
    """The status or the condition that forbids the use of what was measured in it."""
    if specimen.text("status") == "unsatisfactory":
        return "unsatisfactory"
    codings = (coding for condition in specimen.many("condition") for coding in concept_of(condition).codings)
    return "hemolyzed" if any((coding.system, coding.code) in _HEMOLYZED for coding in codings) else ""


def _fasting(collection: Element) -> bool | None:
    concept = concept_of(collection.one("fastingStatusCodeableConcept"))
    for coding in concept.codings:
        if coding.system in _FASTING_SYSTEMS and coding.code in _FASTING:
            return _FASTING[coding.code]
    duration = quantity_of(collection.one("fastingStatusDuration"))
    if duration is None or duration.value is None or duration.code != "h" or duration.comparator:
        return None
    return True if duration.value >= _FASTING_HOURS else (False if duration.value == 0 else None)
