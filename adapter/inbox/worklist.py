"""What is to be done: each thing once, however often we were told; nothing is forgotten before it is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from adapter.inbox.numbering import Numbers


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done, of which there is news.

    Attributes:
        reference: ``Patient/1`` to assess, another resource to find the patient of, or a search.
        first: When there was news first.
        due: When to do it.
        delay: For how many seconds since the first news further news may put it off; 0 if they may not.
        hint: ``Patient/1`` to fall back on where the resource is gone.
    """

    reference: str
    first: float
    due: float
    delay: float = 0
    hint: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done, as it stands in the worklist.

    Attributes:
        news: How often there was news of it; more after than before means that it must be done again.
        attempts: How many tries failed.
        tried_at: When the last of them ended.
        reason: Why it did, as a code.
    """

    reference: str
    hint: str
    first: float
    due: float
    news: int
    attempts: int
    tried_at: float
    reason: str


class Ending(StrEnum):
    """How a try ended."""

    DONE = "done"
    LATER = "later"
    DEAD = "dead"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task.

    Attributes:
        due: When to try again; or, where it is done and there was news meanwhile, before when not to do it again.
        attempts: How many tries failed by now.
        reason: Why, as a code.
        wishes: What follows from it.
        marks: What is to be remembered with it.
    """

    task: Task
    ending: Ending
    at: float
    due: float = 0
    attempts: int = 0
    reason: str = ""
    wishes: tuple[Wish, ...] = ()
    marks: Mapping[str, str] = {}


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one Subscription.

    Attributes:
        reference: ``Subscription/1``; empty for what came by the classic rest-hook, which does not say.
        status: As last told.
        heard_at, event_at: When we last heard of it at all, and of an event; 0 is never.
        duplicates, gaps, resets: How often events were sent again, were missing, and were counted anew.
    """

    reference: str
    numbers: Numbers = Numbers()
    status: str = ""
    heard_at: float = 0
    event_at: float = 0
    duplicates: int = 0
    gaps: int = 0
    resets: int = 0


class Turn(msgspec.Struct, kw_only=True):
    """What changes at once: events taken in, what they lead to, and tries that ended.

    Attributes:
        cursor: The last event taken in; -1 leaves it as it is.
    """

    cursor: int = -1
    wishes: list[Wish] = []
    watched: list[Watched] = []
    ended: list[Ended] = []
    marks: dict[str, str] = {}


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was given up until a person decides."""

    id: int
    reference: str
    reason: str
    attempts: int
    first: float
    at: float


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided what about a letter, and when."""

    at: float
    who: str
    action: str
    reference: str
    reason: str


class Worklist(Protocol):
    """Keeps what is to be done; written by one worker, and by the operator who replays or drops a letter."""

    def cursor(self) -> int:
        """The last event that was taken in."""
        ...

    def mark(self, name: str) -> str:
        """What was remembered under a name; empty if nothing was."""
        ...

    def commit(self, turn: Turn) -> None:
        """Change all of it at once, safe from the loss of power.

        Raises:
            InboxUnusable: Nothing was changed.
        """
        ...

    def due(self, now: float, *, most: int, but: Collection[str] = ()) -> list[Task]:
        """What is due, longest first, except some that are under way."""
        ...

    def counts(self) -> tuple[int, int, float]:
        """How many tasks there are, how many letters, and when there was first news of the oldest task; 0 if none."""
        ...

    def watched(self) -> list[Watched]:
        """All Subscriptions that are known."""
        ...

    def letters(self) -> list[Letter]:
        """What was given up, oldest first."""
        ...

    def replay(self, ids: Sequence[int], *, who: str, now: float) -> int:
        """Put letters back among the tasks, due at once; how many there were."""
        ...

    def drop(self, ids: Sequence[int], *, who: str, now: float) -> int:
        """Throw letters away; how many there were."""
        ...

    def notes(self) -> list[Note]:
        """Who decided what, oldest first."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
