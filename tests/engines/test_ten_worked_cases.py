"""The ten worked cases of the clinical knowledge, at the level of the profile, with their numbers."""

from __future__ import annotations

from decimal import Decimal

from adapter.clinical.results import MarkerResult
from adapter.problems import ProblemCode
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
    row,
    score,
    sentence,
    t,
    used,
    woman,
)

EGFR = "eGFR-CKD-EPI-2021"


def body(weight: str, height: str) -> list[MarkerResult]:
    return [result("weight", weight, "kg"), result("height", height, "m")]


def test_case_1_low_risk_and_normal_turnover() -> None:
    answer = assessed(
        woman(
            55,
            body("62", "1.60"),
            frax("3.2", "0.4"),
            t("-0.8"),
            p1np("52"),
            ctx("0.410", "ng/mL"),
            result("creatinine", "62", "umol/L"),
        )
    )

    assert row(answer) == ("low", "B8", "normal", "P1")
    assert (score(answer, "OSTA"), score(answer, EGFR), score(answer, "BMI")) == ("1.4", "101.8", "24.22")
    assert score(answer, "FRAX-external", "major-osteoporotic-fracture") == "3.2"
    assert score(answer, "FRAX-external", "hip-fracture") == "0.4"
    assert (reading(answer, "ctx"), reading(answer, "p1np")) == ("N", "N")
    assert answer.flags == answer.gates == ()


def test_case_2_moderate_risk_with_high_turnover_and_its_causes() -> None:
    answer = assessed(
        woman(
            63,
            body("54", "1.56"),
            frax("12.4", "2.1"),
            t("-1.9"),
            p1np("88.0"),
            ctx("812", "pg/mL"),
            result("creatinine", "0.70", "mg/dL"),
            result("vitamin-d", "14.0", "ng/mL"),
            result("pth", "9.8", "pmol/L"),
        )
    )

    assert row(answer) == ("moderate", "B6", "high-turnover", "P3")
    assert (score(answer, "OSTA"), score(answer, EGFR)) == ("-1.8", "97.1")
    assert answer.flags == ("V1", "H1", "E1")
    assert (reading(answer, "ctx"), reading(answer, "p1np"), reading(answer, "pth")) == ("H", "H", "H")
    vitamin_d = sentence(answer, "V1")
    assert vitamin_d and vitamin_d.values["vitamin_d"] == "14.0 ng/mL" and vitamin_d.values["date"] == "2026-06-02"


def test_case_3_hypercalciuria_and_calcium_that_is_not_low_once_corrected() -> None:
    answer = assessed(
        man(
            66,
            body("68", "1.70"),
            frax("11.0", "2.6"),
            t("-2.1"),
            p1np("48"),
            ctx("420"),
            result("creatinine", "80", "umol/L"),
            result("urine-calcium-24h", "8.1", "mmol/(24.h)"),
            result("calcium", "2.18", "mmol/L"),
            result("albumin", "31", "g/L"),
        )
    )

    assert row(answer) == ("moderate", "B6", "normal", "P4")
    assert answer.flags == ("U1",)
    assert (score(answer, "corrected-calcium"), score(answer, "OSTA"), score(answer, EGFR)) == ("2.36", "0.4", "93.6")
    assert reading(answer, "calcium") == "", "its own number is low, corrected it is not"


def test_case_4_high_by_density_is_not_gated_by_normal_markers() -> None:
    answer = assessed(
        woman(
            70,
            body("50", "1.52"),
            frax("16.0", "2.9"),
            t("-2.7", "total-hip"),
            p1np("40"),
            ctx("350"),
            result("creatinine", "70", "umol/L"),
            result("calcium", "8.9", "mg/dL"),
        )
    )

    assert row(answer) == ("high", "B3", "normal", "P9")
    assert (score(answer, "OSTA"), score(answer, EGFR), score(answer, "BMI")) == ("-4.0", "80.2", "21.64")
    assert "caveat.osta-medium" in answer.scores[2].caveats
    calcium = sentence(answer, "C1")
    assert calcium and calcium.text_key == "flag.C1.uncorrected" and calcium.values["calcium"] == "8.9 mg/dL"
    assert "missing.albumin" in answer.missing


