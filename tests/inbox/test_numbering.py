"""By their numbers: what came twice, what is missing, and when the server counts anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.inbox.numbering import FARTHEST_JUMP, Numbers, Verdict, caught_up, counted, numbered


def after(*numbers: int) -> tuple[Numbers, list[Verdict]]:
    """What is known after these came, a second apart."""
    known, verdicts = Numbers(), []
    for now, number in enumerate(numbers, 1):
        known, verdict = numbered(known, number, now=now)
        verdicts.append(verdict)
    return known, verdicts


def test_numbers_in_order_leave_nothing_missing() -> None:
    known, verdicts = after(1, 2, 3)
    assert (known, set(verdicts)) == (Numbers(3), {Verdict.NEXT})


def test_a_jump_is_a_gap_until_what_is_missing_came() -> None:
    """E42: 21 → 23."""
    known, verdicts = after(20, 21, 23)
    assert (verdicts[-1], known.missing, known.gap_since) == (Verdict.AHEAD, (22, 22), 3)
    known, verdict = numbered(known, 22, now=9)
    assert (verdict, known) == (Verdict.NEXT, Numbers(23))


def test_each_gap_has_its_own_time_to_wait() -> None:
    known, _ = after(1, 3, 5, 2)
    assert (known.missing, known.gap_since) == ((4, 4), 4)


def test_another_event_under_a_number_that_was_taken_says_that_the_server_counts_anew() -> None:
    """E42: reset to 1."""
    known, verdicts = after(20, 21, 1)
    assert (verdicts[-1], known) == (Verdict.RESET, Numbers(1))
    known, verdict = numbered(known, 2, now=9)
    assert verdict is Verdict.NEXT


def test_past_events_that_we_asked_for_are_no_surprise() -> None:
    known, _ = after(1, 2, 5)
    assert numbered(known, 2, now=9, is_replay=True) == (known, Verdict.DUPLICATE)
    assert numbered(known, 5, now=9, is_replay=True) == (known, Verdict.DUPLICATE)


@pytest.mark.parametrize("number", [FARTHEST_JUMP + 8, 2**63 - 1])
def test_a_number_far_beyond_is_not_believed(number: int) -> None:
    """E42: huge."""
    known, _ = after(7)
    assert numbered(known, number, now=2) == (known, Verdict.ABSURD)
    assert counted(known, number, now=2) == (known, Verdict.ABSURD)


def test_a_flood_of_numbers_beyond_a_gap_does_not_grow_without_end() -> None:
    known, verdicts = after(1, *range(3, 2_000))
    assert (len(known.beyond), verdicts[-1]) == (1_000, Verdict.ABSURD)


def test_a_heartbeat_tells_of_events_that_never_came() -> None:
    """A5.9."""
    known, _ = after(1, 2)
    known, verdict = counted(known, 4, now=7)
    assert (verdict, known.missing, known.gap_since) == (Verdict.AHEAD, (3, 4), 7)
    known, _ = numbered(known, 3, now=8)
    assert (known.missing, known.gap_since) == ((4, 4), 8)
    known, _ = numbered(known, 4, now=9)
    assert (known.missing, known.gap_since) == (None, 0)


def test_a_heartbeat_that_agrees_or_does_not_count_changes_nothing() -> None:
    known, _ = after(1, 2)
    assert counted(known, 2, now=3) == (known, Verdict.NEXT)
    assert counted(known, -1, now=3) == (known, Verdict.NEXT)
    assert counted(Numbers(), -1, now=3) == (Numbers(), Verdict.NEXT)


def test_a_handshake_says_where_counting_begins() -> None:
    known, _ = counted(Numbers(), 0, now=1)
    known, verdict = numbered(known, 2, now=2)
    assert (verdict, known.missing) == (Verdict.AHEAD, (1, 1))


def test_a_lower_count_says_that_the_server_counts_anew() -> None:
    known, _ = after(20, 21)
    assert counted(known, 0, now=3) == (Numbers(0), Verdict.RESET)


def test_after_a_search_nothing_is_missing() -> None:
    known, _ = after(1, 3, 7)
    assert caught_up(known, known, now=4) == Numbers(7)
    told, _ = counted(known, 9, now=4)
    assert caught_up(told, told, now=5) == Numbers(9)
    assert caught_up(Numbers(3), Numbers(3), now=4) == Numbers(3)


def test_what_went_missing_during_a_search_is_still_missing_after_it() -> None:
    """A5.9: the search may have looked before it happened"""
    asked, _ = after(20, 23)
    known, _ = numbered(asked, 30, now=5)
    caught = caught_up(known, asked, now=9)
    assert (caught.highest, caught.missing, caught.gap_since) == (23, (24, 29), 9)
    assert caught_up(numbered(asked, 24, now=5)[0], asked, now=9) == Numbers(24)


def test_a_search_from_before_the_server_counted_anew_closes_nothing() -> None:
    asked, _ = after(20, 23)
    anew, _ = numbered(numbered(asked, 1, now=5)[0], 3, now=6)
    assert caught_up(anew, asked, now=9) == anew


@given(st.permutations(range(1, 12)))
def test_in_whatever_order_they_come_nothing_is_missing_once_all_came(order: list[int]) -> None:
    known, _ = counted(Numbers(), 0, now=0.5)
    for now, number in enumerate(order, 1):
        known, verdict = numbered(known, number, now=now)
        assert verdict in (Verdict.NEXT, Verdict.AHEAD)
        assert (known.missing is None) == (known.gap_since == 0)
    assert known == Numbers(11)
