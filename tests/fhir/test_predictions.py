from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.results import ReportedPrediction
from adapter.clinical.values import Interval
from adapter.fhir.releases import Release
from adapter.problems import ProblemCode
from tests.fhir.building import Json, read_all, refusals, resource


def assessment(*predictions: Json, **more: Any) -> Json:
    plain = {"status": "final", "method": {"text": "FRAX"}, "occurrenceDateTime": "2026-05-20"}
    return resource("RiskAssessment", **{**plain, "prediction": list(predictions), **more})


def prediction(release: Release = Release.R4, **elements: Any) -> ReportedPrediction:
    reading = read_all(assessment(elements), release=release)
    assert reading.set_aside == []
    return reading.predictions[0]


@pytest.mark.parametrize("digits", ["0.02", "12.1", "12.40"])
def test_a_probability_is_kept_as_received_be_it_fraction_or_percent(digits: str) -> None:
    """Trap 25, A9.3"""
    read = prediction(probabilityDecimal=Decimal(digits))
    assert (read.probability, read.digits, read.unit) == (Interval.exactly(Decimal(digits)), digits, "")


def test_a_probability_may_be_a_range() -> None:
    span = {"low": {"value": 10, "code": "%"}, "high": {"value": 20, "code": "%"}}
    read = prediction(probabilityRange=span)
    assert (read.probability, read.digits, read.unit) == (Interval(Decimal(10), Decimal(20)), "10–20", "%")
    assert prediction(probabilityRange={"high": {"value": 20}}).digits == "–20"


def test_a_prediction_in_words_has_no_probability() -> None:
    assert prediction(qualitativeRisk={"text": "high"}).probability is None


@pytest.mark.parametrize(
    ("when", "years"),
    [
        ({}, None),
        ({"whenRange": {"high": {"value": 10, "code": "a"}}}, Decimal(10)),
        ({"whenRange": {"high": {"value": 120, "code": "mo"}}}, Decimal(10)),
        ({"whenPeriod": {"start": "2026-05-20", "end": "2036-05-20"}}, Decimal(10)),
        ({"whenPeriod": {"start": "2026", "end": "2030"}}, Decimal(5)),
    ],
)
def test_how_far_a_prediction_reaches_is_read(when: Json, years: Decimal | None) -> None:
    read = prediction(probabilityDecimal=1, **when).horizon_years
    assert (None if read is None else round(read, 6)) == years


@pytest.mark.parametrize(
    "when",
    [
        {"whenRange": {"high": {"value": 10, "code": "banana"}}},
        {"whenRange": {"low": {"value": 1}}},
        {"whenPeriod": {"start": "2026"}},
        {"whenPeriod": "x"},
    ],
)
def test_a_horizon_that_is_not_understood_costs_that_prediction_alone(when: Json) -> None:
    reading = read_all(assessment({"probabilityDecimal": 1, **when}, {"probabilityDecimal": 2}))
    assert [each.digits for each in reading.predictions] == ["2"]
    assert reading.predictions[0].where == "1.json.prediction[1]"
    assert len(reading.set_aside) >= 1


def test_notes_basis_and_method_are_kept() -> None:
    document = assessment(
        {"probabilityDecimal": 1}, note=[{"text": "with BMD"}], basis=[{"reference": "Observation/t"}]
    )
    [read] = read_all(document).predictions
    assert (read.method.text, read.notes, read.basis) == ("FRAX", ("with BMD",), ("Observation/t",))


def test_the_comment_of_stu3_is_a_note() -> None:
    """A2"""
    document = assessment({"probabilityDecimal": 1}, comment="with BMD")
    assert read_all(document, release=Release.STU3).predictions[0].notes == ("with BMD",)


@pytest.mark.parametrize("status", ["preliminary", "entered-in-error", "cancelled", None])
def test_an_assessment_that_does_not_stand_is_set_aside(status: str | None) -> None:
    assert refusals(assessment({"probabilityDecimal": 1}, status=status)) == [ProblemCode.STATUS_NOT_USABLE]


def test_a_preliminary_assessment_is_read_if_that_is_wanted() -> None:
    reading = read_all(assessment({"probabilityDecimal": 1}, status="preliminary"), allow_preliminary=True)
    assert reading.predictions[0].status == "preliminary"


def test_an_assessment_without_predictions_is_irrelevant() -> None:
    assert read_all(assessment()).irrelevant == [("1.json", "Patient/1")]
