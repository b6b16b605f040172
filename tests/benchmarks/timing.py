"""Time rivals against each other: interleaved rounds in one run, so that a busy machine slows all of them alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import NamedTuple

Rivals = Mapping[str, Callable[[], object]]
Seconds = dict[str, list[float]]


class Goal(NamedTuple):
    """How one rival is to compare with another.

    Attributes:
        what: The promise, as the table says it.
        dividend: The rival whose time is divided.
        divisor: The rival it is divided by.
        target: The bound of the ratio.
        at_least: Whether the ratio is to reach the bound, instead of staying within it.
    """

    what: str
    dividend: str
    divisor: str
    target: float
    at_least: bool = False

    def ratio(self, seconds: Seconds) -> float:
        """The median over the rounds of the ratio within each round."""
        rounds = zip(seconds[self.dividend], seconds[self.divisor], strict=True)
        return median(ours / theirs for ours, theirs in rounds)

    def is_met(self, ratio: float) -> bool:
        """Whether the ratio keeps the promise."""
        return ratio >= self.target if self.at_least else ratio <= self.target


def raced(rivals_of: Callable[[int], Rivals], *, rounds: int, clock: Callable[[], float] = perf_counter) -> Seconds:
    """Seconds of every rival in every round, after one round that does not count.

    Args:
        rivals_of: The rivals of a round; by its number they can have data that no cache has seen.
        rounds: How many rounds count.
        clock: What tells seconds: the time that passes, or the processor time of this process, which others that
            are at work on the same machine disturb less.
    """
    seconds: Seconds = {}
    for number in range(rounds + 1):
        for name, run in rivals_of(number).items():
            gc.collect()
            start = clock()
            run()
            seconds.setdefault(name, []).append(clock() - start)
    return {name: each[1:] for name, each in seconds.items()}
