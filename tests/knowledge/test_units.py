"""The unit traps, each through the factors and spellings that are shipped."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.clinical.values import Interval
from adapter.knowledge.facts import Limit
from adapter.knowledge.model import LOINC, Knowledge


def canonical(knowledge: Knowledge, marker: str, value: str, unit: str) -> Decimal:
    """A value in the marker's unit, by the factors."""
    alias = knowledge.unit_aliases.get(unit)
    return Decimal(value) * knowledge.unit_factors[marker][alias.unit if alias else unit].factor


def threshold(knowledge: Knowledge, marker: str, purpose: str, sex: str = "") -> Limit:
    """The one limit of that purpose."""
    [limit] = [row for row in knowledge.limits[marker] if row.purpose == purpose and row.sex in ("", sex)]
    return limit


@pytest.mark.parametrize(
    ("marker", "value", "unit", "expected"),
    [
        ("ctx", "0.410", "ng/mL", "410"),
        ("ctx", "812", "pg/mL", "812"),
        ("creatinine", "0.70", "mg/dL", "61.9"),
        ("vitamin-d", "14.0", "ng/mL", "34.9"),
        ("vitamin-d", "20", "ng/mL", "49.92"),
        ("vitamin-d2", "10", "ng/mL", "24.233"),
        ("pth", "9.8", "pmol/L", "92.4"),
        ("calcium", "8.9", "mg/dL", "2.221"),
        ("calcium", "4.6", "mEq/L", "2.30"),
        ("alp", "1.5", "ukat/L", "90"),
        ("alp", "1.5", "µkat/L", "90"),
        ("alp", "90", "IU/L", "90"),
        ("urine-calcium-creatinine", "450", "mmol/mol", "0.45"),
        ("urine-calcium-creatinine", "450", "mmol/mol{creat}", "0.45"),
        ("urine-calcium-creatinine", "0.267", "mg/mg", "0.754"),
        ("urine-ntx-creatinine", "0.040", "mmol/mol", "40"),
        ("urine-ntx-creatinine", "40", "nM BCE/mM creat", "40"),
        ("ntx", "15", "nM BCE", "15"),
        ("p1np", "52", "μg/L", "52"),
        ("p1np", "52", "µg/L", "52"),
        ("p1np", "52", "mcg/L", "52"),
        ("p1np", "52", "ng/ml", "52"),
        ("phosphate", "3.0", "mg/dL", "0.969"),
        ("osteocalcin", "1724", "pmol/L", "10.0"),
        ("tracp-5b", "590", "mU/dL", "5.9"),
        ("albumin", "3.1", "g/dL", "31"),
        ("height", "170", "cm", "1.70"),
        ("height", "67", "[in_i]", "1.70"),
        ("weight", "150", "lb", "68.04"),
        ("dxa-t-score", "-2.5", "{Tscore}", "-2.5"),
        ("dxa-t-score", "-2.5", "{T-score}", "-2.5"),
        ("dxa-z-score", "-2.5", "{Zscore}", "-2.5"),
        ("dxa-z-score", "-2.5", "{SD}", "-2.5"),
        ("dxa-bmd", "0.889", "g/cm-2", "0.889"),
        ("egfr", "62", "mL/min/1.73m*2", "62"),
        ("urine-creatinine-24h", "1.2", "g/d", "10.6"),
    ],
)
def test_a_value_in_the_field_means_this_much(
    marker: str, value: str, unit: str, expected: str, knowledge: Knowledge
) -> None:
    assert canonical(knowledge, marker, value, unit).quantize(Decimal(expected)) == Decimal(expected)


def test_concentration_times_volume_is_the_amount_of_a_day(knowledge: Knowledge) -> None:
    concentration = canonical(knowledge, "urine-calcium-24h-concentration", "11.2", "mg/dL")
    amount = concentration * canonical(knowledge, "urine-volume-24h", "1850", "mL")
    assert amount.quantize(Decimal("0.01")) == Decimal("5.17")
    assert amount == canonical(knowledge, "urine-calcium-24h", "207.2", "mg/(24.h)")


