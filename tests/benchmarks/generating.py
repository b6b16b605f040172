"""Patients as a hospital's R4 server sends them: compact JSON, made from a seed, the same bytes on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

SERVER = "https://fhir.example.org/r4"
AS_OF = datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC)
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
Json = dict[str, Any]


class Test(NamedTuple):
    """One laboratory test or measurement: what it is called, and between which values its results lie."""

    loinc: str
    display: str
    unit: str
    low: float
    high: float
    digits: int = 1
    category: str = "laboratory"
    site: str = ""


class Visit(NamedTuple):
    """One patient's encounter, at which all tests of one category were done."""

    patient: str
    encounter: str
    at: datetime


RELEVANT = (
    Test("77370-5", "Procollagen type I.N-terminal propeptide [Mass/volume] in Serum or Plasma", "ug/L", 25, 110),
    Test("41171-0", "Collagen crosslinked C-telopeptide [Mass/volume] in Serum or Plasma", "pg/mL", 110, 900, 0),
    Test("62292-8", "25-Hydroxyvitamin D3+25-Hydroxyvitamin D2 [Mass/volume] in Serum or Plasma", "ng/mL", 9, 45),
    Test("2731-8", "Parathyrin.intact [Mass/volume] in Serum or Plasma", "pg/mL", 18, 90),
    Test("2000-8", "Calcium [Moles/volume] in Serum or Plasma", "mmol/L", 2.1, 2.6, 2),
    Test("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/L", 32, 48),
    Test("14879-1", "Phosphate [Moles/volume] in Serum or Plasma", "mmol/L", 0.8, 1.5, 2),
    Test("14682-9", "Creatinine [Moles/volume] in Serum or Plasma", "umol/L", 50, 95, 0),
    Test("90265-0", "Major osteoporotic fracture 10-year probability", "%", 4, 28, 1, "survey"),
    Test("90266-8", "Hip fracture 10-year probability", "%", 0.3, 3.9, 1, "survey"),
    Test("38267-1", "DXA Lumbar spine [T-score] Bone density", "{T-score}", -3.4, 0.4, 1, "imaging", "Lumbar spine"),
    Test("38263-0", "DXA Femur [T-score] Bone density", "{T-score}", -3.2, 0.4, 1, "imaging", "Femoral neck"),
)
IRRELEVANT = (
    Test("718-7", "Hemoglobin [Mass/volume] in Blood", "g/L", 110, 170, 0),
    Test("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*9/L", 3.5, 11),
    Test("777-3", "Platelets [#/volume] in Blood by Automated count", "10*9/L", 140, 400, 0),
    Test("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 134, 146, 0),
    Test("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.4, 5.2),
    Test("2075-0", "Chloride [Moles/volume] in Serum or Plasma", "mmol/L", 97, 108, 0),
    Test("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 9, 60, 0),
    Test("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 9, 50, 0),
    Test("14647-2", "Cholesterol [Moles/volume] in Serum or Plasma", "mmol/L", 3.2, 7.4, 2),
    Test("14927-8", "Triglyceride [Moles/volume] in Serum or Plasma", "mmol/L", 0.5, 3.5, 2),
    Test("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4.8, 8.2),
    Test("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "mU/L", 0.4, 4.5, 2),
    Test("14749-6", "Glucose [Moles/volume] in Serum or Plasma", "mmol/L", 3.9, 9.5),
)


def bundle(seed: int) -> bytes:
    """One patient and 25 Observations, 12 of them relevant, as a searchset."""
    random = Random(seed)  # noqa: S311 - the same data every time is the point
    visits = _visits(random)
    patient = visits["laboratory"].patient
    tests = [*RELEVANT, *IRRELEVANT]
    random.shuffle(tests)
    resources = [_patient(patient, random), *(_observation(test, visits[test.category], random) for test in tests)]
    entries = [
        {
            "fullUrl": f"{SERVER}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    link = [{"relation": "self", "url": f"{SERVER}/Patient/{patient}/$everything"}]
    return _compact({"resourceType": "Bundle", "type": "searchset", "total": 26, "link": link, "entry": entries})


def relevant_observations(seed: int) -> Iterator[bytes]:
    """The relevant Observations of one patient, each as the bytes of one NDJSON line."""
    random = Random(seed)  # noqa: S311
    visits = _visits(random)
    return (_compact(_observation(test, visits[test.category], random)) for test in RELEVANT)


def _visits(random: Random) -> dict[str, Visit]:
    patient = f"{random.getrandbits(64):016x}"
    return {
        category: Visit(
            patient,
            f"{random.getrandbits(48):012x}",
            AS_OF - timedelta(days=random.randrange(2, 25), seconds=random.randrange(3600)),
        )
        for category in ("laboratory", "survey", "imaging")
    }


def _patient(patient: str, random: Random) -> Json:
    return {
        "resourceType": "Patient",
        "id": patient,
        "meta": _meta(random),
        "identifier": [{"use": "usual", "system": "urn:oid:1.2.36.146.595", "value": f"MRN{random.randrange(10**7)}"}],
        "active": True,
        "name": [{"use": "official", "family": "Example", "given": ["Ada"]}],
        "gender": "female",
        "birthDate": f"{random.randrange(1946, 1972)}-0{random.randrange(1, 9)}-1{random.randrange(9)}",
    }


def _observation(test: Test, visit: Visit, random: Random) -> Json:
    span = test.high - test.low
    numbers = (random.uniform(test.low, test.high), test.low + span / 10, test.high - span / 4)
    value, low, high = (_rounded(number, test.digits) for number in numbers)
    observation = {
        "resourceType": "Observation",
        "id": f"{random.getrandbits(64):016x}",
        "meta": _meta(random),
        "identifier": [{"system": f"{SERVER}/result", "value": f"{random.getrandbits(40)}"}],
        "status": "final",
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": test.category}]}],
        "code": _code(test, random),
        "subject": {"reference": f"Patient/{visit.patient}"},
        "encounter": {"reference": f"Encounter/{visit.encounter}"},
        "effectiveDateTime": visit.at.isoformat(),
        "issued": (visit.at + timedelta(minutes=random.randrange(600))).isoformat(timespec="milliseconds"),
        "performer": [{"reference": "Organization/central-laboratory", "display": "Central Laboratory"}],
        "valueQuantity": _quantity(value, test.unit),
        "interpretation": [_interpretation(value, low, high)],
    }
    if test.site:
        observation["bodySite"] = {"text": test.site}
    if test.category == "laboratory":
        limits = {"low": _quantity(low, test.unit), "high": _quantity(high, test.unit)}
        observation["referenceRange"] = [{**limits, "text": f"{low} - {high} {test.unit}"}]
    return observation


def _meta(random: Random) -> Json:
    return {"versionId": str(random.randrange(1, 4)), "lastUpdated": "2026-06-14T11:20:04.113Z"}


def _code(test: Test, random: Random) -> Json:
    local = {"system": f"{SERVER}/catalogue", "code": f"LAB{test.loinc[:4]}", "display": test.display[:20]}
    codings = [local, {"system": "http://loinc.org", "code": test.loinc, "display": test.display}]
    random.shuffle(codings)  # servers put either first
    return {"coding": codings, "text": local["display"]}


def _interpretation(value: float, low: float, high: float) -> Json:
    code, display = ("L", "Low") if value < low else ("H", "High") if value > high else ("N", "Normal")
    system = f"{_TERMINOLOGY}/v3-ObservationInterpretation"
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _quantity(value: float, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _rounded(number: float, digits: int) -> float:
    return round(number, digits) if digits else round(number)


def _compact(resource: Json) -> bytes:
    return json.dumps(resource, separators=(",", ":")).encode()
