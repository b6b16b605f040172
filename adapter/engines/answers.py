"""Questions with three answers: yes, no, and what the record leaves open (``None``)."""

from __future__ import annotations

from collections.abc import Iterable

Answer = bool | None


def any_of(answers: Iterable[Answer]) -> Answer:
    """Yes if one answer is yes, open if one of the others is open, else no."""
    given = set(answers)
    if True in given:
        return True
    return None if None in given else False


def all_of(answers: Iterable[Answer]) -> Answer:
    """No if one answer is no, open if one of the others is open, else yes."""
    given = set(answers)
    if False in given:
        return False
    return None if None in given else True


def negated(answer: Answer) -> Answer:
    """The opposite; what is open stays open."""
    return None if answer is None else not answer
