"""An older result of a better kind never hides what a newer one shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.building import assessed, factor, reference, result, score, sentence, t, woman, words

OLD, NEW = "2026-01-10", "2026-06-14"
LIMITS = (reference("1.15", "1.30", "mmol/L"),)


@pytest.mark.parametrize(
    "older",
    [
        result("calcium-corrected", "2.30", "mmol/L", on=OLD),
        result("calcium-ionized", "1.20", "mmol/L", on=OLD, reference_ranges=LIMITS),
    ],
)
def test_an_older_calcium_hides_no_newer_critical_one(older: Any) -> None:
    newer = [result("calcium", "3.4", "mmol/L", on=NEW), result("albumin", "40", "g/L", on=NEW)]
    answer = assessed(woman(66, older, *newer))
    assert answer.findings[0].rule == "critical-calcium"
    assert answer.flags == ("C2",)


def test_a_corrected_calcium_of_the_same_day_still_wins_over_the_total() -> None:
    given = [result("calcium-corrected", "2.30", "mmol/L", on=f"{NEW}T08:00:00Z")]
    answer = assessed(woman(66, *given, result("calcium", "2.05", "mmol/L", on=f"{NEW}T09:00:00Z")))
    assert answer.flags == ()


def test_a_newer_reported_egfr_by_any_equation_wins_over_an_old_creatinine() -> None:
    old = result("creatinine", "70", "umol/L", on="2025-07-10")
    reported = result("egfr", "22", "mL/min/{1.73_m2}", on=NEW, code="33914-3")
    answer = assessed(woman(66, t("-2.7"), old, reported))
    assert (answer.gates, answer.plan) == (("N6",), None)


def test_of_one_sample_creatinine_wins_over_an_egfr_by_an_older_equation() -> None:
    creatinine = result("creatinine", "70", "umol/L", on=f"{NEW}T08:00:00Z")
    reported = result("egfr", "61", "mL/min/{1.73_m2}", on=f"{NEW}T10:00:00Z", code="33914-3")
    assert score(assessed(woman(66, creatinine, reported)), "eGFR-CKD-EPI-2021") is not None


def test_a_creatinine_that_is_only_a_bound_still_tells_severe_disease() -> None:
    answer = assessed(woman(63, t("-2.7"), result("creatinine", ">500", "umol/L")))
    assert (answer.gates, answer.plan) == (("N6",), None)
    gate = sentence(answer, "N6")
    # 142 x (5.656 / 0.7)^-1.2 x 0.9938^63 x 1.012 = 7.9
    assert gate and gate.values == {"egfr": "<7.9 mL/min/1.73 m²"}


def test_a_creatinine_below_a_bound_shows_that_filtration_suffices() -> None:
    answer = assessed(woman(63, t("-2.7"), result("creatinine", "<50", "umol/L")))
    assert answer.gates == () and "missing.egfr" not in answer.missing and "gate-open" not in words(answer)


def test_a_gate_that_cannot_be_excluded_is_named() -> None:
    answer = assessed(woman(66, t("-2.7"), result("egfr", "<60", "mL/min/{1.73_m2}")))
    open_gate = sentence(answer, "gate-open")
    assert open_gate and open_gate.values == {"gates": "N6"}


def test_high_calcium_is_explained_before_vitamin_d_is_corrected() -> None:
    given = [result("calcium", "2.9", "mmol/L"), result("albumin", "40", "g/L"), result("vitamin-d", "20", "nmol/L")]
    flag = sentence(assessed(woman(66, *given)), "V1")
    assert flag and flag.text_key == "flag.V1.high-calcium"


def test_under_forty_neither_frax_nor_t_scores_are_asked_for() -> None:
    plan = sentence(assessed(woman(32)), "P12")
    assert plan and plan.text_key == "plan.P12.under-40"


def test_a_p1np_that_the_kidneys_may_hold_back_is_named_as_not_used() -> None:
    given = result("p1np", "90", "ug/L", cautions=("total-intact-unknown",))
    answer = assessed(woman(66, given, result("egfr", "50", "mL/min/{1.73_m2}")))
    assert [(p.code.value, p.resource) for p in answer.cautions] == [("kind-unclear", "Observation/p1np")]


def test_a_p1np_whose_assay_says_total_is_not_said_to_be_of_unknown_kind() -> None:
    given = result("p1np", "50", "ug/L", cautions=("total-intact-unknown",), assay="ECLIA total P1NP")
    assert "total-intact-unknown" not in words(assessed(woman(66, given)))


@pytest.mark.parametrize("text", ["Critical limits", "Therapeutic target", "危急值"])
def test_a_range_that_says_it_is_not_the_normal_one_is_no_limit(text: str) -> None:
    critical = (reference("1.9", "3.0", "mmol/L", text=text),)
    answer = assessed(woman(66, result("calcium", "2.7", "mmol/L", reference_ranges=critical)))
    assert answer.flags == ("C2",)


def test_no_medicine_is_named_where_an_injection_was_stopped() -> None:
    answer = assessed(woman(69, factor("denosumab", since="2023-01-01", until="2025-12-01")))
    assert not any("denosumab" in finding.rule + finding.text_key for finding in answer.findings)
