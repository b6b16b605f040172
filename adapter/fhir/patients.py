"""Read a Patient as far as the assessment needs: sex, age, and whether the record still stands."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from adapter.clinical.patient import Patient, Sex
from adapter.clinical.results import Coding
from adapter.fhir.datatypes import coding_of
from adapter.fhir.element import Element, shown
from adapter.fhir.record import Record
from adapter.problems import Problem, ProblemCode, Severity

_SEXES = {sex.value: sex for sex in Sex}
# US Core writes ethnicity and race as extensions with codings inside; other countries have their own.
_ETHNICITY = ("us-core-race", "us-core-ethnicity", "ethnicity")


def read_patient(record: Record) -> tuple[Patient, list[Problem]]:
    """One Patient, and what of it could not be used; a faulty birth date costs the age and not the patient."""
    root = record.root
    deceased = root.choice("deceased")
    patient = Patient(
        key=record.resource,
        reference=record.resource,
        where=record.where,
        version=record.version,
        sex=_sex(root),
        birth_date=root.time("birthDate"),
        deceased=_deceased(root, deceased),
        deceased_at=root.time(deceased) if deceased == "deceasedDateTime" else None,
        active=root.flag("active"),
        ethnicity=_ethnicity(root),
    )
    return patient, [*map(_without, root.faults), *_replacing(record)]


def patient_refusal(record: Record) -> Problem | None:
    """Why a Patient is not used: an animal (STU3 says so by a modifier element), replaced, or without any identity."""
    if record.root.has("animal"):
        return record.refused(ProblemCode.MODIFIER_UNKNOWN, "animal", "the patient is an animal")
    if record.references.surviving(record.resource) != record.resource:
        return record.refused(ProblemCode.SUPERSEDED, "link", "the Patient was replaced by another one")
    if record.references.is_torn(record.resource):
        what = "the record says that several others replaced it"
        return record.refused(ProblemCode.SUBJECT_AMBIGUOUS, "link", what)
    if not record.placed.entry.id and not record.placed.entry.full_url:
        return record.refused(
            ProblemCode.ENTRY_INVALID, "", "the Patient has neither id nor fullUrl: nothing can mean it"
        )
    return None


def _replacing(record: Record) -> Iterator[Problem]:
    """That it replaced another record, whose results are hers only where that record says so too."""
    if any(link.text("type") == "replaces" for link in Element(record.root.json, record.where).many("link")):
        problem = record.refused(ProblemCode.PATIENT_REPLACES, "link", "the Patient replaced another one")
        then = "results under the other are only read where that one names this one (replaced-by)"
        yield msgspec.structs.replace(problem, then=then, severity=Severity.INFORMATION, used=True)


def _sex(root: Element) -> Sex | None:
    gender = root.text("gender")
    if gender and gender not in _SEXES:
        values = {"value": shown(gender)}
        root.fault("gender", ProblemCode.ELEMENT_INVALID, "{value} is no administrative gender of FHIR", values)
    return _SEXES.get(gender)


def _deceased(root: Element, name: str) -> bool | None:
    return root.flag(name) if name == "deceasedBoolean" else (True if name else None)


def _ethnicity(root: Element) -> tuple[Coding, ...]:
    return tuple(
        coding_of(value)
        for extension in root.many("extension")
        if extension.text("url").rpartition("/")[2] in _ETHNICITY
        for each in (extension, *extension.many("extension"))
        if (value := each.one("valueCoding")) is not None
    )


def _without(fault: Problem) -> Problem:
    return msgspec.structs.replace(
        fault,
        then="the patient was read without this element",
        severity=Severity.WARNING,
        used=True,
    )
