"""Flags U1 to U3: urinary calcium of a day, worked out where it has to be, and only where the collection was whole."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.problems import ProblemCode
from tests.engines.building import (
    assessed,
    factor,
    flags,
    man,
    result,
    score,
    sentence,
    used,
    woman,
    words,
)

DAY = "mmol/(24.h)"


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
