"""The releases of FHIR that are read and written, and everything in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Release(StrEnum):
    """A release of FHIR; STU3 is read but never written."""

    STU3 = "3.0.2"
    R4 = "4.0.1"
    R4B = "4.3.0"
    R5 = "5.0.0"


class WrittenShape(msgspec.Struct, frozen=True, kw_only=True):
    """In which elements the resources we write differ between releases; all else is the same in R4, R4B and R5.

    Attributes:
        models: Package of fhir.resources that knows these shapes. It has none for R4 itself, but RiskAssessment,
            Device, Provenance, AuditEvent and Bundle have the same elements in R4 and R4B.
        device_names, device_name: The list of a Device's names, and the name within one of them.
        device_types_repeat: True where a Device has several types.
        audit_has_concepts: True where an AuditEvent says by CodeableConcepts what was done, and with what outcome.
    """

    models: str
    device_names: str
    device_name: str
    device_types_repeat: bool
    audit_has_concepts: bool


_R4 = WrittenShape(
    models="fhir.resources.R4B",
    device_names="deviceName",
    device_name="name",
    device_types_repeat=False,
    audit_has_concepts=False,
)
_R5 = WrittenShape(
    models="fhir.resources",
    device_names="name",
    device_name="value",
    device_types_repeat=True,
    audit_has_concepts=True,
)

# What was read in STU3 is written in R4, the first release that lasts: "normative content" begins with it
# (hl7.org/fhir/R4/history.html), and STU3's RiskAssessment cannot hold several notes.
WRITTEN: Mapping[Release, WrittenShape] = {Release.STU3: _R4, Release.R4: _R4, Release.R4B: _R4, Release.R5: _R5}


class ReadShape(msgspec.Struct, frozen=True, kw_only=True):
    """Where the elements we read stand in one release; all else that we read is the same in STU3, R4, R4B and R5.

    Attributes:
        interpretation_repeats: True where an Observation has several interpretations.
        links: The elements of an Observation that name its members and its sources; empty where ``related`` does both.
        comment: An element with one comment as text; empty where there is ``note``.
        asserted: When a Condition was recorded.
        performed: When a Procedure was performed.
        administered: When a medicine was administered; R5 does spell it with one r.
        medication_is_reference: True where ``medication`` is a CodeableReference and no choice of types.
    """

    interpretation_repeats: bool = True
    links: tuple[str, str] | None = ("hasMember", "derivedFrom")
    comment: str = ""
    asserted: str = "recordedDate"
    performed: str = "performed"
    administered: str = "effective"
    medication_is_reference: bool = False


_READ_R4 = ReadShape()
READ: Mapping[Release, ReadShape] = {
    Release.STU3: ReadShape(interpretation_repeats=False, links=None, comment="comment", asserted="assertedDate"),
    Release.R4: _READ_R4,
    Release.R4B: _READ_R4,
    Release.R5: ReadShape(performed="occurrence", administered="occurence", medication_is_reference=True),
}

_STU3_ONLY = frozenset({Release.STU3})
SINCE_R4 = frozenset({Release.R4, Release.R4B, Release.R5})
_BEFORE_R5 = frozenset({Release.STU3, Release.R4, Release.R4B})
_R5_ONLY = frozenset({Release.R5})
_MEDICATION = {
    "medicationCodeableConcept": _BEFORE_R5,
    "medicationReference": _BEFORE_R5,
    "medication": _R5_ONLY,
}

# In which releases an element exists: what tells releases apart, and every element whose place or shape differs.
ELEMENTS: Mapping[str, Mapping[str, frozenset[Release]]] = {
    "Observation": {
        "context": _STU3_ONLY,
        "related": _STU3_ONLY,
        "comment": _STU3_ONLY,
        "hasMember": SINCE_R4,
        "derivedFrom": SINCE_R4,
        "note": SINCE_R4,
        "triggeredBy": _R5_ONLY,
        "bodyStructure": _R5_ONLY,
        "instantiatesCanonical": _R5_ONLY,
        "instantiatesReference": _R5_ONLY,
    },
    "Condition": {
        "context": _STU3_ONLY,
        "assertedDate": _STU3_ONLY,
        "recordedDate": SINCE_R4,
        "participant": _R5_ONLY,
    },
    "Procedure": {
        "context": _STU3_ONLY,
        "notDone": _STU3_ONLY,
        "performedDateTime": _BEFORE_R5,
        "performedPeriod": _BEFORE_R5,
        "occurrenceDateTime": _R5_ONLY,
        "occurrencePeriod": _R5_ONLY,
    },
    "MedicationRequest": {**_MEDICATION, "context": _STU3_ONLY, "effectiveDosePeriod": _R5_ONLY},
    "MedicationStatement": {**_MEDICATION, "taken": _STU3_ONLY, "adherence": _R5_ONLY},
    "MedicationAdministration": {
        **_MEDICATION,
        "notGiven": _STU3_ONLY,
        "prescription": _STU3_ONLY,
        "effectiveDateTime": _BEFORE_R5,
        "effectivePeriod": _BEFORE_R5,
        "occurenceDateTime": _R5_ONLY,
        "occurencePeriod": _R5_ONLY,
    },
    "MedicationDispense": {**_MEDICATION, "notDone": _STU3_ONLY},
    "FamilyMemberHistory": {"notDone": _STU3_ONLY, "participant": _R5_ONLY},
    "RiskAssessment": {"context": _STU3_ONLY, "comment": _STU3_ONLY, "note": SINCE_R4, "reason": _R5_ONLY},
    "Patient": {"animal": _STU3_ONLY},
}

# What changed its JSON type with R4: one interpretation became several, a bare code became a CodeableConcept.
SHAPES: Mapping[str, tuple[str, Mapping[type, frozenset[Release]]]] = {
    "Observation": ("interpretation", {dict: _STU3_ONLY, list: SINCE_R4}),
    "Condition": ("clinicalStatus", {str: _STU3_ONLY, dict: SINCE_R4}),
}


def release_named(version: str) -> Release | None:
    """The release that a version such as ``4.0.1``, ``4.3`` or ``5.0.0-ballot`` belongs to."""
    return next((release for release in Release if version.startswith(release[:3])), None)
