"""Flags U1 to X1, critical values, and the values that have to be worked out before they are read."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.problems import ProblemCode
from tests.engines.building import (
    assessed,
    ctx,
    factor,
    fracture,
    man,
    p1np,
    reading,
    reference,
    result,
    score,
    sentence,
    used,
    woman,
    words,
)

DAY = "mmol/(24.h)"


def flags(*given: Any, of: Any = woman, age: int = 64) -> tuple[str, ...]:
    return assessed(of(age, *given)).flags


@pytest.mark.parametrize(
    ("of", "digits", "unit", "expected"),
    [
        (woman, "250.0", "mg/(24.h)", ()),
        (woman, "250.1", "mg/(24.h)", ("U1",)),
        (man, "300.0", "mg/(24.h)", ()),
        (man, "300.1", "mg/(24.h)", ("U1",)),
        (man, "8.1", DAY, ("U1",)),
        (woman, ">300", "mg/(24.h)", ("U1",)),
        (woman, ">200", "mg/(24.h)", ()),
        (woman, "99", "mg/(24.h)", ("U3",)),
        (woman, "100", "mg/(24.h)", ()),
    ],
)
def test_u1_and_u3_urine_calcium_of_a_day(of: Any, digits: str, unit: str, expected: tuple[str, ...]) -> None:
    assert flags(result("urine-calcium-24h", digits, unit), of=of) == expected


def test_the_limit_is_shown_in_the_unit_of_its_source() -> None:
    found = sentence(assessed(woman(64, result("urine-calcium-24h", "8.1", DAY))), "U1")
    assert found and found.values == {"urine_calcium": f"8.1 {DAY}", "limit": "≤ 250 mg/(24.h)", "date": "2026-06-02"}


def concentration(digits: str, **given: Any) -> Any:
    return result("urine-calcium-24h-concentration", digits, "mg/dL", **given)


def volume(digits: str, unit: str = "L", **given: Any) -> Any:
    return result("urine-volume-24h", digits, unit, **given)


def test_concentration_times_volume_is_an_amount() -> None:
    answer = assessed(woman(64, concentration("11.2"), volume("1.85")))
    assert (score(answer, "urine-calcium-24h"), answer.flags) == ("5.17", ())
    answer = assessed(woman(64, concentration("15.0"), volume("1850", "mL")))
    assert (score(answer, "urine-calcium-24h"), answer.flags) == ("6.92", ("U1",))
    found = sentence(answer, "U1")
    assert found and found.values["urine_calcium"] == "6.92 mmol/24 h"


@pytest.mark.parametrize(
    "given", [[], [volume("1.85", on="2026-05-02")], [volume(">1.85")]], ids=["none", "other-day", "bound"]
)
def test_a_concentration_alone_is_no_amount(given: list[Any]) -> None:
    assert flags(concentration("25.0"), *given) == ()


def collected(*given: Any) -> Any:
    return assessed(man(66, result("urine-calcium-24h", "8.1", DAY), *given))


def creatinine_of_a_day(digits: str, **given: Any) -> Any:
    return result("urine-creatinine-24h", digits, DAY, **given)


@pytest.mark.parametrize(
    "given",
    [
        [result("urine-collection-duration", "20", "h")],
        [result("urine-collection-duration", "26.5", "h")],
        [creatinine_of_a_day("5"), result("weight", "68", "kg")],  # 8 mg/kg
        [creatinine_of_a_day("20"), result("weight", "68", "kg")],  # 33 mg/kg
        [
            result("urine-collection-duration", "24", "h"),
            creatinine_of_a_day("5"),
            result("weight", "68", "kg"),
        ],
    ],
)
def test_an_incomplete_collection_is_set_aside_and_named(given: list[Any]) -> None:
    answer = collected(*given)
    assert answer.flags == ()
    assert [problem.code for problem in answer.cautions] == [ProblemCode.COLLECTION_INCOMPLETE]
    assert "Observation/urine-calcium-24h" not in used(answer)


@pytest.mark.parametrize(
    "given",
    [
        [result("urine-collection-duration", "22", "h")],
        [creatinine_of_a_day("13"), result("weight", "68", "kg")],  # 21.6 mg/kg
    ],
)
def test_a_collection_shown_to_be_complete_needs_no_caution(given: list[Any]) -> None:
    answer = collected(*given)
    assert answer.flags == ("U1",)
    assert "collection-unproven" not in words(answer)


@pytest.mark.parametrize(
    "given",
    [
        [],
        [result("urine-collection-duration", "20", "h", on="2026-01-02")],
        [result("urine-collection-duration", ">20", "h")],
        [creatinine_of_a_day("<5"), result("weight", "68", "kg")],
        [creatinine_of_a_day("5", on="2026-01-02"), result("weight", "68", "kg")],
    ],
)
def test_a_collection_that_nothing_speaks_about_is_read_with_a_caution(given: list[Any]) -> None:
    answer = collected(*given)
    assert answer.flags == ("U1",)
    assert "collection-unproven" in words(answer)


def test_without_a_weight_the_creatinine_is_held_to_what_any_adult_excretes() -> None:
    plenty, little = collected(creatinine_of_a_day("5")), collected(creatinine_of_a_day("3"))
    assert plenty.flags == ("U1",)
    assert "collection-unproven" not in words(plenty)
    assert little.flags == ()


def spot(digits: str, unit: str = "mmol/mol") -> Any:
    return result("urine-calcium-creatinine", digits, unit)


@pytest.mark.parametrize(("digits", "expected"), [("600", ()), ("601", ("U2",)), ("450", ())])
def test_u2_a_spot_ratio_asks_for_a_collection(digits: str, expected: tuple[str, ...]) -> None:
    answer = assessed(woman(64, spot(digits)))
    assert answer.flags == expected
    assert "missing.24h-urine" in answer.missing


def test_u2_is_silent_beside_a_collection_unless_that_is_incomplete() -> None:
    amount = result("urine-calcium-24h", "5", DAY)
    assert flags(spot("700"), amount) == ()
    assert flags(spot("700"), amount, result("urine-collection-duration", "12", "h")) == ("U2",)


def test_a_ratio_is_worked_out_from_one_sample_alone() -> None:
    calcium = result("urine-calcium", "12.0", "mg/dL")
    creatinine = result("urine-creatinine", "45", "mg/dL")
    answer = assessed(woman(64, calcium, creatinine))
    assert (score(answer, "urine-calcium-creatinine"), answer.flags) == ("0.753", ("U2",))
    assert flags(calcium) == ()
    assert flags(calcium, result("urine-creatinine", "45", "mg/dL", on="2026-06-03")) == ()
    assert flags(calcium, result("urine-creatinine", "<45", "mg/dL")) == ()
    answer = assessed(woman(64, result("urine-calcium", ">12.0", "mg/dL"), creatinine))
    assert (score(answer, "urine-calcium-creatinine"), answer.flags) == (None, ("U2",))


def test_a_thiazide_is_said_beside_urine_calcium() -> None:
    assert "thiazide" in words(assessed(woman(64, spot("300"), factor("thiazide"))))
    assert "thiazide" not in words(assessed(woman(64, spot("300"), factor("thiazide", ended=True))))


def calcium(digits: str, unit: str = "mmol/L", **given: Any) -> Any:
    return result("calcium", digits, unit, **given)


def albumin(digits: str, **given: Any) -> Any:
    return result("albumin", digits, "g/L", **given)


@pytest.mark.parametrize(
    ("given", "expected", "key"),
    [
        ([calcium("2.05"), albumin("38")], "C1", "flag.C1"),
        ([calcium("2.18"), albumin("31")], None, None),
        ([calcium("2.24")], "C1", "flag.C1.uncorrected"),
        ([calcium("2.25")], None, None),
        ([calcium("2.18"), albumin("31", on="2026-05-29")], "C1", "flag.C1.uncorrected"),
        ([calcium("2.18"), albumin("19.9")], "C1", "flag.C1.uncorrected"),
        ([calcium("2.18"), albumin("20")], None, None),
        ([calcium("2.18"), albumin("<31")], "C1", "flag.C1.uncorrected"),
        ([calcium("<2.18"), albumin("31")], "C1", "flag.C1.uncorrected"),
        ([result("calcium-corrected", "2.20", "mmol/L"), albumin("30")], "C1", "flag.C1"),
        ([result("calcium-corrected", "2.30", "mmol/L"), calcium("2.0"), albumin("40")], None, None),
    ],
)
def test_c1_low_calcium_is_corrected_once_and_by_the_same_day(given: list[Any], expected: Any, key: Any) -> None:
    found = sentence(assessed(woman(64, *given)), "C1")
    assert (found.rule, found.text_key) == (expected, key) if found else expected is None


def test_corrected_calcium_shows_what_it_is_made_of() -> None:
    answer = assessed(woman(64, calcium("2.05"), albumin("38")))
    found = sentence(answer, "C1")
    assert score(answer, "corrected-calcium") == "2.09"
    assert found and found.values == {"calcium": "2.09 mmol/L", "limit": "2.25–2.75 mmol/L", "date": "2026-06-02"}
    assert found.rests_on == ("Observation/calcium", "Observation/albumin")


def ionized(digits: str, *ranges: Any) -> Any:
    return result("calcium-ionized", digits, "mmol/L", reference_ranges=ranges)


def test_ionized_calcium_wins_where_it_came_with_limits() -> None:
    own = reference("1.15", "1.30", "mmol/L")
    assert flags(ionized("1.22", own), calcium("2.0"), albumin("40")) == ()
    assert flags(ionized("1.10", own), calcium("2.4"), albumin("40")) == ("C1",)
    assert flags(ionized("1.40", own)) == ("C2",)
    assert flags(ionized("1.22")) == ()
    assert flags(ionized("1.22"), calcium("2.0"), albumin("40")) == ("C1",)


def test_ionized_calcium_without_limits_is_never_silent() -> None:
    own = reference("1.15", "1.30", "mmol/L")
    assert "ionized-without-limits" in words(assessed(woman(64, ionized("0.70"))))
    assert "ionized-without-limits" not in words(assessed(woman(64, ionized("0.70", own))))


def pth(digits: str, unit: str = "ng/L", **given: Any) -> Any:
    return result("pth", digits, unit, **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([calcium("2.68"), albumin("42"), pth("58", "pg/mL")], ("C2",)),
        ([calcium("2.60"), albumin("40"), pth("58")], ()),
        ([calcium("2.61"), albumin("40")], ("C2",)),
        ([calcium("2.61"), albumin("40"), pth("40")], ("C2",)),
        ([calcium("2.61"), albumin("40"), pth("39")], ()),
        ([calcium("2.58", reference_ranges=(reference("2.15", "2.55", "mmol/L"),)), albumin("40")], ("C2",)),
        ([calcium("2.70", reference_ranges=(reference("2.15", "2.80", "mmol/L"),)), albumin("40")], ()),
        ([calcium("2.76", reference_ranges=(reference("2.15", "2.80", "mmol/L"),)), albumin("40")], ("C2",)),
    ],
)
def test_c2_high_calcium_without_suppressed_pth(given: list[Any], expected: tuple[str, ...]) -> None:
    assert flags(*given) == expected


def test_high_calcium_with_suppressed_pth_is_never_silent() -> None:
    assert "high-calcium-low-pth" in words(assessed(woman(64, calcium("2.9"), albumin("40"), pth("10"))))


@pytest.mark.parametrize("given", [[calcium("2.9"), albumin("40")], [calcium("2.4"), albumin("40"), pth("10")]])
def test_that_calcium_is_high_or_pth_low_is_not_said_of_the_other(given: list[Any]) -> None:
    assert "high-calcium-low-pth" not in words(assessed(woman(64, *given)))


@pytest.mark.parametrize(("digits", "expected"), [("0.80", ("C3",)), ("0.81", ()), ("1.45", ()), ("1.46", ("C3",))])
def test_c3_phosphate_outside_its_limits(digits: str, expected: tuple[str, ...]) -> None:
    assert flags(result("phosphate", digits, "mmol/L")) == expected


def vitamin(marker: str, digits: str, unit: str = "nmol/L", **given: Any) -> Any:
    return result(marker, digits, unit, **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([vitamin("vitamin-d", "38")], ("V1",)),
        ([vitamin("vitamin-d", "50")], ()),
        ([vitamin("vitamin-d", "20", "ng/mL")], ()),
        ([vitamin("vitamin-d", "19.9", "ng/mL")], ("V1",)),
        ([vitamin("vitamin-d", "<10", "ng/mL")], ("V1",)),
        ([vitamin("vitamin-d", "<30", "ng/mL")], ()),
        # D2 and D3 of one sample are a total; D3 alone is only the least it can be
        ([vitamin("vitamin-d3", "30"), vitamin("vitamin-d2", "10")], ("V1",)),
        ([vitamin("vitamin-d3", "30"), vitamin("vitamin-d2", "25")], ()),
        ([vitamin("vitamin-d3", "30"), vitamin("vitamin-d2", "<10")], ("V1",)),
        ([vitamin("vitamin-d3", "30"), vitamin("vitamin-d2", ">10")], ()),
        ([vitamin("vitamin-d3", "30"), vitamin("vitamin-d2", "10", on="2026-05-01")], ()),
        # the morning after is another sample, though less than a day has passed
        (
            [
                vitamin("vitamin-d3", "30", on="2026-06-02T08:00:00Z"),
                vitamin("vitamin-d2", "10", on="2026-06-01T09:00:00Z"),
            ],
            (),
        ),
        ([vitamin("vitamin-d3", "30")], ()),
        ([vitamin("vitamin-d3", "60")], ()),
        ([vitamin("vitamin-d2", "10")], ()),
    ],
)
def test_v1_vitamin_d_below_its_limit_in_the_unit_it_came_in(given: list[Any], expected: tuple[str, ...]) -> None:
    assert flags(*given) == expected


def test_vitamin_d3_alone_that_may_be_deficient_is_said() -> None:
    assert "vitamin-d-open" in words(assessed(woman(64, vitamin("vitamin-d3", "30"))))
    assert "vitamin-d-open" not in words(assessed(woman(64, vitamin("vitamin-d3", "60"))))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pth("65"), ()),
        (pth("66"), ("H1",)),
        (pth("10"), ()),
        (result("pth-1-84", "70", "ng/L"), ()),
        (result("pth-1-84", "70", "ng/L", reference_ranges=(reference("6", "40", "ng/L"),)), ("H1",)),
    ],
)
def test_h1_raised_pth_by_the_range_of_its_own_assay(given: Any, expected: tuple[str, ...]) -> None:
    assert flags(given) == expected


def test_e1_names_the_menopause_for_high_turnover() -> None:
    assert flags(p1np("60"), ctx("700")) == ("E1",)
    assert flags(p1np("60"), ctx("900"), of=man) == ()


@pytest.mark.parametrize(
    ("age", "given", "expected"),
    [
        (70, [], "flag.L1"),
        (69, [], None),
        (60, [factor("glucocorticoid", since="2025-06-01")], "flag.L1.glucocorticoid"),
        (70, [factor("glucocorticoid", since="2025-06-01")], "flag.L1.both"),
        (60, [factor("glucocorticoid", since="2020-06-01", until="2020-09-01")], None),
    ],
)
def test_l1_names_age_or_glucocorticoid_or_both_for_low_turnover(
    age: int, given: list[Any], expected: str | None
) -> None:
    found = sentence(assessed(woman(age, p1np("14"), ctx("90"), *given)), "L1")
    assert (found.text_key if found else None) == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([result("egfr", "23", "mL/min/{1.73_m2}")], ".kidney"),
        ([fracture("hip", since="2026-02-10")], ".fracture"),
        ([], ""),
    ],
)
def test_the_page_says_why_no_marker_is_read(given: list[Any], why: str) -> None:
    found = sentence(assessed(woman(70, ctx("700", fasting=False), *given)), "T-unusable")
    assert found is not None
    assert found.text_key == f"finding.turnover.unusable{why}"


@pytest.mark.parametrize(
    ("digits", "expected"), [("29.9", ()), ("30", ("K1",)), ("34.9", ("K1",)), ("35", ()), (">=30", ())]
)
def test_k1_kidney_function_near_the_limit_for_bisphosphonates(digits: str, expected: tuple[str, ...]) -> None:
    assert flags(result("egfr", digits, "mL/min/{1.73_m2}")) == expected


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ([calcium("3.01"), albumin("40")], "critical-calcium"),
        ([calcium("1.89")], "critical-calcium"),
        ([result("phosphate", "0.29", "mmol/L")], "critical-phosphate"),
        ([calcium("3.00"), albumin("40")], None),
        ([calcium("1.90")], None),
        ([result("phosphate", "0.30", "mmol/L")], None),
        ([calcium("2.6"), albumin("19")], None),
    ],
)
def test_critical_values_come_first(given: list[Any], rule: str | None) -> None:
    answer = assessed(woman(64, *given))
    first = answer.findings[0].rule
    assert first == rule if rule else not first.startswith("critical")


def test_the_body_mass_index_is_recomputed_and_compared() -> None:
    body = [result("weight", "62", "kg"), result("height", "160", "cm")]
    answer = assessed(woman(55, *body, result("bmi", "24.5", "kg/m2")))
    assert score(answer, "BMI") == "24.22" and "bmi-differs" not in words(answer)
    assert "bmi-differs" in words(assessed(woman(55, *body, result("bmi", "25.3", "kg/m2"))))
    assert score(assessed(woman(55, result("bmi", "25.3", "kg/m2"))), "BMI") is None
    assert "bmi-differs" not in words(assessed(woman(55, *body, result("bmi", ">25.3", "kg/m2"))))


def test_cautions_of_single_results_are_said_once_each() -> None:
    whole = calcium("2.4", cautions=("whole-blood", "unit-alias"))
    answer = assessed(woman(64, whole, albumin("40", cautions=("whole-blood",))))
    found = sentence(answer, "whole-blood")
    assert found and found.rests_on == ("Observation/calcium", "Observation/albumin")
    assert sentence(answer, "unit-alias") is None


def test_readings_stand_beside_their_results() -> None:
    answer = assessed(woman(64, pth("10"), vitamin("vitamin-d", "80"), result("height", "1.6", "m")))
    assert [reading(answer, marker) for marker in ("pth", "vitamin-d", "height")] == ["L", "N", ""]
