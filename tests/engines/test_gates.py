"""Gates N1 to N10: who the pathway is not for, and what it must not say about the others."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.clinical.patient import Sex
from adapter.clinical.profile import Menopause
from adapter.problems import ProblemCode
from tests.engines.building import (
    assessed,
    ctx,
    factor,
    fracture,
    frax,
    man,
    p1np,
    profile,
    reading,
    result,
    row,
    score,
    sentence,
    t,
    used,
    woman,
    words,
)

MODERATE = [frax("12.0", "2.2"), t("-1.9")]
MARKERS = [p1np("50"), ctx("400")]


@pytest.mark.parametrize("age", [17, None])
def test_n1_children_and_unknown_ages_get_no_assessment(age: int | None) -> None:
    answer = assessed(woman(age, *MODERATE, *MARKERS))
    assert row(answer) == ("not-applicable", None, "unusable", None)
    assert (answer.gates, answer.writes, answer.flags, answer.scores) == (("N1",), False, (), ())
    assert ("missing.birth-date" in answer.missing) is (age is None)
    assert reading(answer, "ctx") == ""


def test_n1_eighteen_is_adult() -> None:
    assert assessed(man(18)).gates == ("N4",)


@pytest.mark.parametrize(
    "given",
    [
        factor("pregnancy", since="2026-02-01"),
        factor("pregnancy"),
        factor("pregnancy", since="2025-05-01", until="2026-01-10"),  # five months after birth
        factor("pregnancy", since="2025-05-01", ended=True),  # born some time since
        factor("lactation", since="2026-01-01"),
    ],
)
def test_n2_pregnancy_and_nursing_are_not_for_the_pathway(given: Any) -> None:
    answer = assessed(woman(44, *MARKERS, given, menopause=Menopause.PRE))
    assert row(answer) == ("not-applicable", None, "unusable", None)
    assert answer.gates == ("N2",) and answer.writes


@pytest.mark.parametrize(
    "given",
    [
        factor("pregnancy", since="2024-05-01", until="2025-02-10"),
        factor("pregnancy", since="2020-05-01"),  # never closed
        factor("pregnancy", ended=True),
        factor("lactation", since="2025-01-01", until="2026-06-10"),
        factor("pregnancy", present=False),
    ],
)
def test_n2_is_over_some_time(given: Any) -> None:
    assert assessed(woman(44, given, menopause=Menopause.PRE)).gates == ()


@pytest.mark.parametrize("sex", [None, Sex.OTHER, Sex.UNKNOWN])
def test_n3_without_a_usable_sex_the_stratum_is_open(sex: Sex | None) -> None:
    answer = assessed(profile(sex, 66, *MODERATE, *MARKERS))
    assert row(answer) == ("indeterminate", None, "undetermined", "P12")
    assert answer.gates == ("N3",) and "missing.sex" in answer.missing


def test_n4_young_adults_have_neither_frax_nor_t_score() -> None:
    z = result("dxa-z-score", "-2.3", site="lumbar-spine")
    answer = assessed(woman(30, frax("22", "4"), t("-2.6"), z, menopause=Menopause.PRE))
    assert row(answer) == ("indeterminate", None, "not-available", "P12")
    assert answer.gates == ("N4",) and answer.scores == ()
    assert "low-z-score" in words(answer)
    assert not {"missing.frax", "missing.dxa", "missing.z-score"} & set(answer.missing)
    assert "missing.z-score" in assessed(man(30)).missing


def test_a_z_score_above_minus_two_is_no_caution() -> None:
    z = result("dxa-z-score", "-1.9", site="lumbar-spine")
    assert "low-z-score" not in words(assessed(man(30, z)))
    assert "low-z-score" not in words(assessed(man(66, result("dxa-z-score", "-2.9", site="hip"))))


@pytest.mark.parametrize(
    "kind",
    [
        "paget",
        "osteomalacia",
        "osteogenesis-imperfecta",
        "multiple-myeloma",
        "bone-metastasis",
        "hypophosphatasia",
    ],
)
def test_n5_another_bone_disease_is_referred(kind: str) -> None:
    answer = assessed(man(68, t("-2.6"), *MARKERS, factor(kind)))
    assert row(answer) == ("not-applicable", None, "unusable", None)
    assert answer.gates == ("N5",)


def test_n5_outweighs_n4() -> None:
    answer = assessed(man(30, factor("osteogenesis-imperfecta")))
    assert (answer.gates, answer.stratum) == (("N4", "N5"), "not-applicable")


@pytest.mark.parametrize(
    "given",
    [
        result("egfr", "29", "mL/min/{1.73_m2}", code="98979-8"),
        result("egfr", "<30", "mL/min/{1.73_m2}"),
        factor("dialysis"),
        factor("kidney-transplant", since="2019"),
        factor("ckd-4"),
        factor("ckd-5"),
    ],
)
def test_n6_severe_kidney_disease_forbids_every_advice_on_medicines(given: Any) -> None:
    answer = assessed(woman(66, t("-2.8"), *MARKERS, given))
    assert row(answer) == ("high", "B3", "unusable", None)
    assert answer.gates == ("N6",) and not answer.drug_advice
    assert not [f for f in answer.findings if f.text_key.startswith("plan.")]


def test_n6_says_which_egfr_it_rests_on() -> None:
    gate = sentence(assessed(man(72, result("creatinine", "250", "umol/L"))), "N6")
    assert gate and gate.values == {"egfr": "23.0 mL/min/1.73 m²"} and gate.rests_on == ("Observation/creatinine",)


def test_n6_is_open_where_kidney_function_is_only_a_bound() -> None:
    answer = assessed(woman(66, *MODERATE, *MARKERS, result("egfr", "<60", "mL/min/{1.73_m2}")))
    assert (answer.gates, answer.turnover, answer.plan) == ((), "undetermined", "P7")


def test_n6_counts_thirty_itself_as_enough() -> None:
    assert assessed(woman(66, result("egfr", "30", "mL/min/{1.73_m2}"))).gates == ()


@pytest.mark.parametrize(
    "given",
    [
        factor("antiresorptive", since="2025-01-05"),
        factor("antiresorptive"),
        factor("antiresorptive", since="2021-01-10", until="2025-10-10"),
        factor("antiresorptive", since="2025-12-10", ended=True),
        factor("zoledronate", since="2024-10-10", ended=True),
        factor("anabolic", since="2026-01-05"),
        factor("estrogen", since="2026-01-05"),
    ],
)
def test_n7_under_treatment_neither_frax_nor_limits_count(given: Any) -> None:
    answer = assessed(woman(69, frax("35", "6"), t("-2.0"), p1np("90"), ctx("900"), given))
    assert row(answer) == ("moderate", "B9", "monitoring", "P13")
    assert answer.gates == ("N7",) and score(answer, "FRAX-external", "hip-fracture") is None
    assert reading(answer, "ctx") == reading(answer, "p1np") == ""
    assert "missing.frax" not in answer.missing


@pytest.mark.parametrize(
    "given",
    [
        factor("antiresorptive", since="2020-01-10", until="2025-06-10"),
        factor("zoledronate", since="2020-01-10", until="2024-06-10"),
    ],
)
def test_n7_ends_after_twelve_months_and_after_zoledronate_after_twenty_four(given: Any) -> None:
    answer = assessed(woman(69, frax("22", "3.6"), t("-2.0"), *MARKERS, given))
    assert row(answer) == ("high", "B4", "normal", "P9")


def test_n7_is_open_where_the_end_of_a_treatment_is_not_known() -> None:
    answer = assessed(woman(69, *MODERATE, *MARKERS, factor("antiresorptive", since="2018-03-01", ended=True)))
    assert row(answer) == ("moderate", "B6", "undetermined", "P7")
    assert "missing.treatment-end" in answer.missing


def test_n6_and_n7_together_leave_no_plan() -> None:
    answer = assessed(woman(69, *MARKERS, factor("antiresorptive"), factor("dialysis")))
    assert (answer.gates, answer.turnover, answer.plan) == (("N6", "N7"), "unusable", None)


def test_n9_beyond_ninety_frax_is_taken_as_given_and_said() -> None:
    answer = assessed(woman(92, *MODERATE, *MARKERS))
    assert (answer.gates, answer.stratum_rule) == (("N9",), "B6")
    assert "age-beyond-frax" in words(answer)
    assert "age-beyond-frax" not in words(assessed(woman(92)))
    assert assessed(woman(90, *MODERATE)).gates == ()


@pytest.mark.parametrize(
    "scores",
    [
        frax("6.0", "9.0"),
        frax("101", "9.0"),
        frax("-1", None),
        [*frax("22", None, on="2026-05-20"), *frax(None, "3.6", on="2026-03-10")],
    ],
)
def test_n10_a_frax_that_contradicts_itself_is_dropped_and_named(scores: list[Any]) -> None:
    answer = assessed(woman(65, scores, t("-1.8")))
    assert (answer.gates, answer.stratum_rule) == (("N10",), "B9")
    assert [problem.code for problem in answer.cautions] == [ProblemCode.SCORES_CONTRADICT] * len(scores)
    assert not [resource for resource in used(answer) if "frax" in resource]
    assert score(answer, "FRAX-external", "hip-fracture") is None


@pytest.mark.parametrize(
    "scores",
    [
        frax("9.0", "9.0"),
        [*frax("22", None, on="2026-05-20"), *frax(None, "3.6", on="2026-04-20")],
        [*frax("22", None, on="2026-05"), *frax(None, "3.6", on="2026-04-10")],
        [*frax("22", None), *[result("frax-hip", "3.6", "%", on=None)]],
        frax("22", "<25"),
    ],
)
def test_n10_needs_proof_of_the_contradiction(scores: list[Any]) -> None:
    assert assessed(woman(65, scores)).gates == ()


def test_critical_values_are_seen_even_where_the_pathway_does_not_apply() -> None:
    answer = assessed(man(68, factor("paget"), result("calcium", "3.2", "mmol/L")))
    assert answer.findings[0].text_key == "flag.critical-calcium"
    assert answer.flags == ()


def test_a_half_yearly_injection_that_was_stopped_is_said() -> None:
    stopped = factor("denosumab", since="2023-01-01", until="2025-12-01")
    assert "injection-stopped" in words(assessed(woman(69, stopped)))
    assert "injection-stopped" not in words(assessed(woman(69, factor("denosumab", since="2023-01-01"))))


def test_assumed_menopause_is_said() -> None:
    assert "menopause-assumed" in words(assessed(woman(62, t("-2.6"), assumed=True)))


def test_a_preliminary_profile_gives_a_preliminary_answer() -> None:
    assert assessed(woman(62, t("-2.6"), preliminary=True)).preliminary


def test_findings_come_in_the_order_to_be_read() -> None:
    given = [factor("antiresorptive"), fracture("hip", since="2026-01-01"), result("pth", "90", "ng/L")]
    answer = assessed(woman(92, t("-3.2"), *MARKERS, *given))
    rules = [finding.rule for finding in answer.findings]
    assert rules[:6] == ["N7", "N9", "B1", "T-monitoring", "P13", "P13"]


def test_every_rule_cites_its_source() -> None:
    answer = assessed(woman(64, *MODERATE, *MARKERS, result("pth", "90", "ng/L")))
    cited = {f.rule: (f.source, f.sureness) for f in answer.findings if not f.text_key.startswith("caution.")}
    assert all(source and sureness for source, sureness in cited.values()), cited
