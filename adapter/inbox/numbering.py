"""By their numbers, know which events came, which came twice, and which are missing."""

from __future__ import annotations

from enum import StrEnum

import msgspec

# A jump as far as this is a fault of the sender. It is neither believed nor waited for: what changed is searched for.
FARTHEST_JUMP = 100_000
# So many numbers beyond a gap are kept; with more of them it is no gap to be filled but a reason to search.
_MOST_BEYOND = 1_000


class Verdict(StrEnum):
    """What a number says about its event."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    AHEAD = "ahead"
    RESET = "reset"
    ABSURD = "absurd"


class Numbers(msgspec.Struct, frozen=True):
    """Which events of one Subscription came.

    Attributes:
        highest: The number up to which all came; -1 before anything is known.
        beyond: Higher ones that came all the same, ascending: what lies between is missing.
        told: How many there were at least, as the server says.
        gap_since: When it was first known that something is missing; 0 where nothing is.
    """

    highest: int = -1
    beyond: tuple[int, ...] = ()
    told: int = 0
    gap_since: float = 0

    @property
    def missing(self) -> tuple[int, int] | None:
        """The first and the last number of the nearest gap; ``None`` if nothing is missing."""
        if self.beyond:
            return self.highest + 1, self.beyond[0] - 1
        return (self.highest + 1, self.told) if self.told > self.highest >= 0 else None

    @property
    def newest(self) -> int:
        """The highest number that came."""
        return self.beyond[-1] if self.beyond else self.highest


def numbered(numbers: Numbers, number: int, *, now: float, is_replay: bool = False) -> tuple[Numbers, Verdict]:
    """Take an event by its number; the very same event sent twice does not come so far, the inbox keeps it once.

    Args:
        numbers: What came before.
        number: The event's, from 1.
        now: The moment.
        is_replay: Whether we asked for past events: then a number that came before is no surprise.
    """
    if numbers.highest < 0:
        # The first that is heard of a Subscription. What was before it, a search finds.
        return Numbers(number), Verdict.NEXT
    if number <= numbers.highest or number in numbers.beyond:
        # Another event under a number that was taken: the server counts anew.
        return (numbers, Verdict.DUPLICATE) if is_replay else (Numbers(number), Verdict.RESET)
    if number - numbers.highest > FARTHEST_JUMP or len(numbers.beyond) >= _MOST_BEYOND:
        return numbers, Verdict.ABSURD
    if number > numbers.highest + 1:
        beyond = tuple(sorted((*numbers.beyond, number)))
        return _timed(msgspec.structs.replace(numbers, beyond=beyond), now), Verdict.AHEAD
    highest, later = number, list(numbers.beyond)
    while later and later[0] == highest + 1:
        highest = later.pop(0)
    # The next gap has its own time to wait.
    return _timed(Numbers(highest, tuple(later), numbers.told), now), Verdict.NEXT


def counted(numbers: Numbers, count: int, *, now: float) -> tuple[Numbers, Verdict]:
    """Take how many events the server says there were, which tells of those that never came.

    Args:
        numbers: What came before.
        count: As a heartbeat or a handshake tells; -1 is not told.
        now: The moment.
    """
    if numbers.highest < 0 <= count:
        return Numbers(count), Verdict.NEXT
    if count < 0 or count == numbers.newest:
        return numbers, Verdict.NEXT
    if count < numbers.newest:
        # The server counts anew, or the newest event overtook this: one search answers both.
        return Numbers(count), Verdict.RESET
    if count - numbers.newest > FARTHEST_JUMP:
        return numbers, Verdict.ABSURD
    return _timed(msgspec.structs.replace(numbers, told=max(count, numbers.told)), now), Verdict.AHEAD


def caught_up(numbers: Numbers, asked: Numbers, *, now: float) -> Numbers:
    """The numbers once a search has found what the events were about that were missing when it began.

    Args:
        numbers: As they are by now: what went missing during the search may not be in it.
        asked: As they were when it began.
        now: The moment.
    """
    if numbers.highest < asked.highest:
        # The server has counted anew since.
        return numbers
    highest = max(numbers.highest, asked.newest, asked.told)
    later = [number for number in numbers.beyond if number > highest]
    while later and later[0] == highest + 1:
        highest = later.pop(0)
    return _timed(Numbers(highest, tuple(later), numbers.told), now)


def _timed(numbers: Numbers, now: float) -> Numbers:
    if numbers.missing is None:
        return Numbers(numbers.highest)
    return msgspec.structs.replace(numbers, gap_since=numbers.gap_since or now)
