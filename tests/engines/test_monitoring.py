"""P13: change since before treatment, by one assay, against the least significant change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.building import assessed, ctx, factor, fracture, p1np, result, sentence, t, used, woman, words

START, BEFORE = "2025-12-05", "2025-12-01"
ALENDRONATE = factor("antiresorptive", since=START)


def response(*after: Any, before: Any, treated: Any = ALENDRONATE) -> str:
    treated = treated if isinstance(treated, list) else [treated]
    answer = assessed(woman(69, t("-2.6"), *after, *treated, history=before))
    plan = sentence(answer, "P13")
    assert plan
    return plan.text_key.removeprefix("plan.P13").removeprefix(".")


def baseline(digits: str, **given: Any) -> Any:
    return p1np(digits, on=given.pop("on", BEFORE), id="p1np-before", **given)


def ctx_baseline(digits: str, **given: Any) -> Any:
    return ctx(digits, on=BEFORE, id="ctx-before", **given)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("100", "70", "adequate"),  # 30 %
        ("100", "71", "inadequate"),
        ("40", "34.9", "adequate"),  # below 35
        ("60", "48.7", "adequate"),  # lower half of 21.38 to 76.03
        ("60", "48.8", "inadequate"),
        ("72", "66", "inadequate"),
    ],
)
def test_p1np_falls_by_thirty_percent_or_below_its_target(before: str, after: str, expected: str) -> None:
    assert response(p1np(after), before=[baseline(before)]) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("1000", "440", "adequate"), ("1000", "450", "inadequate"), ("400", "372", "adequate")],
)
def test_ctx_falls_by_its_own_least_significant_change(before: str, after: str, expected: str) -> None:
    assert response(ctx(after), before=[ctx_baseline(before)]) == expected


def test_urine_ntx_is_read_by_its_own_change() -> None:
    given = {"assay": "EIA"}
    before = [result("urine-ntx-creatinine", "90", "nmol/mmol", on=BEFORE, id="ntx-before", **given)]
    assert response(result("urine-ntx-creatinine", "63", "nmol/mmol", **given), before=before) == "adequate"


def test_a_marker_without_limits_is_read_by_its_change_alone() -> None:
    before = [result("bone-alp", "20", "ug/L", on=BEFORE, id="balp-before", assay="EIA")]
    assert response(result("bone-alp", "18", "ug/L", assay="EIA"), before=before) == "inadequate"


def test_markers_that_disagree_leave_the_response_open_and_show_the_changes() -> None:
    before = [baseline("100"), ctx_baseline("1000")]
    answer = assessed(woman(69, p1np("50"), ctx("900"), ALENDRONATE, history=before))
    plan = sentence(answer, "P13")
    assert plan and plan.text_key == "plan.P13"
    assert "P1NP 100 ug/L → 50 ug/L (-50.0 %" in plan.values["changes"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], p1np("30")),
        ([baseline("74", assay="RIA")], p1np("30")),
        ([baseline("74", assay="")], p1np("30", assay="")),
        ([baseline("74", on="2025-12-20")], p1np("30")),  # after the beginning
        ([baseline("74", on="2025-05-01")], p1np("30")),  # seven months before it
        ([baseline("74", on=None)], p1np("30")),
        ([baseline("<74")], p1np("30")),
        ([baseline("0")], p1np("30")),
        ([baseline("74")], p1np("<30")),
        ([ctx_baseline("610")], ctx("180", fasting=False)),
        ([ctx_baseline("610", fasting=False)], ctx("180")),
    ],
)
def test_without_a_comparable_result_from_before_nothing_is_claimed(before: Any, after: Any) -> None:
    assert response(after, before=before) == "undetermined"
    answer = assessed(woman(69, after, ALENDRONATE, history=before))
    assert {"missing.earlier-markers", "missing.assay"} <= set(answer.missing)


def test_without_the_beginning_of_treatment_nothing_is_claimed() -> None:
    assert response(p1np("30"), before=[baseline("74")], treated=factor("antiresorptive")) == "undetermined"
    two = [ALENDRONATE, factor("denosumab")]
    assert response(p1np("30"), before=[baseline("74")], treated=two) == "undetermined"


def test_the_last_result_before_treatment_is_the_baseline_and_is_named() -> None:
    older = p1np("50", on="2025-10-01", id="p1np-older")
    answer = assessed(woman(69, p1np("45"), ALENDRONATE, history=[older, baseline("74")]))
    assert "Observation/p1np-before" in used(answer)
    assert "Observation/p1np-older" not in used(answer)


@pytest.mark.parametrize(("on", "expected"), [(START, "adequate"), ("2025-12-06", "undetermined")])
def test_a_result_of_the_day_on_which_treatment_began_is_from_before(on: str, expected: str) -> None:
    assert response(p1np("30"), before=[baseline("74", on=on)]) == expected


def test_the_earliest_of_several_medicines_is_the_beginning() -> None:
    switched = [factor("denosumab", since="2026-03-01"), ALENDRONATE]
    assert response(p1np("30"), before=[baseline("74")], treated=switched) == "adequate"
    between = baseline("60", on="2026-01-15")
    assert response(p1np("30"), before=[between], treated=switched) == "undetermined"


@pytest.mark.parametrize(("after", "expected"), [("55", "adequate"), ("50", "inadequate"), ("30", "inadequate")])
def test_a_medicine_that_builds_bone_is_read_in_reverse(after: str, expected: str) -> None:
    treated = factor("anabolic", since=START)
    assert response(p1np(after), before=[baseline("40")], treated=treated) == expected
    answer = assessed(woman(69, p1np(after), treated, history=[baseline("40")]))
    assert "plan.P13.anabolic" in [finding.text_key for finding in answer.findings]


def test_under_a_medicine_that_builds_bone_ctx_says_nothing() -> None:
    assert response(ctx("900"), before=[ctx_baseline("400")], treated=factor("anabolic", since=START)) == ""


@pytest.mark.parametrize(
    "treated", [[factor("dual-action", since=START)], [factor("anabolic", since=START), ALENDRONATE]]
)
def test_two_ways_at_once_have_no_table(treated: list[Any]) -> None:
    assert response(p1np("30"), before=[baseline("74")], treated=treated) == ""


def test_fasting_not_said_is_a_doubt_here_too_and_limits_are_not() -> None:
    answer = assessed(woman(69, ctx("180", fasting=None), ALENDRONATE, history=[ctx_baseline("610")]))
    assert words(answer) == {"fasting-unknown"}


def test_a_result_from_before_treatment_is_no_response_to_it() -> None:
    assert response(baseline("74"), before=[]) == "undetermined"


@pytest.mark.parametrize(("after", "answer"), [("72", "early"), ("40", "adequate")])
def test_soon_after_the_beginning_no_response_is_called_inadequate(after: str, answer: str) -> None:
    treated = factor("antiresorptive", since="2026-05-01")
    assert response(p1np(after), before=[baseline("74", on="2026-04-20")], treated=treated) == answer


def test_a_marker_that_rose_did_not_change_as_expected_however_low_it_is() -> None:
    assert response(p1np("34"), before=[baseline("10")]) not in ("adequate", "inadequate")


@pytest.mark.parametrize("broken", ["2025-11-01", "2026-04-01", "2024-12-20"])
def test_a_healing_fracture_is_not_read_as_a_response(broken: str) -> None:
    given = [ALENDRONATE, fracture("other", since=broken, fragility=False)]
    assert response(p1np("40"), before=[baseline("120")], treated=given) == "fracture"


def test_an_old_fracture_does_not_keep_the_response_from_being_told() -> None:
    given = [ALENDRONATE, fracture("hip", since="2020-03-01")]
    assert response(p1np("40"), before=[baseline("120")], treated=given) == "adequate"


def test_very_high_risk_under_treatment_is_referred_as_without() -> None:
    answer = assessed(woman(69, t("-3.4"), p1np("40"), ALENDRONATE, history=[baseline("120")]))
    assert [f.text_key for f in answer.findings if f.rule == "P13"] == ["plan.P13.adequate", "plan.P13.very-high"]
    high = assessed(woman(69, t("-2.6"), p1np("40"), ALENDRONATE, history=[baseline("120")]))
    assert [f.text_key for f in high.findings if f.rule == "P13"] == ["plan.P13.adequate"]
