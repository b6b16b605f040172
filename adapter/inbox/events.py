"""What the inbox keeps of a notification: who speaks, about what, and which event it is. No clinical content."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

import msgspec

from adapter.fhir.notifications import Happening, Kind, Notification

# How the key of an event ends that says no more of itself than its number.
_UNDATED = "?"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is to be kept.

    Attributes:
        key: What the very same event has in common with itself; empty where nothing tells.
        kind: Of the notification.
        subscription: ``Subscription/1``; empty for the classic rest-hook.
        number: Of the event; 0 where events are not counted.
        count: How many events the server says there were; -1 if it does not.
        focus: ``Observation/1``; empty where the server tells no more than that something changed.
        hint: ``Patient/1`` where the notification named one; not believed unless there is nothing else to ask.
        status: Of the Subscription, if it was told.
    """

    key: str
    kind: Kind
    subscription: str = ""
    number: int = 0
    count: int = -1
    focus: str = ""
    hint: str = ""
    status: str = ""

    @property
    def may_be_another(self) -> bool:
        """Whether an event with the same key may be another one: a server that counts anew uses its numbers again."""
        return self.key.endswith(_UNDATED)


class Kept(Arrival, frozen=True, kw_only=True):
    """One event as it was kept.

    Attributes:
        id: Ascending in the order of arrival, never used twice.
        at: When it arrived, in seconds of the clock.
    """

    id: int
    at: float


class Inbox(Protocol):
    """Keeps events until they are done; one process puts them in, another may take them out."""

    def store(self, arrivals: Sequence[Arrival]) -> int:
        """Keep all of them, safe from the loss of power, or none; how many were not kept before.

        Where one was kept before that may be another, a search for changes is kept in its place.

        Raises:
            InboxUnusable: They could not be stored.
        """
        ...

    def after(self, cursor: int, *, most: int) -> list[Kept]:
        """The events after one of them, oldest first."""
        ...

    def waiting(self, cursor: int) -> tuple[int, float]:
        """How many events came after one of them, and when the oldest of these arrived; 0 if there is none."""
        ...

    def prune(self, cursor: int) -> int:
        """Forget events up to this one, except as many as are needed to know repetitions; how many were forgotten."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def arrivals_of(notification: Notification, *, subscription: str) -> list[Arrival]:
    """What to keep of a notification; one arrival at least, for what holds no event is a sign of life.

    Args:
        notification: Its references are known to be the configured server's.
        subscription: ``Subscription/1``.
    """
    return [_arrival(notification, subscription, each) for each in notification.events or (Happening(),)]


def _arrival(told: Notification, subscription: str, event: Happening) -> Arrival:
    focus = local(event.focus)
    patients = (each for each in map(local, event.context) if each.startswith("Patient/"))
    return Arrival(
        key=_key(told.kind, subscription, focus, event),
        kind=told.kind,
        subscription=subscription,
        number=event.number,
        count=told.count,
        focus=focus,
        hint=next(patients, ""),
        status=told.status,
    )


def local(reference: str) -> str:
    """``Type/id`` of a reference, without its base and version."""
    kind, _, id_ = reference.partition("/_history/")[0].rpartition("/")
    return f"{kind.rpartition('/')[2]}/{id_}" if kind else ""


def _key(kind: Kind, subscription: str, focus: str, event: Happening) -> str:
    """Equal for the same event sent again. What says nothing of its version or number is never taken for a repetition.

    A number alone is not enough: a server that counts anew uses it for another event. Where nothing else is told, the
    key says so.
    """
    if not event.number and not (kind is Kind.CHANGED and event.version):
        return ""
    told = "\n".join((kind, subscription, str(event.number), focus, event.version))
    key = f"{subscription}#{event.number}#{sha256(told.encode()).hexdigest()[:32]}"
    return key if event.version else key + _UNDATED
