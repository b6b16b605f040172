"""Generated records: a patient with any of what the adapter knows, in every unit, date, status and comparator.

A record is a list of R4 resources, the Patient first; ``in_bundle`` makes it an input. Values are ``Decimal``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from adapter.entrypoints.library import assess_bundle
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source
from adapter.knowledge.facts import MappedCode
from adapter.pipeline import Options, Outcome, PatientOutcome, assess_sources
from adapter.problems import Problem
from tests.recognition.building import AS_OF, ATC, LOINC, SNOMED, UCUM, knowledge

Json = dict[str, Any]
DAY = date(2026, 6, 15)
BASE = "https://hospital.example.org/fhir"

# What decides most often comes most often; every other code of the mappings comes too.
_DECISIVE = ("p1np", "ctx", "ntx", "bone-alp", "dxa-t-score", "frax-mof", "frax-hip", "creatinine", "egfr", "calcium",
             "albumin", "phosphate", "vitamin-d", "pth", "urine-calcium-24h", "height", "weight")  # fmt: skip
_USUAL = {"p1np": (5, 200), "ctx": (50, 1500), "dxa-t-score": (-5, 2), "frax-mof": (0, 45), "frax-hip": (0, 12),
          "creatinine": (40, 400), "calcium": (1, 4), "vitamin-d": (5, 150), "pth": (5, 200)}  # fmt: skip
_TIMES = ("2026-06-02T08:10:00+08:00", "2026-06-02T08:10:00+08:00", "2026-06-02T00:10:00Z", "2026-05-20T07:30:00Z",
          "2026-03-01", "2026-06-15", "2026-05-04T10:00:00Z", "2026-01-12", "2026-04-09T06:00:00Z", "2026-05",
          "2026", "2025-11-30T09:00:00+01:00", "2019-03-02", "2026-06-20T08:00:00Z", None)  # fmt: skip
_STATUSES = (*["final"] * 6, "amended", "corrected", "preliminary", "entered-in-error", "cancelled", "unknown")
_COMPARATORS = (*[None] * 8, "<", "<=", ">", ">=")
_CONDITIONS = ("431031001", "704336007", "240198002", "76498008", "64859006", "431856006", "46177005", "34486009")
_MEDICINES = ("M05BA04", "M05BA08", "M05BX04", "H05AA02", "H02AB06", "L02BG03", "A11CC05")


@cache
def codes(*, decisive: bool) -> list[MappedCode]:
    """The codes that carry a value: those that decide, or all."""
    rows = [code for code in knowledge().codes.values() if units(code)]
    return [code for code in rows if not decisive or code.marker in _DECISIVE]


def units(code: MappedCode) -> list[str]:
    """The units that a result of this code may come in."""
    return list(code.units or knowledge().unit_factors.get(code.marker, {}))


def quantity(value: Decimal, unit: str, comparator: str | None = None) -> Json:
    """A Quantity with a UCUM code."""
    first = {"comparator": comparator} if comparator else {}
    return {"value": value, **first, "unit": unit, "system": UCUM, "code": unit}


def coded(system: str, code: str) -> Json:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code}]}


def observation(id_: str, code: str, value: Json | None, **more: Any) -> Json:
    """A final Observation of a LOINC code; a keyword replaces an element, and ``None`` takes it away."""
    whole = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": coded(LOINC, code),
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-06-02T08:10:00+08:00",
        "valueQuantity": value,
    }
    return {name: each for name, each in (whole | more).items() if each is not None}


def measured(id_: str, marker: str, value: str, unit: str = "", **more: Any) -> Json:
    """A result of a marker by its first LOINC code, in its canonical unit unless told otherwise."""
    known = knowledge()
    code = next(row.code for row in known.codes.values() if row.marker == marker)
    return observation(id_, code, quantity(Decimal(value), unit or known.markers[marker].unit), **more)


@st.composite
def numbers(draw: st.DrawFn, code: MappedCode, unit: str) -> Decimal:
    """A number that is mostly plausible for the code in the unit, at three digits."""
    known = knowledge()
    marker = known.markers[code.marker]
    low, high = _USUAL.get(marker.id, (marker.plausible_low or 0, marker.plausible_high or 50))
    canonical = Decimal(low) + (Decimal(high) - Decimal(low)) * draw(st.integers(0, 250)) / 250
    value = canonical / known.unit_factors[marker.id][unit].factor
    return round(value, max(0, 2 - value.adjusted())) if value else Decimal(0)


@st.composite
def observations(draw: st.DrawFn, id_: str = "o", *, decisive: bool | None = None) -> Json:
    """A result of any code, unit, number, comparator, status and time; some with a sample, a range or an assay."""
    only = draw(st.integers(0, 4)) > 0 if decisive is None else decisive
    code = draw(st.sampled_from(codes(decisive=only)))
    unit = draw(st.sampled_from(units(code)))
    value = quantity(draw(numbers(code, unit)), unit, draw(st.sampled_from(_COMPARATORS)))
    more: Json = {"status": draw(st.sampled_from(_STATUSES)), "effectiveDateTime": draw(st.sampled_from(_TIMES))}
    for elements in draw(st.lists(st.sampled_from(_extras(unit)), max_size=2)):
        more |= elements
    return observation(id_, code.code, value, **more)


def _extras(unit: str) -> list[Json]:
    usual = {"low": quantity(Decimal(10), unit), "high": quantity(Decimal("99.50"), unit)}
    return [
        *({"contained": [sample(code)], "specimen": {"reference": "#s"}} for code in ("F", "NF")),
        {"referenceRange": [usual]},
        {"method": {"text": "assay A, with BMD"}},
        {"method": {"text": "assay B"}},
        {"interpretation": [{"coding": [{"code": "H"}]}]},
        {"issued": "2026-06-03T10:00:00Z"},
        {"identifier": [{"system": "http://example.org/reports", "value": "1"}]},
        {"meta": {"security": [{"system": "http://example.org/labels", "code": "R"}]}},
    ]


def sample(fasting: str) -> Json:
    """A Specimen to be contained as ``#s``, taken fasting (``F``) or not (``NF``)."""
    system = "http://terminology.hl7.org/CodeSystem/v2-0916"
    return {
        "resourceType": "Specimen",
        "id": "s",
        "collection": {"fastingStatusCodeableConcept": coded(system, fasting)},
    }


