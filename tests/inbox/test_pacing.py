"""Panels are gathered, failures wait longer and longer, and a server that is down is no patient's fault."""

from __future__ import annotations

import pytest

from adapter.inbox.pacing import Outage, Pace

PACE = Pace(window=5, longest_window=20, first_retry=4, longest_retry=60, tries=3)


@pytest.mark.parametrize(("now", "expected"), [(0, 5), (3, 8), (14, 19), (16, 20), (19.5, 20), (30, 30)])
def test_news_puts_the_assessment_off_but_not_for_ever(now: float, expected: float) -> None:
    assert PACE.due(0, now) == expected


@pytest.mark.parametrize(("attempts", "least", "most"), [(1, 2, 4), (2, 4, 8), (3, 8, 16), (5, 30, 60), (5000, 30, 60)])
def test_each_failure_waits_twice_as_long_up_to_a_limit(attempts: int, least: float, most: float) -> None:
    assert PACE.retry(attempts, 100, 0.0) == 100 + least
    assert PACE.retry(attempts, 100, 1.0) == 100 + most


def test_in_the_end_a_person_must_look() -> None:
    assert [PACE.is_exhausted(attempts) for attempts in (1, 2, 3, 4)] == [False, False, True, True]


def test_while_the_server_is_down_one_try_at_a_time_finds_out() -> None:
    outage = Outage()
    assert outage.slots(0, 4) == 4
    outage.failed(10)
    assert (outage.slots(10, 4), outage.slots(11, 4)) == (0, 1)
    for _ in range(20):
        outage.failed(20)
    assert (outage.slots(79, 4), outage.slots(80, 4)) == (0, 1)
    outage.answered(81)
    assert outage.slots(81, 4) == 4


def test_a_failure_counts_only_where_the_server_did_work_for_others() -> None:
    outage = Outage()
    assert not outage.counts(0)
    outage.answered(10)
    assert outage.counts(9)
    assert not outage.counts(11)
