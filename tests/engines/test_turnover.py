"""The state of turnover (6e) and the plan that follows from it (6f)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.problems import ProblemCode
from tests.engines.building import (
    ASSAY,
    assessed,
    ctx,
    factor,
    fracture,
    frax,
    man,
    p1np,
    reference,
    result,
    row,
    t,
    woman,
    words,
)

MODERATE = [frax("12.0", "2.2"), t("-1.9")]
HIGH = [frax("16.0", "2.8"), t("-2.8")]
LOW = [frax("4.0", "0.6"), t("-0.5")]
VERY_HIGH = [frax("32", "4.0"), t("-2.0")]


def state(*given: Any, age: int = 64) -> str:
    return assessed(woman(age, *given)).turnover.value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], "not-available"),
        ([p1np("50"), ctx("647")], "high-turnover"),
        ([p1np("50"), ctx("646")], "normal"),
        ([p1np("21.37"), ctx("97")], "low-turnover"),
        ([p1np("21.38"), ctx("97")], "normal"),
        ([p1np("76.04"), ctx("400")], "formation-only-raised"),
        ([p1np("18"), ctx("300")], "formation-low"),
        ([p1np("95"), ctx("700")], "high-turnover"),
        # one side alone
        ([ctx("700")], "high-turnover"),
        ([ctx("400")], "normal"),
        ([ctx("90")], "undetermined"),
        ([p1np("50")], "normal"),
        ([p1np("95")], "undetermined"),
        ([p1np("18")], "undetermined"),
        # bounds
        ([p1np("<5"), ctx("<50")], "low-turnover"),
        ([p1np("50"), ctx(">600")], "undetermined"),
        ([p1np("50"), ctx(">646")], "high-turnover"),
        ([p1np("50"), ctx(">=646")], "undetermined"),
        ([p1np("<30"), ctx("90")], "undetermined"),
        ([p1np(">70"), ctx("400")], "undetermined"),
        # what stands in
        ([p1np("50"), result("ntx", "20.0", "nmol/L")], "high-turnover"),
        ([p1np("50"), result("urine-ntx-creatinine", "0.040", "mmol/mol")], "normal"),
        ([result("bone-alp", "21", "ug/L", assay="Mayo"), ctx("400")], "formation-only-raised"),
        ([result("bone-alp", "10", "ug/L", assay="Mayo"), ctx("400")], "normal"),
        # supports only
        ([result("osteocalcin", "40", "ug/L"), result("alp", "300", "U/L")], "not-available"),
    ],
)
def test_the_state_is_the_first_that_holds(given: list[Any], expected: str) -> None:
    assert state(*given) == expected


def test_men_have_their_own_limits() -> None:
    assert assessed(man(66, p1np("80"), ctx("780"))).turnover == "normal"


def test_without_limits_nothing_is_said() -> None:
    answer = assessed(woman(64, result("bone-alp", "10", "ug/L")))
    assert answer.turnover == "undetermined"
    assert "missing.limits" in answer.missing


@pytest.mark.parametrize(
    ("risk", "markers", "expected"),
    [
        (LOW, [p1np("60"), ctx("400")], "P1"),
        (LOW, [], "P1"),
        (LOW, [p1np("60"), ctx("700")], "P2"),
        (MODERATE, [p1np("60"), ctx("700")], "P3"),
        (MODERATE, [p1np("60"), ctx("400")], "P4"),
        (MODERATE, [p1np("18"), ctx("90")], "P5"),
        (MODERATE, [p1np("18"), ctx("300")], "P5"),
        (MODERATE, [p1np("95"), ctx("400")], "P6"),
        (MODERATE, [], "P7"),
        (MODERATE, [ctx("812", fasting=False)], "P7"),
        (MODERATE, [ctx(">600")], "P7"),
        (HIGH, [p1np("60"), ctx("700")], "P8"),
        (HIGH, [p1np("60"), ctx("400")], "P9"),
        (HIGH, [p1np("95"), ctx("400")], "P9"),
        (HIGH, [], "P9"),
        (HIGH, [ctx("812", fasting=False)], "P9"),
        (HIGH, [ctx(">600")], "P9"),
        (HIGH, [p1np("18"), ctx("90")], "P10"),
        (HIGH, [p1np("18"), ctx("300")], "P10"),
        (VERY_HIGH, [], "P11"),
        (VERY_HIGH, [p1np("60"), ctx("700")], "P11"),
        ([], [p1np("60"), ctx("700")], "P12"),
        ([], [], "P12"),
    ],
)
def test_the_plan_is_stratum_by_turnover(risk: list[Any], markers: list[Any], expected: str) -> None:
    assert assessed(woman(64, *risk, *markers)).plan == expected


@pytest.mark.parametrize("since", ["2025-08-01", "2026-06-10"])
def test_a_fracture_within_twelve_months_spoils_the_markers(since: str) -> None:
    broken = fracture("other", since=since, fragility=None)
    assert state(*MODERATE, broken, p1np("50"), ctx("400")) == "unusable"


def test_the_twelve_months_are_counted_to_the_sample() -> None:
    broken = fracture("other", since="2025-05-20", fragility=None)  # 13 months ago, 9 before the sample
    assert state(broken, p1np("50", on="2026-02-20"), ctx("400", on="2026-02-20")) == "unusable"


def test_an_older_fracture_does_not_spoil_them() -> None:
    assert state(fracture("other", since="2025-06-01", fragility=None), p1np("50"), ctx("400")) == "normal"


@pytest.mark.parametrize("since", ["2025", None])
def test_a_fracture_that_may_be_so_recent_leaves_the_state_open(since: str | None) -> None:
    answer = assessed(woman(64, *MODERATE, fracture("other", since=since, fragility=False), p1np("50"), ctx("700")))
    assert (answer.turnover, answer.plan) == ("undetermined", "P7")


def test_undated_markers_count_from_the_day_of_the_assessment() -> None:
    broken = fracture("other", since="2025-06-20", fragility=None)
    assert state(broken, p1np("50", on=None), ctx("400", on=None)) == "unusable"


def test_ctx_after_a_meal_is_set_aside_and_named() -> None:
    answer = assessed(woman(64, *MODERATE, p1np("50"), ctx("812", fasting=False)))
    assert row(answer) == ("moderate", "B6", "normal", "P4")
    assert [problem.code for problem in answer.cautions] == [ProblemCode.NOT_FASTING]
    assert "one-marker-only" in words(answer)


def test_fasting_not_said_is_a_doubt_and_is_asked_for() -> None:
    answer = assessed(woman(64, *MODERATE, p1np("50"), ctx("812", fasting=None)))
    assert answer.plan == "P3"
    assert "fasting-unknown" in words(answer) and "missing.fasting" in answer.missing


def test_p1np_of_unknown_kind_is_not_read_with_reduced_kidney_function() -> None:
    unknown = p1np("95", assay="", cautions=("total-intact-unknown",))
    kidney = result("creatinine", "110", "umol/L")
    assert state(unknown, ctx("400"), kidney, age=70) == "normal"
    assert state(unknown, kidney, age=70) == "unusable"
    assert state(unknown, ctx("400"), age=70) == "formation-only-raised"


def test_p1np_whose_assay_says_its_kind_is_read() -> None:
    known = p1np("95", assay=ASSAY, cautions=("total-intact-unknown",))
    assert state(known, ctx("400"), result("creatinine", "110", "umol/L"), age=70) == "formation-only-raised"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (result("creatinine", "110", "umol/L"), "kidney-function-reduced"),
        (result("egfr", ">=30", "mL/min/{1.73_m2}"), "kidney-function-reduced"),
        (factor("chronic-liver-disease"), "liver-disease"),
        (factor("hyperthyroidism"), "hyperthyroidism"),
        (factor("immobilisation"), "immobilisation"),
        (factor("aromatase-inhibitor"), "aromatase-inhibitor"),
    ],
)
def test_what_makes_the_markers_doubtful_is_said(given: Any, word: str) -> None:
    answer = assessed(woman(64, *MODERATE, p1np("50"), ctx("400"), given))
    assert answer.turnover == "normal"
    assert word in words(answer)


def test_what_is_over_makes_no_doubt() -> None:
    answer = assessed(woman(64, p1np("50"), ctx("400"), factor("hyperthyroidism", ended=True)))
    assert "hyperthyroidism" not in words(answer)


def test_limits_from_the_literature_are_a_doubt_and_the_reports_own_are_not() -> None:
    own = (reference("171", "970", "ng/L"),)
    p1np_own = (reference("15", "75", "ug/L"),)
    assert "fallback-limits" in words(assessed(woman(64, p1np("50"), ctx("400"))))
    answer = assessed(woman(64, p1np("50", reference_ranges=p1np_own), ctx("812", reference_ranges=own)))
    assert "fallback-limits" not in words(answer)
    assert answer.turnover == "normal"


def test_a_high_baseline_p1np_asks_to_look_for_a_cause() -> None:
    assert "look-for-cause" in words(assessed(man(66, p1np("85"), ctx("400"))))


def test_unusable_markers_are_shown_without_letters() -> None:
    answer = assessed(woman(64, fracture("other", since="2026-06-01"), p1np("120"), ctx("900")))
    assert {e.reading for e in answer.evidence} == {""}
    assert "fallback-limits" not in words(answer)
