"""Flags C1 to X1, critical values, and the values that have to be worked out before they are read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.building import (
    assessed,
    ctx,
    factor,
    flags,
    fracture,
    man,
    p1np,
    reading,
    reference,
    result,
    score,
    sentence,
    woman,
    words,
)


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