@st.composite
def conditions(draw: st.DrawFn, id_: str = "c") -> Json:
    """A Condition of any standing and age."""
    onset = draw(st.sampled_from(("2026-04-01", "2024-09", "2011", None)))
    return {
        "resourceType": "Condition",
        "id": id_,
        "clinicalStatus": coded("c", draw(st.sampled_from(("active", "active", "resolved")))),
        "verificationStatus": coded("v", draw(st.sampled_from(("confirmed", "confirmed", "refuted")))),
        "code": coded(SNOMED, draw(st.sampled_from(_CONDITIONS))),
        "subject": {"reference": "Patient/p"},
        **({"onsetDateTime": onset} if onset else {}),
    }


@st.composite
def medications(draw: st.DrawFn, id_: str = "m") -> Json:
    """A MedicationRequest for bone medicines, glucocorticoids and others, running or over."""
    dose = {"doseAndRate": [{"doseQuantity": quantity(Decimal(draw(st.integers(1, 20))), "mg")}]}
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": draw(st.sampled_from(("active", "active", "completed", "stopped", "entered-in-error", "draft"))),
        "intent": "order",
        "medicationCodeableConcept": coded(ATC, draw(st.sampled_from(_MEDICINES))),
        "subject": {"reference": "Patient/p"},
        "authoredOn": draw(st.sampled_from(("2025-06-01", "2026-05-01", "2020-01-01", "2026-08-01"))),
        "dosageInstruction": [
            {"timing": {"repeat": {"frequency": 1, "period": Decimal(1), "periodUnit": "d"}}, **dose},
        ],
    }


def _answers(id_: str) -> list[Json]:
    """What is recorded besides results: falls, smoking, a parent's hip fracture, a FRAX in a RiskAssessment."""
    smoker = observation(id_, "72166-2", None, valueCodeableConcept=coded(SNOMED, "449868002"))
    falls = [observation(id_, "75856-5", quantity(Decimal(count), "1")) for count in (0, 3)]
    family = {
        "resourceType": "FamilyMemberHistory",
        "id": id_,
        "status": "completed",
        "patient": {"reference": "Patient/p"},
        "relationship": coded("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH"),
        "condition": [{"code": coded(SNOMED, "704334005")}],
    }
    probabilities = (("443165006", "14.20"), ("704334005", "2.90"))
    frax = {
        "resourceType": "RiskAssessment",
        "id": id_,
        "status": "final",
        "method": {"text": "FRAX with BMD"},
        "subject": {"reference": "Patient/p"},
        "occurrenceDateTime": "2026-05-20",
        "prediction": [
            {"outcome": coded(SNOMED, code), "probabilityDecimal": Decimal(percent)} for code, percent in probabilities
        ],
    }
    return [smoker, *falls, family, frax]


def irrelevant(id_: str = "i") -> list[Json]:
    """What says nothing about bones: another laboratory value, a questionnaire, a practitioner, an encounter."""
    other = observation(id_, "718-7", quantity(Decimal("13.20"), "g/dL"))
    return [
        other,
        other | {"code": {"text": "beta-CTX"}},
        other | {"code": coded("http://hospital.example.org/codes", "ctx")},
        {"resourceType": "Condition", "id": id_, "code": coded(SNOMED, "38341003"), "subject": other["subject"]},
        {"resourceType": "Encounter", "id": id_, "status": "finished", "subject": other["subject"]},
        {"resourceType": "Practitioner", "id": id_},
        {"resourceType": "QuestionnaireResponse", "id": id_, "status": "completed", "subject": other["subject"]},
    ]


def frax(mof: str, hip: str, **more: Any) -> list[Json]:
    """Both probabilities of a FRAX with bone density."""
    said = {"method": {"text": "FRAX with BMD"}, "effectiveDateTime": "2026-05-20"} | more
    return [measured("mof", "frax-mof", mof, **said), measured("hip", "frax-hip", hip, **said)]


