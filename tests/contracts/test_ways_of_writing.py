"""Which way is chosen, and what a refusal means: decided over values alone."""

from __future__ import annotations

import pytest

from adapter.errors import ServerError
from adapter.fhir_server.capabilities import Capabilities, TypeCapabilities
from adapter.fhir_server.writing_back_ways import (
    Habits,
    Manner,
    Next,
    after,
    expected_way,
    looks_itself,
    manners,
    transaction_manner,
)

PUT, CONDITIONAL, SEARCH = Manner.PUT, Manner.CONDITIONAL, Manner.SEARCH


@pytest.mark.parametrize(
    ("update_create", "conditional_create", "is_searchable", "expected"),
    [
        (True, True, True, (PUT, CONDITIONAL, SEARCH)),
        (True, False, True, (PUT, SEARCH)),
        (True, None, False, (PUT,)),
        (False, True, True, (CONDITIONAL, SEARCH)),
        (False, True, False, (CONDITIONAL,)),
        (False, False, True, (SEARCH,)),
        (False, None, False, ()),
        (None, None, True, (CONDITIONAL, PUT, SEARCH)),
        (None, None, False, (PUT,)),
    ],
)
def test_the_surest_manner_comes_first(
    update_create: bool | None, conditional_create: bool | None, is_searchable: bool, expected: tuple[Manner, ...]
) -> None:
    """A1.13, A1.15"""
    said = TypeCapabilities(update_create=update_create, conditional_create=conditional_create)
    assert manners(said, worked=None, is_searchable=is_searchable) == expected


def test_what_worked_before_comes_before_what_is_said() -> None:
    """A1.22"""
    said = TypeCapabilities(update_create=True, conditional_create=True)
    assert manners(said, worked=SEARCH, is_searchable=True) == (SEARCH, PUT, CONDITIONAL)


def test_no_transaction_where_the_server_says_or_showed_that_it_takes_none() -> None:
    """A1.19"""
    assert _transactions(Habits(), Capabilities(transaction=False)) == []
    assert _transactions(Habits(refuses_transactions=True), Capabilities(transaction=True)) == []


def test_a_bare_post_is_never_part_of_a_transaction() -> None:
    """A1.17"""
    says_no = TypeCapabilities(update_create=False, conditional_create=False)
    assert _transactions(Habits(), Capabilities(transaction=True, types={"RiskAssessment": says_no})) == []
    assert _transactions(Habits(), Capabilities()) == [CONDITIONAL, PUT]
    assert _transactions(Habits(transaction=PUT), Capabilities()) == [PUT, CONDITIONAL]


@pytest.mark.parametrize(
    ("manner", "conditional_create", "expected"),
    [(CONDITIONAL, True, True), (CONDITIONAL, None, False), (CONDITIONAL, False, False), (PUT, True, False)],
)
def test_only_a_promise_spares_us_looking_first(
    manner: Manner, conditional_create: bool | None, expected: bool
) -> None:
    assert looks_itself(TypeCapabilities(conditional_create=conditional_create), manner) is expected


@pytest.mark.parametrize(
    ("transaction", "update_create", "expected"),
    [
        (True, True, ("transaction", PUT)),
        (None, None, ("transaction", CONDITIONAL)),
        (False, True, ("one by one", PUT)),
        (False, None, ("one by one", CONDITIONAL)),
    ],
)
def test_what_will_be_tried_first_can_be_told_beforehand(
    transaction: bool | None, update_create: bool | None, expected: tuple[str, Manner]
) -> None:
    types = {"RiskAssessment": TypeCapabilities(update_create=update_create)}
    assert expected_way(Capabilities(transaction=transaction, types=types)) == expected


def _transactions(habits: Habits, capabilities: Capabilities) -> list[Manner]:
    tried: list[Manner] = []
    while manner := transaction_manner(habits, capabilities, "RiskAssessment", tried=tried):
        tried.append(manner)
    return tried


@pytest.mark.parametrize(
    ("statuses", "may_retry", "expected"),
    [
        ((400, 404, 405, 501), False, Next.ANOTHER_WAY),
        ((409, 412, 413), False, Next.LOOK),
        ((0, 408, 500, 502, 504), True, Next.LOOK),
        ((429, 503, 423, 400), True, Next.STOP),
        ((401, 403, 406, 410, 415, 422, 428), False, Next.STOP),
    ],
)
def test_each_refusal_has_one_meaning(statuses: tuple[int, ...], may_retry: bool, expected: Next) -> None:
    """A1.20"""
    for status in statuses:
        error = ServerError("refused", code=f"http-{status}", status=status, may_retry=may_retry)
        assert after(error) is expected, status
