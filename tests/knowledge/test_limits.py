"""Limits: every group has one, and the one that is meant comes first."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.knowledge.facts import Limit
from adapter.knowledge.model import Knowledge


def readings(knowledge: Knowledge, marker: str, sex: str, age: int, assay: str = "") -> list[Limit]:
    """The limits for L and H that fit, the preferred first."""
    fitting = [
        limit
        for limit in knowledge.limits[marker]
        if limit.purpose == "reference"
        and limit.sex in ("", sex)
        and (limit.age_low or 0) <= age <= (limit.age_high or 200)
        and limit.assay.lower() in assay.lower()
    ]
    return sorted(fitting, key=lambda limit: limit.rank)


@pytest.mark.parametrize("marker", ["p1np", "ctx", "osteocalcin", "ntx", "urine-ntx-creatinine", "tracp-5b", "alp"])
@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize("age", [18, 35, 49, 50, 66, 78, 99])
def test_every_adult_has_exactly_one_interval_to_fall_back_on(
    marker: str, sex: str, age: int, knowledge: Knowledge
) -> None:
    assert len(readings(knowledge, marker, sex, age)) == 1


@pytest.mark.parametrize(
    ("marker", "sex", "low", "high"),
    [
        ("p1np", "male", "24.20", "89.01"),
        ("p1np", "female", "21.38", "76.03"),
        ("ctx", "male", "168", "791"),
        ("ctx", "female", "98", "646"),
        ("osteocalcin", "male", "8.68", "27.58"),
        ("osteocalcin", "female", "6.60", "25.13"),
        ("ntx", "male", "5.4", "24.2"),
        ("urine-ntx-creatinine", "female", "17", "94"),
        ("tracp-5b", "male", "1.7", "5.9"),
        ("calcium", "female", "2.25", "2.75"),
        ("calcium-corrected", "male", "2.25", "2.75"),
        ("phosphate", "female", "0.81", "1.45"),
        ("pth", "male", "15", "65"),
    ],
)
def test_the_intervals_are_those_of_the_sources(
    marker: str, sex: str, low: str, high: str, knowledge: Knowledge
) -> None:
    limit = readings(knowledge, marker, sex, 60)[0]
    assert (limit.low, limit.high) == (Decimal(low), Decimal(high))


def test_the_laboratory_that_measured_goes_before_the_interval_of_another(knowledge: Knowledge) -> None:
    first = readings(knowledge, "ctx", "male", 66, "Mayo Clinic Laboratories")[0]
    assert first.id == "ctx-men-mayo-60"


def test_bone_alkaline_phosphatase_is_read_by_no_other_laboratorys_interval(knowledge: Knowledge) -> None:
    assert readings(knowledge, "bone-alp", "female", 60) == []
    assert readings(knowledge, "bone-alp", "female", 60, "Mayo")[0].high == 14


def test_an_interval_for_women_after_menopause_only_informs(knowledge: Knowledge) -> None:
    """Raised is read against the premenopausal interval, or bone loss after menopause would count as normal."""
    limits = [limit for rows in knowledge.limits.values() for limit in rows if limit.menopause]
    assert limits
    assert {limit.purpose for limit in limits} == {"informs"}


def test_nothing_shipped_speaks_for_a_site(knowledge: Knowledge) -> None:
    assert {limit.authority for rows in knowledge.limits.values() for limit in rows} == {"fallback"}


@pytest.mark.parametrize(
    ("marker", "purpose", "low", "high"),
    [
        ("calcium", "possible-phpt", None, "2.60"),
        ("urine-calcium-24h", "low-urine-calcium", "2.4951", None),
        ("urine-calcium-creatinine", "confirm-24h", None, "0.6"),
        ("vitamin-d", "deficient", "49.92", None),
        ("vitamin-d", "insufficient", "74.88", None),
        ("vitamin-d", "severely-deficient", "24.96", None),
        ("p1np", "look-for-cause", None, "80"),
        ("urine-collection-duration", "complete-collection", "22", "26"),
        ("urine-creatinine-24h", "complete-collection", "4.4201", "19.00643"),
    ],
)
def test_thresholds_have_their_values(
    marker: str, purpose: str, low: str | None, high: str | None, knowledge: Knowledge
) -> None:
    [limit] = [limit for limit in knowledge.limits[marker] if limit.purpose == purpose]
    assert (limit.low, limit.high) == (low and Decimal(low), high and Decimal(high))