@pytest.mark.parametrize(("sex", "limit"), [("female", "250"), ("male", "300")])
def test_exactly_the_limit_of_urine_calcium_is_not_high(sex: str, limit: str, knowledge: Knowledge) -> None:
    high = threshold(knowledge, "urine-calcium-24h", "hypercalciuria", sex).high
    assert high is not None
    at_limit = Interval.exactly(canonical(knowledge, "urine-calcium-24h", f"{limit}.0", "mg/d"))
    above = Interval.exactly(canonical(knowledge, "urine-calcium-24h", f"{limit}.1", "mg/d"))
    assert (at_limit.exceeds(high), above.exceeds(high)) == (False, True)


def test_ten_percent_above_the_limit_in_mmol_is_high(knowledge: Knowledge) -> None:
    high = threshold(knowledge, "urine-calcium-24h", "hypercalciuria", "male").high
    assert high is not None
    assert high.quantize(Decimal("0.01")) == Decimal("7.49")
    assert Interval.exactly(canonical(knowledge, "urine-calcium-24h", "8.1", "mmol/d")).exceeds(high)


@pytest.mark.parametrize(
    ("value", "unit", "is_deficient"),
    [("50", "nmol/L", False), ("20", "ng/mL", False), ("49.9", "nmol/L", True), ("19.9", "ng/mL", True)],
)
def test_vitamin_d_of_exactly_the_limit_is_not_deficient_in_either_unit(
    value: str, unit: str, is_deficient: bool, knowledge: Knowledge
) -> None:
    low = threshold(knowledge, "vitamin-d", "deficient").low
    assert low is not None
    assert Interval.exactly(canonical(knowledge, "vitamin-d", value, unit)).is_below(low) is is_deficient


def test_a_t_score_code_takes_no_density(knowledge: Knowledge) -> None:
    """A public example gives 38263-0 the value 0.889 g/cm²: that is no T-score of +0.889."""
    assert "g/cm2" not in knowledge.unit_factors["dxa-t-score"]


def test_a_fraction_is_no_percentage(knowledge: Knowledge) -> None:
    assert {*knowledge.unit_factors["frax-mof"]} == {*knowledge.unit_factors["frax-hip"]} == {"%"}


def test_mass_and_activity_of_bone_alkaline_phosphatase_are_never_converted(knowledge: Knowledge) -> None:
    assert not {*knowledge.unit_factors["bone-alp"]} & {*knowledge.unit_factors["bone-alp-activity"]}


def test_the_official_example_of_a_wrong_unit_is_told(knowledge: Knowledge) -> None:
    assert knowledge.unit_aliases["g/cm-2"].warn
    assert not knowledge.unit_aliases["μg/L"].warn


def test_approximate_factors_say_so(knowledge: Knowledge) -> None:
    told = {
        (row.marker, row.unit) for rows in knowledge.unit_factors.values() for row in rows.values() if row.approximate
    }
    assert told == {("osteocalcin", "pmol/L"), ("osteocalcin", "nmol/L"), ("albumin", "umol/L")}


def test_every_alias_leads_to_a_unit_and_none_to_an_alias(knowledge: Knowledge) -> None:
    assert not {alias.unit for alias in knowledge.unit_aliases.values()} & knowledge.unit_aliases.keys()


def test_a_mass_code_allows_mass_units_and_a_molar_code_molar_units(knowledge: Knowledge) -> None:
    assert knowledge.codes[LOINC, "17861-6"].units == ("mg/dL", "mg/L")
    assert knowledge.codes[LOINC, "2000-8"].units == ("mmol/L", "meq/L")


def test_every_unit_of_a_factor_or_behind_an_alias_is_known(knowledge: Knowledge) -> None:
    assert {"ng/L", "{T-score}"} & knowledge.known_units == {"ng/L"}
    assert knowledge.unit_aliases["{T-score}"].unit in knowledge.known_units
