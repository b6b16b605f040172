"""How long ago something was, to the day, and open where a coarse date leaves it open."""

from __future__ import annotations

import pytest

from adapter.clinical.time import clinical_time, period
from adapter.engines.answers import all_of, any_of, negated
from adapter.engines.spans import are_of_one_sample, days_apart, lasts_for, lies_within
from tests.engines.building import AS_OF, at


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-06-15", True),
        ("2025-06-14", False),
        ("2025-06", None),
        ("2025", None),
        ("2024", False),
        ("2026", True),
        (None, None),
    ],
)
def test_a_time_lies_within_the_last_year_or_not_or_may(text: str | None, expected: bool | None) -> None:
    assert lies_within(at(text), 12, AS_OF) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-15", True),
        ("2026-03-16", False),
        ("2026-03", None),
        ("2026-02", True),
        ("2026-04", False),
        (None, None),
    ],
)
def test_what_began_has_lasted_so_long_or_not_or_may(text: str | None, expected: bool | None) -> None:
    assert lasts_for(at(text), 3, AS_OF) is expected


def test_days_apart_are_the_fewest_there_can_be() -> None:
    may, tenth, whole = at("2026-05-20"), at("2026-03-10"), at("2026-05")
    assert may and tenth and whole
    assert days_apart(may, tenth) == days_apart(tenth, may) == 71
    assert days_apart(whole, tenth) == 52
    assert days_apart(whole, may) == 0


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("2026-06-02", "2026-06-02", True),
        ("2026-06-02", "2026-06-02T23:00:00-08:00", True),
        ("2026-06-02T08:00:00Z", "2026-06-03T08:00:00Z", True),
        ("2026-06-02T08:00:00Z", "2026-06-03T08:00:01Z", False),
        ("2026-06", "2026-06", False),
        (None, "2026-06-02", False),
        ("2026-06-02", None, False),
    ],
)
def test_two_results_are_of_one_sample_by_day_or_by_hours(one: str | None, other: str | None, expected: bool) -> None:
    assert are_of_one_sample(at(one), at(other)) is expected


def test_a_period_is_no_sample_time() -> None:
    day = clinical_time("2026-06-02")
    assert not are_of_one_sample(period(day, day), day)


def test_open_answers_decide_only_where_they_must() -> None:
    assert (any_of([False, None, True]), any_of([False, None]), any_of([])) == (True, None, False)
    assert (all_of([True, None, False]), all_of([True, None]), all_of([])) == (False, None, True)
    assert (negated(True), negated(False), negated(None)) == (False, True, None)
