"""What an operator needs to see at a glance, as values: nothing here knows HTML, and nothing the clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapter.inbox.worklist import Letter, Note, Watched
from adapter.ledger.entries import Entry

# A server that promised a sign of life every minute may be late once.
_LATE_BEATS = 2.5


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the service at one moment.

    Attributes:
        server: The base address it works for.
        now: The moment, in seconds of the clock; every other moment is on the same scale.
        heartbeat: Seconds between two signs of life of a Subscription; 0 where none was asked for.
        faults: Why notifications are not stored or not worked off; nothing where they are.
        watched: The Subscriptions that are known.
        waiting: Notifications stored and not yet taken up.
        oldest: When the oldest of these came; 0 if there is none.
        tasks: Patients and searches that are to be done.
        letters: What was given up until a person decides.
        notes: Who decided what.
        last: The assessments recorded last, newest first.
    """

    server: str
    now: float
    heartbeat: float = 0
    faults: Sequence[str] = ()
    watched: Sequence[Watched] = ()
    waiting: int = 0
    oldest: float = 0
    tasks: int = 0
    letters: Sequence[Letter] = ()
    notes: Sequence[Note] = ()
    last: Sequence[Entry] = ()

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to do anything."""
        is_unheard = any(self.is_silent(each) or self.is_off(each) for each in self.watched)
        return not (self.faults or self.letters or is_unheard)

    def is_silent(self, watched: Watched) -> bool:
        """Whether a Subscription that promised signs of life has given none for too long."""
        return is_overdue(watched, heartbeat=self.heartbeat, now=self.now)

    def is_off(self, watched: Watched) -> bool:
        """Whether the server says that it no longer notifies."""
        return watched.status in ("off", "error", "entered-in-error")


def is_overdue(watched: Watched, *, heartbeat: float, now: float) -> bool:
    """Whether more than two signs of life of a Subscription did not come."""
    return bool(
        heartbeat and watched.reference and watched.heard_at and now - watched.heard_at > _LATE_BEATS * heartbeat
    )
