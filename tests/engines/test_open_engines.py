"""eGFR, OSTA and QFracture-2012: their numbers, and where they refuse."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.patient import Sex
from adapter.clinical.profile import Menopause
from adapter.clinical.results import Coding
from adapter.engines.joint_pathway import assess
from adapter.engines.kidney import ckd_epi_2021, kidney_of
from adapter.engines.qfracture import Inputs, risk_in_percent
from tests.engines.building import (
    assessed,
    changed,
    factor,
    fracture,
    man,
    profile,
    result,
    score,
    shipped,
    woman,
)

QFRACTURE = shipped().qfracture
assert QFRACTURE
EGFR = "eGFR-CKD-EPI-2021"
CHINESE = Coding("urn:oid:2.16.840.1.113883.6.238", "2034-7")


@pytest.mark.parametrize("example", QFRACTURE.examples, ids=lambda example: example.note)
def test_the_published_examples_come_out_to_six_digits(example: Any) -> None:
    assert QFRACTURE
    inputs = Inputs(
        sex=Sex(example.sex),
        age=example.age,
        bmi=example.bmi,
        alcohol=example.alcohol,
        ethnicity=example.ethnicity,
        smoking=example.smoking,
        flags=frozenset(example.flags),
    )
    for name, expected in (("mof", example.mof_percent), ("hip", example.hip_percent)):
        risk = risk_in_percent(QFRACTURE.equations[f"{name}-{example.sex}"], inputs, example.year)
        assert abs(risk - expected) <= Decimal("0.000001")


def body(weight: str, height: str) -> list[Any]:
    return [result("weight", weight, "kg"), result("height", height, "m")]


def shown(patient: Any) -> tuple[str | None, str | None]:
    answer = assess(patient, shipped(), with_qfracture=True)
    major = score(answer, "QFracture-2012", "major-osteoporotic-fracture")
    return major, score(answer, "QFracture-2012", "hip-fracture")


def test_a_profile_gives_the_published_risk() -> None:
    parent = factor("parent-hip-fracture")
    assert shown(woman(68, body("52", "1.55"), parent, ethnicity=(CHINESE,))) == ("7.00", "0.83")
    steroid = factor("glucocorticoid", since="2025-01-01")
    assert shown(man(60, body("70", "1.68"), steroid, ethnicity=(CHINESE,))) == ("1.04", "0.18")
    assert shown(woman(70, body("50", "1.52"), ethnicity=(CHINESE,))) == ("4.65", "1.05")


def test_it_informs_with_its_caveats_and_its_disclaimer() -> None:
    answer = assess(woman(65, body("68", "1.65")), shipped(), with_qfracture=True)
    scores = [s for s in answer.scores if s.engine == "QFracture-2012"]
    assert all(s.informs and s.horizon_years == 10 and s.unit == "%" for s in scores) and len(scores) == 2
    assert {
        "caveat.qfracture-none-recorded",
        "caveat.qfracture-ethnicity-unknown",
        "score.qfracture-disclaimer",
    } <= set(scores[0].caveats)
    assert scores[0].inputs["recorded"] == "none"
    assert answer.stratum_rule == "B10" and answer.flags == ("X1",)


def test_it_is_shown_only_when_asked_for() -> None:
    assert score(assessed(woman(65, body("68", "1.65"))), "QFracture-2012", "hip-fracture") is None


def test_a_hip_above_major_is_flagged_and_not_reordered() -> None:
    conditions = [factor(kind) for kind in ("falls", "parkinsons", "type-1-diabetes", "care-home")]
    answer = assess(man(80, body("71", "1.72"), *conditions, ethnicity=(CHINESE,)), shipped(), with_qfracture=True)
    assert answer.flags == ("X1",)
    assert "caveat.qfracture-hip-above-major" in next(s for s in answer.scores if s.outcome == "hip-fracture").caveats


def test_nothing_calls_for_care_where_all_is_known() -> None:
    answer = assess(woman(65, body("68", "1.65"), ethnicity=(CHINESE,)), shipped(), with_qfracture=True)
    assert answer.flags == ()


@pytest.mark.parametrize(
    "patient",
    [
        woman(58, body("48", "1.58")),  # BMI 19.2
        woman(58, body("110", "1.58")),  # BMI 44.1
        woman(58),
        woman(101, body("60", "1.58")),
        profile(Sex.OTHER, 60, body("60", "1.58")),
    ],
)
def test_outside_its_range_it_is_not_computed(patient: Any) -> None:
    answer = assess(patient, shipped(), with_qfracture=True)
    assert answer.flags == ("X1",)
    assert not [s for s in answer.scores if s.engine == "QFracture-2012"]


def test_without_the_engine_in_the_mappings_nothing_is_computed() -> None:
    bare = changed(qfracture=None)
    assert assess(woman(65, body("68", "1.65")), bare, with_qfracture=True).flags == ("X1",)


def inputs_of(*given: Any) -> Any:
    answer = assess(woman(65, body("68", "1.65"), *given), shipped(), with_qfracture=True)
    return next(s for s in answer.scores if s.engine == "QFracture-2012").inputs


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        (factor("smoking-current"), "smoking", "2"),
        (factor("smoking-current", present=False), "smoking", "0"),
        (factor("smoking-former"), "smoking", "1"),
        (factor("alcohol", amount=Decimal("0.5")), "alcohol", "1"),
        (factor("alcohol", amount=Decimal("1")), "alcohol", "2"),
        (factor("alcohol", amount=Decimal("2")), "alcohol", "3"),
        (factor("alcohol", amount=Decimal("5")), "alcohol", "4"),
        (factor("alcohol", amount=Decimal("6")), "alcohol", "4"),
        (factor("alcohol", amount=Decimal("7")), "alcohol", "5"),
        (factor("alcohol"), "alcohol", "3"),
        (factor("alcohol", present=False, amount=Decimal("0")), "alcohol", "0"),
        (fracture("hip", since="2010"), "recorded", "b_fracture4"),
        (fracture("other", since="2010"), "recorded", "none"),
        (factor("glucocorticoid", until="2020"), "recorded", "none"),
        (factor("cancer", ended=True), "recorded", "b_anycancer"),
        (factor("dementia", present=False), "recorded", "none"),
    ],
)
def test_what_is_recorded_becomes_its_category_or_flag(given: Any, name: str, expected: str) -> None:
    assert inputs_of(given)[name] == expected


def test_an_ethnicity_the_engine_does_not_know_is_unknown() -> None:
    odd = (Coding("http://example.org", "2034-7"), Coding(CHINESE.system, "9999-9"))
    answer = assess(woman(65, body("68", "1.65"), ethnicity=odd), shipped(), with_qfracture=True)
    assert answer.flags == ("X1",)


@pytest.mark.parametrize(
    ("creatinine", "age", "sex", "expected"),
    [
        ("62", 55, Sex.FEMALE, "101.8"),
        ("61.8814", 63, Sex.FEMALE, "97.1"),
        ("80", 66, Sex.MALE, "93.6"),
        ("70", 70, Sex.FEMALE, "80.2"),
        ("75", 78, Sex.FEMALE, "70.2"),
        ("85", 60, Sex.MALE, "90.3"),
        ("250", 72, Sex.MALE, "23.0"),
        ("66", 69, Sex.FEMALE, "86.6"),
        ("60", 58, Sex.FEMALE, "100.9"),
        ("146", 74, Sex.FEMALE, "32.4"),
    ],
)
def test_egfr_by_ckd_epi_2021(creatinine: str, age: int, sex: Sex, expected: str) -> None:
    egfr = ckd_epi_2021(Decimal(creatinine) / Decimal("88.402"), age, sex)
    assert f"{egfr:.1f}" == expected


def creatinine(digits: str = "62", **given: Any) -> Any:
    return result("creatinine", digits, "umol/L", **given)


def egfr(digits: str, code: str = "98979-8", **given: Any) -> Any:
    return result("egfr", digits, "mL/min/{1.73_m2}", code=code, **given)


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        ([creatinine()], "101.8"),
        ([creatinine(), egfr("95")], None),  # reported by the same equation
        ([creatinine(on="2026-06-10"), egfr("95", on="2026-06-02")], "101.8"),
        ([creatinine(), egfr("95", code="62238-1")], "101.8"),  # 2009
        ([creatinine(on=None), egfr("95")], None),
        ([creatinine("<62")], None),
        ([creatinine("0")], None),
    ],
)
def test_which_egfr_is_used(given: list[Any], computed: str | None) -> None:
    assert score(assessed(woman(55, *given)), EGFR) == computed


def test_a_reported_egfr_of_another_equation_counts_where_there_is_no_creatinine() -> None:
    assert assessed(woman(55, egfr("25", code="62238-1"))).gates == ("N6",)


@pytest.mark.parametrize(("sex", "age"), [(Sex.FEMALE, 17), (Sex.MALE, None), (Sex.OTHER, 55), (None, 55)])
def test_egfr_needs_an_adult_of_known_sex(sex: Sex | None, age: int | None) -> None:
    assert kidney_of(profile(sex, age, creatinine("900")), shipped()).egfr is None


@pytest.mark.parametrize(
    ("weight", "age", "shown_as", "category"),
    [("62", 55, "1.4", "low"), ("50", 55, "-1.0", "medium"), ("50", 70, "-4.0", "medium"), ("49", 70, "-4.2", "high")],
)
def test_osta_by_the_chinese_cut_offs(weight: str, age: int, shown_as: str, category: str) -> None:
    answer = assessed(woman(age, result("weight", weight, "kg")))
    assert score(answer, "OSTA") == shown_as
    assert answer.scores[0].caveats == (f"caveat.osta-{category}",)


def test_osta_says_for_whom_it_was_made() -> None:
    for patient in (
        man(66, result("weight", "68", "kg")),
        woman(50, result("weight", "68", "kg"), menopause=Menopause.PRE),
    ):
        assert "caveat.osta-population" in assessed(patient).scores[0].caveats


def test_osta_needs_a_weight() -> None:
    assert score(assessed(woman(66)), "OSTA") is None
    assert score(assessed(woman(66, result("weight", ">60", "kg"))), "OSTA") is None
