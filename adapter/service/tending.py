"""Ask after Subscriptions that fell silent, and have those that were switched off live again; lose nothing between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from adapter.errors import InboxUnusable, ServerError
from adapter.fhir.notifications import Kind, Notification, read_answer
from adapter.fhir.standing import object_in
from adapter.fhir.subscriptions import renewed
from adapter.fhir_server.client import FhirServer
from adapter.inbox.events import Arrival, Inbox
from adapter.inbox.worklist import Watched
from adapter.service.board import is_overdue
from adapter.service.subscribing import put

_DEAD = frozenset({"off", "error"})
_RENEWED_BEFORE = timedelta(days=2)
# One that dies again each time is brought back ever more seldom: something else is wrong with it.
_LONGEST_REST = timedelta(hours=1)


class Tending(msgspec.Struct, frozen=True, kw_only=True):
    """How Subscriptions are tended.

    Attributes:
        heartbeat: Seconds between two signs of life that were asked for; 0 asks after nobody.
        every: Seconds between two looks.
        life: How long a Subscription lives from each renewal.
        named: Subscriptions that the operator names. Those of the classic rest-hook are known by this alone, for their
            notifications do not say whose they are.
    """

    heartbeat: float = 60
    every: float = 30
    life: timedelta = timedelta(days=30)
    named: tuple[str, ...] = ()


class Caretaker:
    """Looks after the Subscriptions that are known; what it learns goes through the inbox like any notification."""

    def __init__(
        self,
        server: FhirServer,
        inbox: Inbox,
        watched: Callable[[], Sequence[Watched]],
        tending: Tending,
        *,
        tell: Callable[[str, str, int], None] = lambda what, how, count: None,
    ) -> None:
        """Take whom to ask, where to put what it says, and which Subscriptions there are.

        Args:
            server: The configured server.
            inbox: Takes what the server answers, so that one worker alone decides what follows.
            watched: The Subscriptions that are known by now.
            tending: How often, and for how long.
            tell: Is told what happened, without anything about a patient.
        """
        self._server, self._inbox, self._watched = server, inbox, watched
        self._tending, self._tell = tending, tell
        self._rests: dict[str, tuple[datetime, timedelta]] = {}

    def run(self, stop: threading.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.wait(self._tending.every):
            self.look()

    def look(self) -> None:
        """Ask after each Subscription that needs it; a server that does not answer is asked next time."""
        now = self._server.clock.now()
        heard = {each.reference: each for each in self._watched() if each.reference}
        for each in ({name: Watched(reference=name) for name in self._tending.named} | heard).values():
            try:
                self._look_at(each, now)
            except (ServerError, InboxUnusable):
                self._tell("tending", "failed", 1)

    def _look_at(self, watched: Watched, now: datetime) -> None:
        is_silent = is_overdue(watched, heartbeat=self._tending.heartbeat, now=now.timestamp())
        if is_silent or watched.status in _DEAD:
            self._asked_after(watched, now)
            return
        self._rests.pop(watched.reference, None)
        if now.minute * 60 + now.second < self._tending.every * 2:
            # About once an hour, for servers switch off and end Subscriptions without a word.
            self._looked_up(watched, now)

    def _looked_up(self, watched: Watched, now: datetime) -> None:
        subscription = self._subscription(watched.reference)
        if subscription is None:
            self._tell("tending", "gone", 1)
        elif subscription.get("status") in _DEAD:
            self._recovered(watched, now)
        elif _ends_soon(subscription, now):
            self._revived(watched, now, "renewed")

    def _asked_after(self, watched: Watched, now: datetime) -> None:
        """What the server says of it: its events may have gone on without us, and it may be switched off."""
        told = self._status(watched.reference)
        if told is None:
            self._tell("tending", "gone", 1)
            return
        self._inbox.store([_heard(watched, told)])
        self._tell("tending", told.status or "silent", 1)
        if told.status in _DEAD:
            self._recovered(watched, now)
        else:
            self._rests.pop(watched.reference, None)

    def _recovered(self, watched: Watched, now: datetime) -> None:
        """First make safe that what was missed will be searched for; only then ask for new notifications."""
        self._inbox.store([Arrival(key="", kind=Kind.PING)])
        until, rest = self._rests.get(watched.reference, (now, timedelta(seconds=self._tending.every)))
        if now >= until:
            self._rests[watched.reference] = (now + rest, min(rest * 2, _LONGEST_REST))
            self._revived(watched, now, "reactivated")

    def _status(self, reference: str) -> Notification | None:
        """By ``$status``, else by the Subscription itself; ``None`` where it is gone."""
        try:
            answer = read_answer(self._server.send("GET", f"{reference}/$status").body)
            if isinstance(answer, Notification):
                return answer
        except ServerError as error:
            if error.may_retry:
                raise
        subscription = self._subscription(reference)
        if subscription is None:
            return None
        return Notification(kind=Kind.QUERY_STATUS, status=str(subscription.get("status", "")))

    def _revived(self, watched: Watched, now: datetime, how: str) -> None:
        subscription = self._subscription(watched.reference)
        if subscription is not None:
            end = (now + self._tending.life).isoformat(timespec="seconds") if subscription.get("end") else ""
            put(self._server, renewed(subscription, end=end))
            self._tell("tending", how, 1)

    def _subscription(self, reference: str) -> Mapping[str, Any] | None:
        answer = self._server.read(reference)
        return None if answer is None else object_in(answer.body)


def _ends_soon(subscription: Mapping[str, Any], now: datetime) -> bool:
    try:
        end = subscription.get("end")
        return bool(end) and _moment(str(end)) - now < _RENEWED_BEFORE
    except ValueError:
        return False


def _heard(watched: Watched, told: Notification) -> Arrival:
    return Arrival(key="", kind=Kind.QUERY_STATUS, subscription=watched.reference, count=told.count, status=told.status)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
