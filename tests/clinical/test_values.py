"""Intervals answer yes, no, or that it cannot be said."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.values import Interval

numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=3)


def test_a_number_is_compared_as_that_number() -> None:
    value = Interval.exactly(Decimal("2.5"))
    assert value.exact == Decimal("2.5")
    assert value.exceeds(Decimal("2.4")) is True
    assert value.exceeds(Decimal("2.5")) is False
    assert value.reaches(Decimal("2.5")) is True
    assert value.is_below(Decimal("2.5")) is False
    assert value.is_at_most(Decimal("2.5")) is True


def test_less_than_a_bound_below_the_limit_counts_as_below() -> None:
    below_five = Interval(None, Decimal(5), high_open=True)
    assert below_five.is_below(Decimal(5)) is True
    assert below_five.is_below(Decimal(6)) is True
    assert below_five.is_below(Decimal(4)) is None
    assert below_five.exact is None


def test_less_than_a_bound_never_says_more_than_it_knows() -> None:
    below_five = Interval(None, Decimal(5), high_open=True)
    assert below_five.exceeds(Decimal(5)) is False
    assert below_five.exceeds(Decimal(4)) is None
    assert below_five.reaches(Decimal(4)) is None
    assert below_five.is_at_most(Decimal(4)) is None


def test_more_than_a_bound_exceeds_the_bound_itself() -> None:
    above_five = Interval(Decimal(5), None, low_open=True)
    assert above_five.exceeds(Decimal(5)) is True
    assert Interval(Decimal(5), None).exceeds(Decimal(5)) is None


@given(numbers, numbers)
def test_an_exact_number_always_has_an_answer(value: Decimal, limit: Decimal) -> None:
    interval = Interval.exactly(value)
    assert interval.exceeds(limit) is (value > limit)
    assert interval.is_below(limit) is (value < limit)
    assert interval.reaches(limit) is (value >= limit)
    assert interval.is_at_most(limit) is (value <= limit)


@given(numbers, numbers, numbers)
def test_what_is_said_of_a_range_is_true_of_every_number_in_it(one: Decimal, other: Decimal, limit: Decimal) -> None:
    low, high = sorted((one, other))
    inside = (low + high) / 2
    said = Interval(low, high).exceeds(limit)
    assert said is None or said is (inside > limit)


@pytest.mark.parametrize("factor", [Decimal("0.5"), Decimal("2.4960"), Decimal(1000)])
def test_scaling_keeps_what_is_open(factor: Decimal) -> None:
    scaled = Interval(None, Decimal(4), high_open=True).scaled(factor)
    assert scaled == Interval(None, Decimal(4) * factor, high_open=True)
    assert Interval(Decimal(4), None).scaled(factor).low == Decimal(4) * factor
