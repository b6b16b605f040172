"""Questions with three answers: yes, no, and what the record leaves open (``None``)."""

from __future__ import annotations

from collections.abc import Iterable

Answer = bool | None


def any_of(answers: Iterable[Answer]) -> Answer:
    """Yes if one answer is yes, open if one of the others is open, else no."""
    is_open = False
    for answer in answers:
        if answer:
            return True
        is_open = is_open or answer is None
    return None if is_open else False


def all_of(answers: Iterable[Answer]) -> Answer:
    """No if one answer is no, open if one of the others is open, else yes."""
    is_open = False
    for answer in answers:
        if answer is False:
            return False
        is_open = is_open or answer is None
    return None if is_open else True


def negated(answer: Answer) -> Answer:
    """The opposite; what is open stays open."""
    return None if answer is None else not answer
