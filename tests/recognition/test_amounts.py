"""A value is converted by the unit that came with it, or refused; nothing is guessed (fhir.md A3.5 to A3.10, E26)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.results import (
    Concept,
    MarkerResult,
    ReportedOther,
    ReportedQuantity,
    ReportedRange,
    ReportedRatio,
    ReportedText,
)
from adapter.clinical.values import Interval
from adapter.problems import Problem, ProblemCode
from adapter.recognition.markers import RecognitionOptions, recognise
from tests.recognition.building import UCUM, knowledge, lab, quantity


def understood(code: str, value: object, *, read_text: bool = False) -> MarkerResult:
    outcome = recognise(lab(code, value), knowledge(), RecognitionOptions(read_text=read_text))
    assert isinstance(outcome, MarkerResult), outcome
    return outcome


def refused(code: str, value: object, *, read_text: bool = False) -> ProblemCode:
    outcome = recognise(lab(code, value), knowledge(), RecognitionOptions(read_text=read_text))
    assert isinstance(outcome, Problem), outcome
    return outcome.code


@pytest.mark.parametrize(
    ("code", "number", "unit", "canonical"),
    [
        ("41171-0", "0.410", "ng/mL", "410.000"),
        ("41171-0", "812", "pg/mL", "812"),
        ("47255-5", "52.0", "ng/mL", "52.0"),
        ("6768-6", "1.5", "ukat/L", "90.0"),
        ("24518-3", "450", "mmol/mol", "0.450"),
        ("14115-0", "0.040", "mmol/mol", "40.000"),
        ("62292-8", "20", "ng/mL", "49.9200"),
        ("14866-8", "9.8", "pmol/L", "92.3650"),
    ],
)
def test_each_unit_is_converted_by_its_own_factor(code: str, number: str, unit: str, canonical: str) -> None:
    result = understood(code, quantity(number, unit))
    assert result.value.exact == Decimal(canonical)
    assert result.digits == number


@pytest.mark.parametrize("spelling", ["μg/L", "µg/L", "mcg/L", "ug/L"])
def test_a_unit_text_counts_through_the_alias_table(spelling: str) -> None:
    assert understood("47255-5", ReportedQuantity(Decimal(52), unit=spelling)).value.exact == 52


def test_an_unknown_unit_is_set_aside_and_never_guessed() -> None:
    assert refused("41171-0", quantity("0.62", "arb'U/mL")) is ProblemCode.UNIT_UNKNOWN
    assert refused("41171-0", ReportedQuantity(Decimal("0.62"), unit="arbitrary")) is ProblemCode.UNIT_UNKNOWN
    assert refused("41171-0", quantity("0.62", "mmol/L")) is ProblemCode.UNIT_UNKNOWN


def test_a_missing_unit_is_set_aside() -> None:
    assert refused("41171-0", ReportedQuantity(Decimal("0.62"))) is ProblemCode.UNIT_MISSING


def test_unit_and_code_that_differ_are_set_aside() -> None:
    value = ReportedQuantity(Decimal("0.62"), unit="ng/mL", system=UCUM, code="pg/mL")
    assert refused("41171-0", value) is ProblemCode.UNIT_CONTRADICTS


def test_a_slash_behind_the_unit_system_is_forgiven_and_flagged() -> None:
    value = ReportedQuantity(Decimal(812), unit="pg/mL", system=f"{UCUM}/", code="pg/mL")
    assert ProblemCode.CODE_SYSTEM_ALIAS in understood("41171-0", value).cautions


def test_a_wrong_ucum_spelling_is_understood_and_flagged() -> None:
    result = understood("24701-5", quantity("0.887", "g/cm-2"))
    assert result.value.exact == Decimal("0.887")
    assert ProblemCode.UNIT_ALIAS in result.cautions


@pytest.mark.parametrize(
    ("code", "number", "unit", "canonical"),
    [
        ("17861-6", "8.9", "MG/DL", "2.220639"),
        ("2000-8", "2.18", "MMOL/L", "2.18"),
        ("47255-5", "52", "NG/ML", "52"),
        ("2731-8", "41", "PG/ML", "41"),
    ],
)
def test_capitals_are_the_case_insensitive_form_and_flagged(code: str, number: str, unit: str, canonical: str) -> None:
    result = understood(code, quantity(number, unit))
    assert result.value.exact == Decimal(canonical)
    assert ProblemCode.UNIT_ALIAS in result.cautions


def test_a_unit_is_never_trimmed() -> None:
    assert refused("47255-5", ReportedQuantity(Decimal(52), unit="ng/mL ")) is ProblemCode.UNIT_UNKNOWN


def test_the_surface_of_a_kidneys_clearance_may_be_written_with_a_comma() -> None:
    assert understood("98979-8", ReportedQuantity(Decimal(81), unit="ml/min/1,73m²")).value.exact == 81


def test_a_mass_code_in_molar_units_is_converted_by_the_unit_and_flagged() -> None:
    result = understood("17861-6", quantity("2.30", "mmol/L"))
    assert result.value.exact == Decimal("2.30")
    assert ProblemCode.PROPERTY_CONTRADICTS in result.cautions


def test_a_t_score_needs_no_unit_but_no_density_passes_for_one() -> None:
    assert understood("38267-1", ReportedQuantity(Decimal("-2.1"))).value.exact == Decimal("-2.1")
    assert understood("98146-4", ReportedQuantity(Decimal("0.9"))).value.exact == Decimal("0.9")
    assert (
        understood("38267-1", ReportedQuantity(Decimal("-2.1"), unit="T-Score", system=UCUM, code="1")).digits == "-2.1"
    )
    assert refused("38263-0", quantity("0.889", "g/cm2")) is ProblemCode.UNIT_UNKNOWN
    disguised = ReportedQuantity(Decimal("0.889"), unit="g/cm2", system=UCUM, code="1")
    assert refused("38263-0", disguised) is ProblemCode.UNIT_CONTRADICTS


@pytest.mark.parametrize(
    ("comparator", "interval"),
    [
        ("<", Interval(None, Decimal(50), high_open=True)),
        ("<=", Interval(None, Decimal(50))),
        (">", Interval(Decimal(50), None, low_open=True)),
        (">=", Interval(Decimal(50), None)),
    ],
)
def test_a_comparator_makes_an_interval(comparator: str, interval: Interval) -> None:
    result = understood("41171-0", quantity("50", "pg/mL", comparator))
    assert result.value == interval
    assert result.digits == f"{comparator}50"


def test_a_range_is_an_interval_when_its_ends_share_a_unit() -> None:
    both = ReportedRange(quantity("10", "ng/mL"), quantity("20", "ng/mL"))
    assert understood("47255-5", both).value == Interval(Decimal(10), Decimal(20))
    mixed = ReportedRange(quantity("10", "ng/mL"), quantity("20", "ug/L"))
    assert refused("47255-5", mixed) is ProblemCode.UNIT_CONTRADICTS
    open_end = understood("47255-5", ReportedRange(high=quantity("20", "ng/mL")))
    assert open_end.value == Interval(None, Decimal(20))
    assert open_end.digits == "–20"
    assert refused("47255-5", ReportedRange()) is ProblemCode.VALUE_MISSING


def test_a_24_hour_urine_may_come_as_a_ratio() -> None:
    ratio = ReportedRatio(quantity("324.6", "mg"), quantity("24", "h"))
    assert understood("6874-2", ratio).digits == "324.6"
    per_day = ReportedRatio(quantity("8.1", "mmol"), quantity("1", "d"))
    assert understood("14637-3", per_day).value.exact == Decimal("8.1")


def test_a_ratio_over_another_time_is_set_aside() -> None:
    assert refused("6874-2", ReportedRatio(quantity("300", "mg"), quantity("23", "h"))) is ProblemCode.UNIT_UNKNOWN
    assert refused("6874-2", ReportedRatio(quantity("300", "mg"))) is ProblemCode.VALUE_MISSING
    inexact = ReportedRatio(quantity("300", "mg"), quantity("24", "h", "<"))
    assert refused("6874-2", inexact) is ProblemCode.COMPARATOR_INVALID


def test_a_ratio_per_one_unit_is_read_as_that_unit() -> None:
    ratio = ReportedRatio(quantity("0.45", "mmol"), quantity("1", "mmol"))
    assert understood("24518-3", ratio).value.exact == Decimal("0.45")


def test_text_is_not_read_unless_that_is_switched_on() -> None:
    assert refused("41171-0", ReportedText("0.62 ng/mL")) is ProblemCode.VALUE_TEXT
    assert understood("41171-0", ReportedText("<0.05 ng/mL"), read_text=True).digits == "<0.05"


@pytest.mark.parametrize("text", ["0,62 ng/mL", "0.62 ng/mL (low)", "see note", "阴性", "1.2.3 ng/mL", "٣ ng/mL"])
def test_text_outside_the_strict_grammar_is_refused(text: str) -> None:
    assert refused("41171-0", ReportedText(text), read_text=True) is ProblemCode.VALUE_TEXT


def test_values_without_a_number_are_set_aside() -> None:
    assert refused("41171-0", Concept()) is ProblemCode.VALUE_TYPE
    assert refused("41171-0", ReportedOther("SampledData")) is ProblemCode.VALUE_TYPE
    assert refused("41171-0", ReportedQuantity(None, "<", "pg/mL")) is ProblemCode.VALUE_MISSING


def test_an_implausible_value_is_set_aside() -> None:
    assert refused("38267-1", ReportedQuantity(Decimal("-12"))) is ProblemCode.IMPLAUSIBLE
    assert refused("38267-1", ReportedQuantity(Decimal("53.7"))) is ProblemCode.IMPLAUSIBLE


def test_a_frax_fraction_is_asked_about_not_guessed() -> None:
    assert refused("90265-0", quantity("0.124", "1")) is ProblemCode.SCALE_UNCLEAR
    assert understood("90265-0", quantity("12.4", "%")).value.exact == Decimal("12.4")


def test_an_approximate_factor_is_flagged() -> None:
    assert "approximate-factor" in understood("15084-7", quantity("3000", "pmol/L")).cautions


@given(st.decimals(min_value="0.010", max_value="9.999", places=3, allow_nan=False))
def test_converting_there_and_back_changes_nothing(number: Decimal) -> None:
    """Law: units there and back."""
    result = understood("41171-0", ReportedQuantity(number, unit="ng/mL", system=UCUM, code="ng/mL"))
    assert result.value.exact is not None
    assert result.value.exact / 1000 == number
    assert Decimal(result.digits) == number
