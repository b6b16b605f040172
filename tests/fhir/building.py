"""Build resources and read them, with as few words as a test needs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapter.clinical.results import LabResult, Statement
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Reading, Source, read
from adapter.fhir.releases import Release
from adapter.problems import ProblemCode

Json = dict[str, Any]
BASE = "https://fhir.example.org/r4"
LOINC = "http://loinc.org"
CTX = {"coding": [{"system": LOINC, "code": "41171-0", "display": "CTX"}]}
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
REASONS = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def absent(reason: str) -> Json:
    """The extension that says why an element is absent."""
    return {"extension": [{"url": DATA_ABSENT, "valueCode": reason}]}


def quantity(value: str = "0.50", unit: str = "ng/mL", **more: Any) -> Json:
    return {"value": Decimal(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit, **more}


def patient(id_: str = "1", /, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id_, "gender": "female", "birthDate": "1960-03-14", **more}


def observation(id_: str = "ctx", /, **more: Any) -> Json:
    """A plain final CTX of Patient/1; a keyword replaces an element, and ``None`` takes it away."""
    plain = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": CTX,
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-06-02T08:10:00+08:00",
        "valueQuantity": quantity(),
    }
    return {name: value for name, value in {**plain, **more}.items() if value is not None}


def resource(type_: str, **more: Any) -> Json:
    """Any other resource about Patient/1."""
    plain = {"resourceType": type_, "id": "x", "subject": {"reference": "Patient/1"}}
    return {name: value for name, value in {**plain, **more}.items() if value is not None}


def bundle(*resources: Json, type_: str = "collection", base: str = BASE) -> Json:
    """A Bundle whose entries have addresses below the base; none, if the base is empty."""
    entries = [
        {**({"fullUrl": f"{base}/{each['resourceType']}/{each['id']}"} if base else {}), "resource": each}
        for each in resources
    ]
    return {"resourceType": "Bundle", "type": type_, "entry": entries}


def read_all(
    *documents: Json | bytes, release: Release | None = Release.R4, allow_preliminary: bool = False
) -> Reading:
    """Read documents as files ``1.json``, ``2.json`` …; bytes as they are."""
    sources = [
        Source(f"{number}.json", each if isinstance(each, bytes) else encode(each))
        for number, each in enumerate(documents, 1)
    ]
    reading = read(sources, release=release, allow_preliminary=allow_preliminary)
    assert_nothing_vanished(reading)
    # Most tests are about one resource and leave its Patient out on purpose.
    reading.problems = [each for each in reading.problems if each.code is not ProblemCode.PATIENT_MISSING]
    return reading


def only_result(document: Json, release: Release = Release.R4) -> LabResult:
    """The one result of a document that is read without any problem."""
    reading = read_all(document, release=release)
    assert reading.set_aside == []
    assert len(reading.results) == 1
    return reading.results[0]


def only_statement(document: Json, release: Release = Release.R4) -> Statement:
    """The one statement of a document that is read without any problem."""
    reading = read_all(document, release=release)
    assert reading.set_aside == []
    assert len(reading.statements) == 1
    return reading.statements[0]


def refusals(*documents: Json | bytes, release: Release = Release.R4) -> list[ProblemCode]:
    """Why nothing but a Patient could be read out of the documents."""
    reading = read_all(*documents, release=release)
    assert not (reading.results or reading.statements or reading.predictions)
    return [aside.problem.code for aside in reading.set_aside]


def assert_nothing_vanished(reading: Reading) -> None:
    """Every entry is used, set aside, or irrelevant; and no irrelevant entry is used as well."""
    used = {row.entry for row in reading.results} | {row.entry for row in reading.statements}
    used |= {row.entry for row in reading.predictions}
    used |= {each.where for each in reading.patients.values() if each.known}
    aside = {each.entry for each in reading.set_aside if not each.problem.used}
    irrelevant = {entry for entry, _ in reading.irrelevant}
    assert len(used | aside | irrelevant) == reading.entries
    assert not irrelevant & (used | aside)
    assert all(each.entry in used for each in reading.set_aside if each.problem.used and each.entry)


def ndjson(*resources: Json) -> bytes:
    return b"".join(encode(each) + b"\n" for each in resources)