def test_case_5_very_high_with_markers_that_a_fracture_spoils() -> None:
    answer = assessed(
        woman(
            78,
            body("48", "1.50"),
            frax("33", "12", bmd=False),
            t("-3.4", "femoral-neck"),
            p1np("120"),
            ctx("900"),
            result("creatinine", "75", "umol/L"),
            fracture("hip", since="2026-02-10"),
        )
    )

    assert row(answer) == ("very-high", "B1", "unusable", "P11")
    assert (score(answer, "OSTA"), score(answer, EGFR)) == ("-6.0", "70.2")
    assert reading(answer, "ctx") == reading(answer, "p1np") == ""
    grounds = sentence(answer, "B1")
    assert grounds and grounds.values["triggers"] == "recent-fracture, very-low-t"


def test_case_6_high_with_low_turnover_under_a_glucocorticoid() -> None:
    answer = assessed(
        man(
            60,
            body("70", "1.68"),
            frax("21.0", "3.4"),
            t("-2.3"),
            p1np("14"),
            ctx("110"),
            result("creatinine", "85", "umol/L"),
            factor("glucocorticoid", since="2025-06-01", amount=Decimal(5)),
        )
    )

    assert row(answer) == ("high", "B4", "low-turnover", "P10")
    assert answer.flags == ("L1",)
    assert (score(answer, "OSTA"), score(answer, EGFR)) == ("2.0", "90.3")


def test_case_7_kidney_disease_g4_leaves_the_stratum_for_information_and_no_plan() -> None:
    answer = assessed(
        man(
            72,
            body("60", "1.66"),
            frax("9.0", "2.0", bmd=False),
            t("-2.0"),
            p1np("140"),
            ctx("1500"),
            result("creatinine", "250", "umol/L"),
        )
    )

    assert row(answer) == ("moderate", "B7", "unusable", None)
    assert answer.gates == ("N6",) and not answer.drug_advice and answer.writes
    assert (score(answer, "OSTA"), score(answer, EGFR)) == ("-2.4", "23.0")
    assert "missing.frax-with-bmd" in answer.missing
    assert not [finding for finding in answer.findings if finding.text_key.startswith("plan.")]


def test_case_8_monitoring_reads_the_change_and_not_the_limits() -> None:
    before = [p1np("74", on="2025-12-01", id="p1np-before"), ctx("610", on="2025-12-01", id="ctx-before")]
    answer = assessed(
        woman(
            69,
            t("-2.6"),
            p1np("30"),
            ctx("180"),
            result("creatinine", "66", "umol/L"),
            factor("antiresorptive", since="2025-12-05"),
            history=before,
        )
    )

    assert row(answer) == ("high", "B3", "monitoring", "P13")
    assert answer.gates == ("N7",)
    plan = sentence(answer, "P13")
    assert plan and plan.text_key == "plan.P13.adequate"
    assert plan.values["changes"] == (
        "P1NP 74 ug/L → 30 ug/L (-59.5 %; 2025-12-01 → 2026-06-02); "
        "β-CTX 610 ng/L → 180 ng/L (-70.5 %; 2025-12-01 → 2026-06-02)"
    )
    assert score(answer, EGFR) == "86.6"
    assert reading(answer, "ctx") == reading(answer, "p1np") == ""
    assert {"Observation/p1np-before", "Observation/ctx-before"} <= set(used(answer))


def test_case_9_indeterminate_though_turnover_is_high() -> None:
    answer = assessed(
        woman(
            58,
            body("48", "1.58"),
            p1np("70"),
            ctx("690"),
            result("creatinine", "60", "umol/L"),
            result("urine-calcium", "12.0", "mg/dL", on="2026-06-02T08:00:00+08:00"),
            result("urine-creatinine", "45", "mg/dL", on="2026-06-02T08:00:00+08:00"),
        ),
        with_qfracture=True,
    )

    assert row(answer) == ("indeterminate", "B10", "high-turnover", "P12")
    assert answer.flags == ("U2", "E1", "X1")
    assert (score(answer, "OSTA"), score(answer, "BMI"), score(answer, EGFR)) == ("-2.0", "19.23", "100.9")
    assert score(answer, "urine-calcium-creatinine") == "0.753"
    assert score(answer, "QFracture-2012", "hip-fracture") is None
    assert {"missing.frax", "missing.dxa"} <= set(answer.missing)


def test_case_10_low_risk_from_what_a_spoiled_sample_leaves() -> None:
    answer = assessed(
        woman(52, body("58", "1.60"), frax("2.5", "0.3", bmd=False), p1np("60"), ctx("720", "pg/mL", fasting=False))
    )

    assert row(answer) == ("low", "B8", "normal", "P1")
    assert [(problem.code, problem.resource) for problem in answer.cautions] == [
        (ProblemCode.NOT_FASTING, "Observation/ctx")
    ]
    assert reading(answer, "ctx") is None, "it is set aside"
