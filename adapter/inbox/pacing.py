"""When to work on what: gather a panel, wait longer after each failure, and give up in the end."""

from __future__ import annotations

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long to gather, to wait and to try.

    Attributes:
        window: Seconds without news of a patient before the assessment: time for a panel to arrive.
        longest_window: The most seconds that news after news may delay it.
        search_interval: The fewest seconds between two searches for what changed.
        gap: Seconds to wait for a missing event before asking for it.
        first_retry, longest_retry: Seconds before the second try, and the most between two.
        tries: How often to try before a person must look.
    """

    window: float = 5
    longest_window: float = 60
    search_interval: float = 15
    gap: float = 10
    first_retry: float = 5
    longest_retry: float = 900
    tries: int = 8

    def due(self, first: float, now: float) -> float:
        """When to assess a patient of whom there is news now, and was first at some moment before."""
        return max(now, min(now + self.window, first + self.longest_window))

    def retry(self, attempts: int, now: float, random: float) -> float:
        """When to try again after so many attempts; the random number from 0 to 1 keeps many from coming at once."""
        wait: float = min(self.first_retry * 2.0 ** min(attempts - 1, 30), self.longest_retry)
        return now + wait * (0.5 + random / 2)

    def is_exhausted(self, attempts: int) -> bool:
        """Whether it was tried often enough."""
        return attempts >= self.tries


class Outage(msgspec.Struct):
    """Whether the server answers at all: while it does not, one try at a time finds out, and none counts.

    Attributes:
        answered_at: When it last did.
        failures: How many tries since met no server.
        until: Before this moment it is left alone.
    """

    answered_at: float = 0
    failures: int = 0
    until: float = 0

    def answered(self, now: float) -> None:
        """The server did something for us."""
        self.answered_at, self.failures, self.until = now, 0, 0

    def failed(self, now: float, *, longest: float = 60) -> None:
        """The server could not be reached, or was not able to do anything."""
        self.failures += 1
        self.until = now + min(longest, 2.0 ** min(self.failures - 1, 10))

    def slots(self, now: float, width: int) -> int:
        """How many tries may be under way."""
        if not self.failures:
            return width
        return 1 if now >= self.until else 0

    def counts(self, tried_before: float) -> bool:
        """Whether a failed try is the patient's own: the server did work for others since the try before."""
        return self.answered_at > tried_before
