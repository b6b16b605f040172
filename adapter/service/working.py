"""Do what the inbox asks for, without end: take in what came, try what is due, settle what was tried."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import msgspec

from adapter.errors import InboxUnusable
from adapter.inbox.events import Inbox
from adapter.inbox.numbering import Numbers, caught_up
from adapter.inbox.pacing import Outage
from adapter.inbox.worklist import Ended, Ending, Task, Turn, Watched, Wish, Worklist
from adapter.service.intake import CHANGES, MISSING, Moment, search, taken_in
from adapter.service.trying import CERTAIN_UNTIL, SEARCHED_AT, Known, Tried, Trier, ended

_TAKEN_AT_ONCE = 500
# So many are handed out ahead for each thread that none waits for the next turn.
_AHEAD = 16
_LOOK_EVERY = 0.25
# Between two turns, so that a commit settles several things.
_GATHER_SECONDS = 0.005
_PAUSE_AFTER_FAULT = 1.0


class Worker:
    """One thread that keeps the worklist, and a few that try; nothing else writes the worklist but the operator."""

    def __init__(
        self,
        inbox: Inbox,
        worklist: Worklist,
        trier: Trier,
        *,
        width: int = 4,
        sweep: float = 3600,
        tell: Callable[[str, str, int], None] = lambda what, how, count: None,
    ) -> None:
        """Take where events come from, what is to be done, and who tries it.

        Args:
            inbox: Read, never written.
            worklist: Written by this worker alone.
            trier: Does one thing.
            width: How many things to try at a time.
            sweep: After how many seconds without a search to search all the same, for what nobody told us.
            tell: Is told what happened: ``event``, ``task`` or ``letter``, of which kind, and how often.
        """
        self._inbox, self._worklist, self._trier = inbox, worklist, trier
        self._pace, self._clock = trier.pace, trier.clock
        self._width, self._sweep, self._tell = width, sweep, tell
        self._cursor = worklist.cursor()
        self._watched = {each.reference: each for each in worklist.watched()}
        self._searched_at = float(worklist.mark(SEARCHED_AT) or 0)
        self._outage = Outage()
        self._running: dict[str, tuple[Task, Future[Tried]]] = {}
        self._pool = ThreadPoolExecutor(width, thread_name_prefix="patient")
        self._awake = threading.Event()
        self.fault = ""
        self.turned_at = self._now()

    def wake(self) -> None:
        """There is news."""
        self._awake.set()

    def begin(self) -> None:
        """Remember since when all changes are known, and search for what happened while nobody listened."""
        now = self._clock.now()
        marks = {} if self._worklist.mark(CERTAIN_UNTIL) else {CERTAIN_UNTIL: (now - timedelta(minutes=5)).isoformat()}
        wish = Wish(reference=CHANGES, first=now.timestamp(), due=now.timestamp())
        self._worklist.commit(Turn(wishes=[wish], marks=marks))

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; then finish what is under way."""
        try:
            while not stop.is_set():
                busy = self.turn()
                if busy:
                    stop.wait(_GATHER_SECONDS)
                else:
                    self._awake.wait(_LOOK_EVERY)
                self._awake.clear()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self.turn(start=False)

    def turn(self, *, start: bool = True) -> bool:
        """Take in, settle and start once; whether there was anything to do."""
        now = self._now()
        try:
            busy = self._kept(now)
            if start:
                busy = self._started(now) or busy
        except InboxUnusable as error:
            # Nothing was changed: the events are still in the inbox, and what was tried is settled next time.
            return self._paused(str(error))
        except Exception as error:  # noqa: BLE001 - the one place: shown to the operator, and the next turn follows
            return self._paused(f"fault of the adapter: {type(error).__name__}")
        self.fault, self.turned_at = "", self._now()
        return busy

    def _paused(self, fault: str) -> bool:
        self.fault = fault
        self._awake.wait(_PAUSE_AFTER_FAULT)
        return False

    def _kept(self, now: float) -> bool:
        """Commit what came and what was tried, together."""
        moment = self._moment()
        tried = [(task, _result(each)) for task, each in self._running.values() if each.done()]
        events = self._inbox.after(self._cursor, most=_TAKEN_AT_ONCE)
        replayed = [event for _, each in tried for event in each.replayed]
        if not events and not tried and not self._is_time_to_sweep(moment):
            return False
        intake = taken_in([*replayed, *events], self._watched, self._pace, moment)
        watched = {**self._watched, **intake.watched}
        turn = Turn(cursor=events[-1].id if events else -1, wishes=intake.wishes)
        for task, each in tried:
            turn.ended.append(self._ended(task, each, now))
            name, asked = each.caught_up or ("", Numbers())
            if name in watched:
                numbers = caught_up(watched[name].numbers, asked, now=now)
                watched[name] = msgspec.structs.replace(watched[name], numbers=numbers)
        turn.wishes += _still_missing([each for _, each in tried], watched, now)
        if self._is_time_to_sweep(moment):
            turn.wishes.append(search(self._pace, moment))
            turn.marks[SEARCHED_AT] = str(now)
        turn.watched = [each for name, each in watched.items() if each != self._watched.get(name)]
        self._worklist.commit(turn)
        self._after(turn, watched, tried, intake.tally)
        return True

    def _after(
        self, turn: Turn, watched: dict[str, Watched], tried: list[tuple[Task, Tried]], tally: Counter[str]
    ) -> None:
        """Remember what was committed, and tell of it."""
        self._watched, self._cursor = watched, max(self._cursor, turn.cursor)
        self._searched_at = float(turn.marks.get(SEARCHED_AT, self._searched_at))
        for ending in turn.ended:
            self._searched_at = float(ending.marks.get(SEARCHED_AT, self._searched_at))
            if ending.ending is Ending.DEAD:
                self._tell("letter", ending.reason, 1)
        for task, each in tried:
            del self._running[task.reference]
            self._tell("task", each.ending, 1)
        for kind, count in tally.items():
            self._tell("event", kind, count)

    def _ended(self, task: Task, tried: Tried, now: float) -> Ended:
        counts = not tried.is_outage or self._outage.counts(task.tried_at)
        if tried.is_outage:
            self._outage.failed(now)
        elif tried.counts:
            self._outage.answered(now)
        return ended(task, tried, self._pace, now=now, random=self._clock.random(), counts=counts)

    def _started(self, now: float) -> bool:
        """Hand out what is due, each thing once at a time."""
        slots = self._outage.slots(now, self._width * _AHEAD) - len(self._running)
        if slots <= 0:
            return False
        tasks = self._worklist.due(now, most=slots, but=self._running.keys())
        certain_until = self._worklist.mark(CERTAIN_UNTIL) if tasks else ""
        for task in tasks:
            watched = self._watched.get(task.reference.removeprefix(MISSING))
            known = Known(certain_until, watched.numbers if watched else Numbers())
            future = self._pool.submit(self._trier.tried, task, known)
            self._running[task.reference] = (task, future)
            future.add_done_callback(lambda _: self._awake.set())
        return bool(tasks)

    def _is_time_to_sweep(self, moment: Moment) -> bool:
        return bool(moment.searched_at) and moment.now - moment.searched_at > self._sweep

    def _moment(self) -> Moment:
        return Moment(self._now(), self._searched_at)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _result(future: Future[Tried]) -> Tried:
    """What a try gave; one that was never begun is tried again next time."""
    if future.cancelled():
        return Tried(ending="stopped", counts=False, reason="stopped", after=0.001)
    return future.result()


def _still_missing(tried: list[Tried], watched: dict[str, Watched], now: float) -> list[Wish]:
    """The wish to ask again where an answer left another gap."""
    asked = {event.subscription for each in tried for event in each.replayed}
    asked |= {each.caught_up[0] for each in tried if each.caught_up}
    return [
        Wish(reference=f"{MISSING}{name}", first=now, due=now)
        for name in sorted(asked)
        if name in watched and watched[name].numbers.missing is not None
    ]