@cache
def backgrounds() -> list[list[Json]]:
    """Records that are placed in a stratum, one for each; and the empty one."""
    spine = observation("t", "38267-1", quantity(Decimal("-2.7"), "{T-score}"))
    return [[], frax("3.2", "0.4"), frax("12.4", "2.1"), [*frax("16.0", "2.9"), spine], frax("33.0", "12.0")]


@st.composite
def panels(draw: st.DrawFn, id_: str = "panel") -> Json:
    """An Observation whose results are its components, beside one that is nothing to us."""
    inside = [draw(observations()) for _ in range(draw(st.integers(1, 3)))]
    parts = [{"code": each["code"], "valueQuantity": each["valueQuantity"]} for each in inside]
    return observation(id_, "90264-3", None, component=[*parts, {"code": {"text": "remark"}, "valueString": "none"}])


@st.composite
def people(draw: st.DrawFn, id_: str = "p") -> Json:
    """A Patient, now and then without sex or birth date."""
    optional = {
        "gender": draw(st.sampled_from((*["female"] * 4, *["male"] * 3, "other", None))),
        "birthDate": draw(
            st.sampled_from((*["1956-03-14", "1963-02-11"] * 6, "1986-01-01", "1934", "1971", "2015-01-01", None))
        ),
    }
    return {"resourceType": "Patient", "id": id_, **{name: each for name, each in optional.items() if each}}


@st.composite
def records(draw: st.DrawFn, *, most: int = 9) -> list[Json]:
    """A Patient and any number of other resources; some of them in a second version."""
    found = [draw(people()), *draw(st.sampled_from(backgrounds()))]
    for number in range(draw(st.integers(0, most))):
        id_ = f"r{number}"
        kinds = (*[observations(id_)] * 4, panels(id_), conditions(id_), medications(id_))
        others = st.sampled_from([*_answers(id_), *irrelevant(id_)])
        resource = draw(st.one_of(*kinds, others))
        found.append(resource)
        if resource["resourceType"] == "Observation" and draw(st.integers(0, 7)) == 0:
            found[-1:] = _versions(resource, draw(observations(id_)))
    return found


def _versions(one: Json, other: Json) -> list[Json]:
    return [{**one, "meta": {"versionId": "1"}}, {**other, "meta": {"versionId": "2"}}]


def of_patient(record: Sequence[Json], id_: str) -> list[Json]:
    """The same record of another patient, every id its own."""
    mine = deepcopy(list(record))
    for resource in mine:
        resource["id"] = id_ if resource["resourceType"] == "Patient" else f"{id_}-{resource['id']}"
        for name in ("subject", "patient"):
            if name in resource:
                resource[name] = {"reference": f"Patient/{id_}"}
    return mine


def in_bundle(record: Iterable[Json], *, base: str = BASE, kind: str = "collection") -> Json:
    """A Bundle of the resources, with addresses below the base; without any, if the base is empty."""
    entries = []
    for resource in record:
        url = {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}"} if base else {}
        entries.append({**url, "resource": resource})
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def assessed(record: Iterable[Json], **chosen: Any) -> Outcome:
    """What the pipeline makes of one record in one Bundle; keywords are ``Options``."""
    return assess_bundle(in_bundle(record), as_of=DAY, knowledge=knowledge(), options=Options(**chosen))


def assessed_from(*sources: tuple[str, bytes]) -> Outcome:
    """What the pipeline makes of several sources as one input."""
    read = [Source(name, data) for name, data in sources]
    return assess_sources(read, knowledge(), as_of=AS_OF, options=Options())


def only(outcome: Outcome) -> PatientOutcome:
    """The one patient of an outcome."""
    (patient,) = outcome.patients
    return patient


def conclusion(patient: PatientOutcome) -> Mapping[str, object]:
    """What a clinician is told: everything but where it was found."""
    assessment = patient.assessment
    return {
        "stratum": assessment.stratum,
        "rule": assessment.stratum_rule,
        "turnover": assessment.turnover,
        "plan": assessment.plan,
        "gates": assessment.gates,
        "flags": assessment.flags,
        "findings": assessment.findings,
        "missing": assessment.missing,
        "scores": assessment.scores,
    }


def told(outcome: Outcome) -> object:
    """All that an outcome says, but for the places in the input."""
    patients = [
        (
            conclusion(patient),
            _without_places(patient.set_aside),
            _without_places(patient.cautions),
            len(patient.irrelevant),
            written(patient),
        )
        for patient in outcome.patients
    ]
    return outcome.release, patients, _without_places(outcome.problems), len(outcome.irrelevant), outcome.entries


def written(patient: PatientOutcome) -> bytes:
    """The bytes of everything written about a patient."""
    return encode(list(patient.resources))


def _without_places(problems: Iterable[Problem]) -> list[tuple[str, ...]]:
    return sorted((each.code, each.resource, each.what, each.then, each.severity) for each in problems)


def used_resources(patient: PatientOutcome) -> set[str]:
    """The resources that the assessment rests on."""
    return {result.resource for each in patient.assessment.evidence if hasattr(result := each.result, "resource")}
