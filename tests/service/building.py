"""The service in one process, with a clock that stands still and a server that answers at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapter.errors import AdapterError
from adapter.fhir.notifications import Happening, Kind, Notification
from adapter.inbox.events import Arrival, arrivals_of
from adapter.inbox.pacing import Pace
from adapter.inbox.sqlite_inbox import SqliteInbox
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.job.choosing import Chosen
from adapter.service.surroundings import Assessed
from adapter.service.trying import Trier
from adapter.service.working import Worker

SUBSCRIPTION = "Subscription/s"
PACE = Pace(window=5, longest_window=20, search_interval=15, gap=10, first_retry=4, longest_retry=60, tries=3)
WRITTEN = Assessed(ending="written")


class StillClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 6, 15, 8, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def seconds(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def random(self) -> float:
        return 1.0


class Hospital:
    """Everything outside the service: who the patients are, what changed, and what is assessed how."""

    def __init__(self, clock: StillClock) -> None:
        self.clock = clock
        self.owners: dict[str, Sequence[str]] = {}
        self.changes: Chosen | AdapterError = Chosen()
        self.past: Callable[[int, int], Notification | None] | AdapterError = lambda first, last: None
        self.answers: dict[str, list[Assessed | AdapterError]] = {}
        self.assessed: list[str] = []
        self.searches: list[datetime] = []
        self.during_search: Callable[[], object] = lambda: None
        self.asked: list[tuple[str, int, int]] = []
        self.under_way: Counter[str] = Counter()
        self.most_under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    def patients_of(self, reference: str, hint: str) -> Sequence[str]:
        return self.owners.get(reference, ("Patient/one",))

    def changed(self, since: datetime) -> Chosen:
        self.searches.append(since)
        self.during_search()
        if isinstance(self.changes, AdapterError):
            raise self.changes
        return self.changes

    def events(self, subscription: str, first: int, last: int) -> Notification | None:
        self.asked.append((subscription, first, last))
        if isinstance(self.past, AdapterError):
            raise self.past
        return self.past(first, last)

    def assess(self, patient: str) -> Assessed:
        with self._lock:
            self.under_way[patient] += 1
            self.most_under_way[patient] = max(self.most_under_way[patient], self.under_way[patient])
            self.assessed.append(patient)
            waiting = self.answers.get(patient, [])
            answer = waiting.pop(0) if waiting else WRITTEN
            self.under_way[patient] -= 1
        if isinstance(answer, AdapterError):
            raise answer
        return answer


class Ward:
    """A worker with its files, driven by hand; the same folder opened again goes on where it was."""

    def __init__(self, folder: Path, clock: StillClock | None = None, hospital: Hospital | None = None) -> None:
        self.clock = clock or StillClock()
        self.hospital = hospital or Hospital(self.clock)
        self.inbox = SqliteInbox(folder / "inbox.sqlite", clock=lambda: self.clock.seconds())
        self.worklist = SqliteWorklist(folder / "worklist.sqlite")
        self.told: Counter[tuple[str, str]] = Counter()
        trier = Trier(self.hospital, self.hospital.assess, PACE, self.clock)
        self.worker = Worker(self.inbox, self.worklist, trier, sweep=3600, tell=self._tell)

    def _tell(self, what: str, how: str, count: int) -> None:
        self.told[(what, how)] += count

    def begin(self) -> None:
        """Begin as the service does, and let the first search pass."""
        self.worker.begin()
        self.work()
        self.hospital.searches.clear()

    def hear(self, *arrivals: Arrival) -> None:
        self.inbox.store(arrivals)
        self.work()

    def work(self) -> None:
        """Turn until nothing is left to do at this moment."""
        idle = 0
        while idle < 3:
            for _, future in list(self.worker._running.values()):
                future.exception()
            idle = 0 if self.worker.turn() else idle + 1

    def pass_time(self, seconds: float, *, step: float = 1) -> None:
        """Let time pass, working all along."""
        for _ in range(round(seconds / step)):
            self.clock.sleep(step)
            self.work()


def event(number: int, focus: str = "Observation/1", *, kind: Kind = Kind.EVENT, count: int = -1) -> Arrival:
    """An event of the Subscription."""
    happening = Happening(focus, number, f"t{number}")
    told = Notification(kind=kind, subscription=SUBSCRIPTION, count=count, events=(happening,))
    return arrivals_of(told, subscription=SUBSCRIPTION)[0]


def sign(kind: Kind, count: int) -> Arrival:
    """A handshake or a heartbeat."""
    return arrivals_of(Notification(kind=kind, subscription=SUBSCRIPTION, count=count), subscription=SUBSCRIPTION)[0]


def ping() -> Arrival:
    """An empty notification of the classic rest-hook."""
    return arrivals_of(Notification(kind=Kind.PING), subscription="")[0]


def past(events: Mapping[int, str]) -> Callable[[int, int], Notification]:
    """A server that keeps past events."""

    def answer(first: int, last: int) -> Notification:
        found = tuple(Happening(focus, number) for number, focus in events.items() if first <= number <= last)
        return Notification(kind=Kind.QUERY_EVENT, subscription=SUBSCRIPTION, events=found)

    return answer


def failing(reason: str = "http-500", **more: Any) -> Assessed:
    return Assessed(ending="failed", is_done=False, may_retry=True, reason=reason, **more)
