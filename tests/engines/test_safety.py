"""The rules of "never": what no assessment may do, whatever the record holds."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.assessment import Assessment
from adapter.clinical.profile import Menopause
from tests.engines.building import (
    assessed,
    ctx,
    factor,
    fracture,
    frax,
    man,
    p1np,
    reading,
    result,
    score,
    sentence,
    shipped,
    t,
    woman,
    words,
)

# How far the plan goes towards a medicine, by its row.
_REACH: dict[str | None, int] = {
    None: 0,
    **dict.fromkeys(("P1", "P12", "P13"), 1),
    "P2": 2,
    **dict.fromkeys(("P4", "P5", "P6", "P7"), 3),
    "P3": 4,
    **dict.fromkeys(("P9", "P10"), 5),
    "P8": 6,
    "P11": 7,
}

amounts = st.decimals(1, 3000, places=1)
t_scores = st.decimals(-5, 2, places=1)
percents = st.decimals(0, 50, places=1)


def digits(number: Decimal) -> str:
    return f"{number:f}"


risks = st.one_of(
    st.just([]),
    st.builds(lambda low: [t(digits(low))], t_scores),
    st.builds(lambda hip, more: frax(digits(hip + more), digits(hip)), percents, percents),
    st.builds(
        lambda low, hip, more, bmd: [t(digits(low)), *frax(digits(hip + more), digits(hip), bmd=bmd)],
        t_scores,
        percents,
        percents,
        st.sampled_from([True, False, None]),
    ),
)


# 1. "Diagnose, confirm or exclude osteoporosis from BTMs, urine calcium, ALP or OC."
@given(risks, amounts, amounts)
def test_markers_never_change_the_stratum(risk: list[Any], resorption: Decimal, formation: Decimal) -> None:
    without, with_ = woman(66, *risk), woman(66, *risk, ctx(digits(resorption)), p1np(digits(formation)))
    urine = result("urine-calcium-24h", "12", "mmol/(24.h)")
    others = [urine, result("alp", "300", "U/L"), result("osteocalcin", "60", "ug/L")]
    strata = {assessed(who).stratum_rule for who in (without, with_, woman(66, *risk, *others))}
    assert len(strata) == 1


# 2. "Withhold a guideline-indicated treatment because BTM are normal, missing or unusable."
@pytest.mark.parametrize(
    "markers", [[], [p1np("50"), ctx("400")], [ctx("400", fasting=False)], [ctx(">600")], [p1np("95"), ctx("400")]]
)
def test_an_indicated_treatment_is_never_withheld_over_markers(markers: list[Any]) -> None:
    assert assessed(woman(66, t("-2.8"), *markers)).plan == "P9"
    assert assessed(woman(66, t("-3.8"), *markers)).plan == "P11"


# 2, and the law "raising a resorption marker never lowers the plan".
@given(risks, amounts, amounts, st.one_of(st.none(), amounts))
def test_raising_a_resorption_marker_never_lowers_the_plan(
    risk: list[Any], one: Decimal, other: Decimal, formation: Decimal | None
) -> None:
    low, high = sorted((one, other))
    more = [] if formation is None else [p1np(digits(formation))]
    before = assessed(woman(66, *risk, ctx(digits(low)), *more))
    after = assessed(woman(66, *risk, ctx(digits(high)), *more))
    if before.turnover not in ("low-turnover", "formation-low"):
        assert _REACH[after.plan] >= _REACH[before.plan]
    assert after.plan not in ("P1", "P2") or before.plan in ("P1", "P2")


# 3. "Apply FRAX thresholds to QFracture or OSTA; print a probability without engine, version, country, inputs."
def test_other_engines_never_decide_and_always_say_what_they_are() -> None:
    body = [result("weight", "41", "kg"), result("height", "1.40", "m")]
    frail = [factor(kind) for kind in ("falls", "parkinsons", "dementia", "type-1-diabetes")]
    answer = assessed(woman(92, *body, *frail), with_qfracture=True)
    assert answer.stratum_rule == "B10"
    risks = [s for s in answer.scores if s.horizon_years]
    assert risks and all(s.value > 30 and s.informs and s.inputs and s.engine == "QFracture-2012" for s in risks)


def test_frax_is_shown_as_it_came_with_its_inputs() -> None:
    answer = assessed(woman(66, frax("12.40", "2.1", bmd=None, country="CN")))
    assert [(s.engine, s.text, s.inputs) for s in answer.scores] == [
        ("FRAX-external", "12.40", {"BMD": "unknown", "country": "CN"}),
        ("FRAX-external", "2.1", {"BMD": "unknown", "country": "CN"}),
    ]
    assert answer.scores[0].caveats == ("caveat.frax-bmd-unknown",)
    assert [s.outcome for s in assessed(woman(66, frax(">30", "4.0"))).scores] == ["hip-fracture"]


# 5. "Correct calcium twice; correct with albumin of another day."
def test_calcium_is_never_corrected_twice() -> None:
    given = [result("calcium-corrected", "2.20", "mmol/L"), result("albumin", "30", "g/L")]
    answer = assessed(woman(66, *given))
    assert answer.flags == ("C1",) and score(answer, "corrected-calcium") is None


# 6. "Treat < / > comparator values as exact."
def test_a_bound_is_low_only_where_all_of_it_is() -> None:
    assert assessed(woman(66, p1np("<5"), ctx("<50"))).turnover == "low-turnover"
    assert assessed(woman(66, p1np("<30"), ctx("<150"))).turnover == "undetermined"


# 7. "Assess children, pregnancy, CKD G4-5 (drug advice), known other bone disease."
@pytest.mark.parametrize(
    "patient",
    [
        woman(12, t("-3.5"), p1np("300"), ctx("900")),
        woman(41, factor("pregnancy"), ctx("900"), p1np("100")),
        man(66, factor("paget"), t("-3.5"), ctx("900"), p1np("100")),
        woman(66, factor("dialysis"), t("-3.5"), ctx("900"), p1np("100")),
    ],
)
def test_whom_the_pathway_is_not_for_gets_no_plan(patient: Any) -> None:
    assert assessed(patient).plan is None


# 8. "Apply T-score diagnosis to pre-menopausal women or men < 50."
def test_no_t_score_diagnosis_before_menopause_or_fifty() -> None:
    assert assessed(woman(44, t("-3.5"), menopause=Menopause.PRE)).stratum_rule == "B10"
    assert assessed(man(49, t("-3.5"))).stratum_rule == "B10"
    assert assessed(man(50, t("-3.5"))).stratum_rule == "B1"


# 9. "Read BTM as baseline within 12 mo of fracture, on bone drugs, non-fasting CTX, or across different assays."
@pytest.mark.parametrize(
    "spoiler", [fracture("other", since="2026-01-01"), factor("antiresorptive"), factor("kidney-transplant")]
)
def test_spoiled_markers_are_never_called_high_or_low(spoiler: Any) -> None:
    answer = assessed(woman(66, t("-1.9"), ctx("900"), p1np("100"), spoiler))
    assert answer.turnover not in ("high-turnover", "low-turnover", "normal")
    assert reading(answer, "ctx") == reading(answer, "p1np") == ""


# 10. "Interpret 'not recorded' as 'no'."
def test_a_missing_answer_is_listed_and_never_no() -> None:
    asked = {"missing.fractures", "missing.falls", "missing.glucocorticoid", "missing.smoking", "missing.alcohol"}
    assert asked <= set(assessed(woman(66, frax("4", "1"))).missing)


# 11. "Recommend a named drug, dose, start/stop; hide a critical value."
def test_no_text_names_a_drug_or_a_dose() -> None:
    drugs = "alendron|risedron|ibandron|zoledron|denosumab|raloxifen|teriparatid|romosozumab|阿仑|唑来|地舒|特立帕"
    spoken = [
        (key, text)
        for texts in shipped().texts.values()
        for key, text in texts.items()
        if key.startswith(("plan.", "gate.", "rule.", "flag.", "finding."))
    ]
    assert len(spoken) > 100
    assert not [key for key, text in spoken if re.search(drugs, text, re.IGNORECASE)]


def test_a_critical_value_is_the_first_thing_said() -> None:
    answer = assessed(woman(12, result("calcium", "1.5", "mmol/L")))
    assert answer.findings[0].text_key == "flag.critical-calcium"


# The law "an irrelevant result changes nothing".
@given(risks)
def test_an_irrelevant_result_changes_nothing_but_the_evidence(risk: list[Any]) -> None:
    before = assessed(woman(66, *risk))
    after = assessed(woman(66, *risk, result("tracp", "3.0", "U/L")))
    assert _without_evidence(before) == _without_evidence(after)


# The law "same input, same output": the order in which results and factors come is irrelevant.
@given(st.permutations([t("-2.6"), t("-2.4", "hip"), ctx("700"), p1np("80"), *frax("12", "2")]))
def test_the_order_of_results_changes_nothing(given: list[Any]) -> None:
    assert _without_evidence(assessed(woman(66, *given))) == _without_evidence(
        assessed(woman(66, *sorted(given, key=str)))
    )


@given(risks, st.sampled_from([None, "2019", "2025-12", "2026-05-01"]), st.sampled_from(["hip", "other", ""]))
def test_a_fracture_never_makes_the_stratum_milder(risk: list[Any], since: str | None, site: str) -> None:
    order = ["low", "indeterminate", "moderate", "high", "very-high"]
    before = assessed(woman(66, *risk)).stratum
    after = assessed(woman(66, *risk, fracture(site, since=since))).stratum
    assert order.index(after) >= order.index(before)


@given(risks, st.sampled_from(["hip", "other", ""]))
def test_a_fracture_of_unknown_cause_is_never_taken_for_none(risk: list[Any], site: str) -> None:
    answer = assessed(woman(66, *risk, fracture(site, since="2020-01-01", fragility=None)))
    assert answer.stratum != "low"
    assert "missing.fracture-fragility" in answer.missing


@given(risks, st.sampled_from([Menopause.POST, Menopause.UNKNOWN]))
def test_what_may_be_worse_is_said(risk: list[Any], menopause: Menopause) -> None:
    answer = assessed(woman(55, *risk, menopause=menopause))
    if assessed(woman(55, *risk)).stratum != answer.stratum:
        assert sentence(answer, "more-severe-row-open") or "missing.menopause" in answer.missing
    assert isinstance(words(answer), set)


def _without_evidence(answer: Assessment) -> Assessment:
    return msgspec.structs.replace(answer, evidence=())
