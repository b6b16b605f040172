"""Rows B1 to B10: the first that is true wins, and what is open is said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.profile import Menopause
from tests.engines.building import assessed, factor, fracture, frax, man, profile, result, sentence, t, woman, words

OLD, RECENT = "2019-05-01", "2025-12-01"
LOW = frax("4.0", "0.8")


def rule(*given: Any, age: int = 66) -> str | None:
    return assessed(woman(age, *given)).stratum_rule


def triggers(*given: Any) -> str | None:
    found = sentence(assessed(man(66, t("-2.6"), *given)), "B1")
    return found.values["triggers"] if found else None


@pytest.mark.parametrize(
    ("given", "trigger"),
    [
        ([fracture("other", since=RECENT)], "recent-fracture"),
        ([fracture("hip", since=OLD), fracture("pelvis", since=OLD)], "several-fractures"),
        ([factor("glucocorticoid", since="2026-03-15", amount=Decimal("7.5"))], "glucocorticoid"),
        ([t("-3.1", "femoral-neck")], "very-low-t"),
        ([factor("falls", since="2026-01-10", amount=Decimal(2))], "falls"),
    ],
)
def test_b1_osteoporosis_with_a_trigger_is_very_high(given: list[Any], trigger: str) -> None:
    assert triggers(*given) == trigger


def test_b1_a_fracture_under_treatment_is_very_high() -> None:
    treated = factor("antiresorptive", since="2020-01-10", until="2024-10-10")
    assert triggers(treated, fracture("distal-forearm", since="2023-03-05")) == "fracture-on-treatment"


def test_b1_a_fracture_under_treatment_that_goes_on_is_very_high() -> None:
    treated = factor("antiresorptive", since="2020-01-10")
    assert triggers(treated, fracture("distal-forearm", since="2023-03-05")) == "fracture-on-treatment"


def test_b1_is_open_where_fracture_or_treatment_is_not_dated() -> None:
    for treated in (factor("antiresorptive"), factor("antiresorptive", since="2015-01-10", ended=True)):
        answer = assessed(man(66, t("-2.6"), treated, fracture("distal-forearm", since="2023-03-05")))
        assert (answer.stratum_rule, "more-severe-row-open" in words(answer)) == ("B3", True)


@pytest.mark.parametrize(
    "given",
    [
        fracture("distal-forearm", since="2019-03-05"),  # before the treatment
        fracture("distal-forearm", since="2024-04-05"),  # after it
    ],
)
def test_a_fracture_before_or_after_treatment_is_none_under_it(given: Any) -> None:
    treated = factor("antiresorptive", since="2020-01-10", until="2024-03-10")
    assert triggers(treated, given) is None


@pytest.mark.parametrize(
    "given",
    [
        factor("glucocorticoid", since="2026-04-20", amount=Decimal(10)),  # two months
        factor("glucocorticoid", since="2025-04-20", amount=Decimal("7.4")),
        factor("glucocorticoid", since="2025-04-20", amount=Decimal(10), until="2026-05-01"),
        factor("glucocorticoid", since="2025-04-20", amount=Decimal(10), ended=True),
        factor("falls", since="2026-01-10", amount=Decimal(1)),
        factor("falls", since="2025-01-10", amount=Decimal(4)),  # more than a year ago
        fracture("other", since="2024-06-14"),  # a day over two years
        fracture("other", since=RECENT, fragility=False),
    ],
)
def test_b1_needs_dose_time_and_number(given: Any) -> None:
    assert triggers(given) is None


def test_a_fracture_exactly_two_years_ago_is_recent() -> None:
    assert triggers(fracture("other", since="2024-06-15")) == "recent-fracture"


@pytest.mark.parametrize(
    "given",
    [
        factor("glucocorticoid", since="2025-04-20"),  # dose in words
        factor("glucocorticoid", amount=Decimal(10)),  # start not given
        factor("falls", since="2026-01-10"),  # not counted
        factor("falls", amount=Decimal(3)),  # not dated
        fracture("other", since="2024"),  # some day of a year
        fracture("other"),
        fracture("other", since=RECENT, fragility=None),
    ],
)
def test_b1_stays_open_where_the_record_is_too_coarse(given: Any) -> None:
    answer = assessed(man(66, t("-2.6"), given))

    assert answer.stratum_rule == "B3"
    open_rows = sentence(answer, "more-severe-row-open")
    assert open_rows and open_rows.values == {"rules": "B1"}


def test_two_records_of_one_site_may_be_one_fracture() -> None:
    twice = [fracture("vertebra", since=OLD, id="a"), fracture("vertebra", since="2019-09-01", id="b")]
    assert "more-severe-row-open" in words(assessed(man(66, *twice)))


def test_two_records_without_site_are_two_when_coded_differently_and_years_apart() -> None:
    assert triggers(fracture("", since=OLD, id="a"), fracture("", since="2022-05-01", id="b")) == "several-fractures"


def test_undated_records_of_unknown_site_stay_open() -> None:
    assert triggers(fracture("", id="a"), fracture("", since=OLD, id="b")) is None


@pytest.mark.parametrize(
    ("mof", "hip", "expected"),
    [
        ("30.1", "4.0", "B2"),
        ("30.0", "4.0", "B4"),
        ("24", "4.6", "B2"),
        ("18", "4.5", "B4"),
        ("20.0", "2.5", "B4"),
        ("19.9", "2.9", "B6"),
        ("12", "3.0", "B4"),
        ("10.0", "1.0", "B6"),
        ("9.9", "2.9", "B8"),
        # one decimal is what FRAX prints
        ("19.96", "2.5", "B4"),
        ("30.04", "4.5", "B4"),
    ],
)
def test_frax_meets_its_thresholds_exactly(mof: str, hip: str, expected: str) -> None:
    assert rule(frax(mof, hip), t("-2.0")) == expected


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("-2.5", "B3"),
        ("-2.4999999999999996", "B3"),
        ("-2.4", "B7"),
        ("-1.0", "B8"),
        ("-1.1", "B7"),
        ("-3.0", "B3"),
        ("-3.1", "B1"),
    ],
)
def test_t_meets_its_thresholds_at_one_decimal(digits: str, expected: str) -> None:
    assert rule(frax("6.0", "1.0", bmd=False), t(digits)) == expected


@pytest.mark.parametrize("site", ["hip", "vertebra"])
def test_b3_a_hip_or_vertebral_fragility_fracture_is_osteoporosis_at_any_t(site: str) -> None:
    assert rule(LOW, t("-0.2"), fracture(site, since=OLD)) == "B3"


@pytest.mark.parametrize("site", ["proximal-humerus", "pelvis", "distal-forearm"])
def test_b3_low_bone_mass_with_such_a_fracture_is_osteoporosis(site: str) -> None:
    assert rule(LOW, t("-1.6"), fracture(site, since=OLD)) == "B3"


@pytest.mark.parametrize(("digits", "site"), [("-0.6", "distal-forearm"), ("-1.6", "other")])
def test_b5_any_other_fragility_fracture_is_moderate(digits: str, site: str) -> None:
    assert rule(LOW, t(digits), fracture(site, since=OLD)) == "B5"


def test_the_lowest_region_counts() -> None:
    assert rule(LOW, t("-1.0"), t("-2.6", "total-hip")) == "B3"


@pytest.mark.parametrize("bmd", [False, None])
def test_b7_low_frax_that_may_not_know_the_low_density_is_moderate(bmd: bool | None) -> None:
    answer = assessed(woman(64, frax("7.0", "1.4", bmd=bmd), t("-1.7")))
    assert (answer.stratum_rule, "missing.frax-with-bmd" in answer.missing) == ("B7", True)


def test_b8_frax_with_density_governs_over_low_bone_mass() -> None:
    assert rule(frax("8.0", "2.0"), t("-1.6")) == "B8"


def test_b8_frax_that_is_derived_from_the_density_is_with_it() -> None:
    assert rule(frax("8.0", "2.0", bmd=None, related=("Observation/t",)), t("-1.6", id="t")) == "B8"


@pytest.mark.parametrize("given", [[frax("7.0", "1.4", bmd=False), t("-0.9")], [frax("7.0", "1.4", bmd=False)]])
def test_b8_low_frax_with_normal_or_no_density_is_low(given: Any) -> None:
    assert rule(*given) == "B8"


def test_b9_low_bone_mass_without_frax_is_moderate_and_asks_for_frax() -> None:
    answer = assessed(woman(65, t("-1.8")))
    assert (answer.stratum_rule, "missing.frax" in answer.missing) == ("B9", True)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], "missing.frax"),
        ([t("-0.4")], "missing.frax"),
        ([frax("8.0", None)], "missing.frax-hip"),
        ([frax(None, "1.0")], "missing.frax-mof"),
        ([frax("8.0", None), t("-1.8")], "missing.frax-hip"),
    ],
)
def test_b10_too_little_is_indeterminate_and_the_half_that_did_not_come_is_asked_for(given: Any, missing: str) -> None:
    answer = assessed(woman(62, *given))
    assert (answer.stratum.value, answer.stratum_rule) == ("indeterminate", "B10")
    assert [key for key in answer.missing if key.startswith("missing.frax")] == [missing]


def test_half_a_frax_above_its_threshold_is_enough() -> None:
    assert rule(frax("22.0", None)) == "B4"
    assert rule(frax(None, "4.6")) == "B2"


@pytest.mark.parametrize(("mof", "expected"), [("<10", "B8"), (">30", "B2"), (">=20", "B4")])
def test_a_bound_decides_where_all_of_it_lies_on_one_side(mof: str, expected: str) -> None:
    assert rule(frax(mof, "1.0")) == expected


def test_a_bound_that_lies_on_both_sides_decides_nothing() -> None:
    answer = assessed(woman(66, frax("<12", "1.0")))
    assert answer.stratum_rule == "B10"
    assert sentence(answer, "more-severe-row-open")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([t("<-2.5")], "B3"),
        ([t("<-3.0")], "B1"),
        ([t("<=-3.0")], "B3"),
        ([t("<-2.0"), t("-2.2", "total-hip")], "B9"),  # may be osteoporosis: said, not claimed
        ([t(">-1.0"), t("-1.5", "total-hip")], "B9"),
        ([t(">-0.5")], "B10"),
    ],
)
def test_bounds_of_t_scores_are_lower_than_or_not(scores: list[Any], expected: str) -> None:
    assert rule(*scores) == expected


def test_without_menopause_on_record_the_t_score_decides_nothing() -> None:
    answer = assessed(woman(52, t("-2.7"), menopause=Menopause.UNKNOWN))
    assert answer.stratum_rule == "B10"
    assert "missing.menopause" in answer.missing


def test_nobody_is_low_while_a_more_severe_row_is_open() -> None:
    answer = assessed(woman(52, LOW, t("-2.7"), menopause=Menopause.UNKNOWN))
    assert answer.stratum_rule == "B10"
    open_rows = sentence(answer, "more-severe-row-open")
    assert open_rows and open_rows.values == {"rules": "B3"}


def test_a_t_score_that_could_only_be_normal_needs_no_menopause() -> None:
    assert assessed(woman(52, LOW, t("-0.7"), menopause=Menopause.UNKNOWN)).stratum_rule == "B8"


@pytest.mark.parametrize(
    "patient", [man(45, LOW, t("-2.8")), woman(44, LOW, t("-2.8"), menopause=Menopause.PRE)], ids=["man", "woman"]
)
def test_the_t_score_rule_is_not_for_men_under_50_or_women_before_menopause(patient: Any) -> None:
    assert assessed(patient).stratum_rule == "B8"


def test_a_fracture_of_unknown_cause_makes_no_osteoporosis_and_no_low_risk() -> None:
    answer = assessed(woman(74, LOW, t("-0.2"), fracture("hip", since=OLD, fragility=None)))
    assert answer.stratum_rule == "B10"
    assert "missing.fracture-fragility" in answer.missing


def test_a_fragility_fracture_of_unknown_site_is_at_least_moderate() -> None:
    answer = assessed(woman(74, LOW, t("-0.2"), fracture("", since=OLD)))
    assert (answer.stratum_rule, "missing.fracture-site" in answer.missing) == ("B5", True)
    assert sentence(answer, "more-severe-row-open")


def test_osteoporosis_on_record_without_density_is_never_low() -> None:
    answer = assessed(woman(66, LOW, factor("osteoporosis", since=OLD)))
    assert answer.stratum_rule == "B10"
    assert "osteoporosis-recorded" in words(answer)


def test_osteoporosis_on_record_beside_a_density_of_today_is_said_and_decides_nothing() -> None:
    answer = assessed(woman(66, LOW, t("-1.4"), factor("osteoporosis", since=OLD)))
    assert answer.stratum_rule == "B8"
    assert "osteoporosis-recorded" in words(answer)


def test_what_is_not_recorded_is_listed() -> None:
    assert {"missing.falls", "missing.smoking", "missing.fractures"} <= set(assessed(woman(66, LOW)).missing)


def test_what_is_denied_is_answered() -> None:
    assert "missing.falls" not in assessed(woman(66, LOW, factor("falls", present=False))).missing


def test_the_profile_of_a_man_needs_no_menopause() -> None:
    assert assessed(profile(man(50).patient.sex, 50, t("-2.5"))).stratum_rule == "B3"
    assert result("dxa-t-score", "-2.5").digits == "-2.5"
