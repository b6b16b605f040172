"""Law: "a missing answer is never 'no'": what is not recorded is unknown, is listed, and never makes the risk low."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given

from adapter.clinical.assessment import Stratum
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.pipeline import PatientOutcome
from tests.laws.bundles import Json, assessed, coded, conclusion, frax, measured, observation, only, quantity, records
from tests.recognition.building import LOINC, knowledge

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
_QUESTIONS = {code for system, code in knowledge().factor_answers if system == LOINC}
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# Answers that are none: not asked, declined, a code nobody knows, words, a date where a number is wanted.
NO_ANSWERS: list[Json] = [
    {},
    {"dataAbsentReason": coded(_ABSENT, "not-asked")},
    {"dataAbsentReason": coded(_ABSENT, "asked-declined")},
    {"valueCodeableConcept": {"text": "no"}},
    {"valueCodeableConcept": coded("http://example.org/answers", "no")},
    {"valueString": "no"},
    {"valueTime": "08:00:00"},
    {"valueQuantity": quantity(Decimal(0), "mg")},
]
# What is asked for, with what has to be taken from a full record to leave it open.
FULL: list[Json] = [
    PATIENT,
    *frax("12.4", "2.1"),
    measured("t", "dxa-t-score", "-1.9"),
    measured("ctx", "ctx", "400"),
    measured("p1np", "p1np", "50"),
    measured("creatinine", "creatinine", "62"),
]


def evidence(patient: PatientOutcome) -> set[str]:
    results = [each.result for each in patient.assessment.evidence]
    return {each.marker for each in results if isinstance(each, MarkerResult)}


def _codes(resource: Json) -> set[str]:
    return {coding["code"] for coding in resource.get("code", {}).get("coding", ())}


@given(records())
def test_nothing_is_denied_that_the_record_does_not_deny(record: list[Json]) -> None:
    asked = {f"Observation/{each['id']}" for each in record if _QUESTIONS & _codes(each)}

    patient = only(assessed(record))

    for each in patient.assessment.evidence:
        if isinstance(each.result, RiskFactor) and not each.result.present:
            assert each.result.resource in asked


@given(records())
def test_a_low_risk_rests_on_both_probabilities(record: list[Json]) -> None:
    patient = only(assessed(record))

    if patient.assessment.stratum is Stratum.LOW:
        assert {"frax-mof", "frax-hip"} <= evidence(patient)


@pytest.mark.parametrize("question", sorted(_QUESTIONS))
@pytest.mark.parametrize("answer", NO_ANSWERS, ids=lambda answer: str(*answer))
def test_an_answer_that_is_none_is_as_if_it_had_not_been_asked(question: str, answer: Json) -> None:
    asked = observation("asked", question, None, **answer)

    before, after = only(assessed(FULL)), only(assessed([*FULL, asked]))

    assert conclusion(after) == conclusion(before)


@pytest.mark.parametrize(
    ("taken", "missing"),
    [
        ("mof", "missing.frax-mof"),
        ("hip", "missing.frax-hip"),
        ("t", "missing.dxa"),
        ("creatinine", "missing.egfr"),
    ],
)
def test_what_was_taken_away_is_asked_for(taken: str, missing: str) -> None:
    before, after = (only(assessed(each)) for each in (FULL, [each for each in FULL if each["id"] != taken]))

    assert missing not in before.assessment.missing
    assert missing in after.assessment.missing
    assert after.assessment.stratum is not Stratum.LOW


@pytest.mark.parametrize(
    ("element", "stratum", "missing"),
    [
        ("birthDate", Stratum.NOT_APPLICABLE, "missing.birth-date"),
        ("gender", Stratum.INDETERMINATE, "missing.sex"),
    ],
)
def test_a_person_of_unknown_age_or_sex_is_not_assessed_as_if_known(
    element: str, stratum: Stratum, missing: str
) -> None:
    patient = {name: each for name, each in PATIENT.items() if name != element}

    assessment = only(assessed([patient, *FULL[1:]])).assessment

    assert (assessment.stratum, assessment.plan in (None, "P12")) == (stratum, True)
    assert missing in assessment.missing


def test_fasting_and_menopause_that_nobody_recorded_are_asked_for() -> None:
    younger = PATIENT | {"birthDate": "1972-03-14"}

    missing = only(assessed([younger, *FULL[1:]])).assessment.missing

    assert {"missing.fasting", "missing.menopause"} <= set(missing)
