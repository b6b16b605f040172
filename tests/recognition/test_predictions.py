"""FRAX inside another RiskAssessment is read when its scale is certain, and never taken from our own output."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapter.clinical.results import Coding, Concept, MarkerResult, ReportedPrediction
from adapter.clinical.values import Interval
from adapter.problems import Problem, ProblemCode
from adapter.recognition.predictions import OWN_METHOD, frax_of
from tests.recognition.building import SNOMED, knowledge, time


def prediction(outcome: Concept, number: str | None, **fields: Any) -> ReportedPrediction:
    value = None if number is None else Interval.exactly(Decimal(number))
    return ReportedPrediction(
        where="a.json#prediction[0]",
        entry="a.json",
        resource="RiskAssessment/1",
        patient="Patient/1",
        status="final",
        method=fields.pop("method", Concept(text="FRAX with BMD")),
        code=Concept(),
        outcome=outcome,
        probability=value,
        digits=number or "",
        occurrence=time("2026-06-01"),
        **fields,
    )


MOF = Concept(text="Major osteoporotic fracture")
HIP = Concept((Coding(SNOMED, "704334005"),))


def test_percentages_are_read_and_keep_what_is_said_of_bone_density() -> None:
    found = frax_of([prediction(MOF, "12.4"), prediction(HIP, "0.4")], knowledge())
    assert [(r.marker, r.digits, r.with_bmd) for r in found if isinstance(r, MarkerResult)] == [
        ("frax-mof", "12.4", True),
        ("frax-hip", "0.4", True),
    ]


def test_values_of_at_most_one_alone_may_be_fractions_and_are_not_guessed() -> None:
    (found,) = frax_of([prediction(MOF, "0.124")], knowledge())
    assert isinstance(found, Problem)
    assert found.code is ProblemCode.SCALE_UNCLEAR


def test_an_explicit_percent_sign_settles_the_scale() -> None:
    (found,) = frax_of([prediction(HIP, "0.4", unit="%")], knowledge())
    assert isinstance(found, MarkerResult)


def test_a_prediction_that_is_not_frax_is_irrelevant() -> None:
    assert frax_of([prediction(MOF, "12.4", method=Concept(text="Garvan"))], knowledge()) == []


def test_what_we_wrote_ourselves_is_no_evidence() -> None:
    ours = Concept((Coding("urn:osteo-fhir:method", OWN_METHOD),))
    assert frax_of([prediction(MOF, "12.4", method=ours)], knowledge()) == []


def test_other_outcomes_horizons_and_missing_values_are_set_aside() -> None:
    outcomes = [
        frax_of([prediction(Concept(text="Heart attack"), "12")], knowledge()),
        frax_of([prediction(HIP, "12", horizon_years=Decimal(5))], knowledge()),
        frax_of([prediction(HIP, None)], knowledge()),
    ]
    codes = [found.code for (found,) in outcomes if isinstance(found, Problem)]
    assert codes == [ProblemCode.NOT_UNDERSTOOD, ProblemCode.NOT_UNDERSTOOD, ProblemCode.VALUE_MISSING]


def test_the_outcome_may_be_in_words() -> None:
    (hip,) = frax_of([prediction(Concept(text="Hip fracture"), "2.5")], knowledge())
    (major,) = frax_of([prediction(Concept((Coding(SNOMED, "443165006"),)), "12.5")], knowledge())
    assert isinstance(hip, MarkerResult)
    assert hip.marker == "frax-hip"
    assert isinstance(major, MarkerResult)
    assert major.marker == "frax-mof"


def test_a_fracture_elsewhere_is_neither_outcome() -> None:
    wrist = Concept((Coding(SNOMED, "704336007"), Coding(SNOMED, "38341003")))
    (found,) = frax_of([prediction(wrist, "12.4")], knowledge())
    assert isinstance(found, Problem)
