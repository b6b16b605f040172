"""Try one thing of the worklist: assess a patient, find whose a resource is, search, or ask for missing events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from adapter.errors import AdapterError, LedgerUnusable, ServerError
from adapter.fhir_server.limits import Clock
from adapter.inbox.events import Arrival, arrivals_of
from adapter.inbox.numbering import Numbers
from adapter.inbox.pacing import Pace
from adapter.inbox.worklist import Ended, Ending, Task, Wish
from adapter.service.intake import CHANGES, MISSING, patient
from adapter.service.surroundings import Assessor, Surroundings

# Until when all changes are known: a search begins there.
CERTAIN_UNTIL = "certain-until"
SEARCHED_AT = "searched-at"
# With more of them missing, a search is the shorter way.
_MOST_EVENTS = 1_000
# What the server was still writing when it answered, and clocks that differ.
_OVERLAP = timedelta(minutes=5)
# The server as a whole does not work; what was tried is not to blame.
_OUTAGES = frozenset({"unreachable", "too-slow", "http-429", "http-502", "http-503", "http-504", "ledger-unusable"})


class Tried(msgspec.Struct, kw_only=True):
    """How a try ended, and what it found beside.

    Attributes:
        ending: In one word, for figures.
        retry: Whether to try again, if the task is not done.
        counts: Whether this try counts; not where another process is at work, or where it is too early.
        reason: Why it is not done, as a code; empty where it is done.
        after: Seconds to wait before the next try or, where news came meanwhile, the next time.
        wishes: What follows.
        marks: What to remember.
        replayed: Past events that the server told of.
        caught_up: The Subscription whose missing events were searched for, and its numbers then; ``None`` if of none.
    """

    ending: str
    retry: bool = True
    counts: bool = True
    reason: str = ""
    after: float = 0
    wishes: tuple[Wish, ...] = ()
    marks: dict[str, str] = {}
    replayed: tuple[Arrival, ...] = ()
    caught_up: tuple[str, Numbers] | None = None

    @property
    def is_outage(self) -> bool:
        """Whether the server as a whole does not work."""
        return self.reason in _OUTAGES


class Known(msgspec.Struct, frozen=True):
    """What is known when a task is tried.

    Attributes:
        certain_until: Until when all changes are known.
        numbers: Of the Subscription that the task is about, if it is about one.
    """

    certain_until: str
    numbers: Numbers = Numbers()


class Trier:
    """Tries tasks; safe for threads, and remembers nothing."""

    def __init__(self, surroundings: Surroundings, assess: Assessor, pace: Pace, clock: Clock) -> None:
        """Take what is asked, how patients are assessed, how long to wait, and the time."""
        self.pace, self.clock = pace, clock
        self._surroundings, self._assess = surroundings, assess

    def tried(self, task: Task, known: Known) -> Tried:
        """Try once; whatever goes wrong is said, and costs no other task."""
        try:
            return self._dispatched(task, known)
        except LedgerUnusable:
            return Tried(ending="failed", reason="ledger-unusable")
        except ServerError as error:
            return Tried(ending="failed", retry=error.may_retry, reason=error.code)
        except AdapterError as error:
            return Tried(ending="failed", retry=False, reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the one place: reported, and the next task follows
            return Tried(ending="fault", reason=f"fault-{type(error).__name__}")

    def _dispatched(self, task: Task, known: Known) -> Tried:
        if task.reference == CHANGES:
            return self._searched(known)
        if task.reference.startswith(MISSING):
            return self._asked(task.reference.removeprefix(MISSING), known)
        if task.reference.startswith("Patient/"):
            return self._assessed(task)
        return self._found(task)

    def _assessed(self, task: Task) -> Tried:
        assessed = self._assess(task.reference)
        return Tried(
            ending=assessed.ending,
            retry=assessed.may_retry or assessed.is_held,
            counts=not assessed.is_held,
            reason="" if assessed.is_done else assessed.reason or assessed.ending,
        )

    def _found(self, task: Task) -> Tried:
        patients = self._surroundings.patients_of(task.reference, task.hint)
        return Tried(ending="found" if patients else "nobody", wishes=self._wishes(patients, task.first))

    def _wishes(self, patients: Iterable[str], first: float) -> tuple[Wish, ...]:
        now = self.clock.now().timestamp()
        return tuple(patient(each, self.pace, first=first, now=now) for each in patients)

    def _searched(self, known: Known) -> Tried:
        """Search for what changed since all changes were known."""
        began = self.clock.now()
        chosen = self._surroundings.changed(datetime.fromisoformat(known.certain_until))
        wishes = self._wishes(chosen.patients, began.timestamp())
        marks = {SEARCHED_AT: str(began.timestamp())}
        if chosen.shortfalls:
            # Not all that changed is known; the next search begins where this one did.
            return Tried(ending="incomplete", reason="search-incomplete", wishes=wishes, marks=marks)
        marks[CERTAIN_UNTIL] = (_earlier(chosen.server_time, began).astimezone(UTC) - _OVERLAP).isoformat()
        return Tried(ending="searched", after=self.pace.search_interval, wishes=wishes, marks=marks)

    def _asked(self, subscription: str, known: Known) -> Tried:
        """Ask for the events that never came; where the server does not keep them, search for what they were about."""
        numbers = known.numbers
        if numbers.missing is None:
            return Tried(ending="arrived")
        left = numbers.gap_since + self.pace.gap - self.clock.now().timestamp()
        if left > 0:
            return Tried(ending="waiting", counts=False, reason="too-early", after=left)
        first, last = numbers.missing
        found = self._surroundings.events(subscription, first, last) if last - first < _MOST_EVENTS else None
        if found is not None and set(range(first, last + 1)) <= {each.number for each in found.events}:
            replayed = arrivals_of(found, subscription=subscription)
            return Tried(ending="replayed", replayed=tuple(replayed))
        searched = self._searched(known)
        searched.caught_up = None if searched.reason else (subscription, numbers)
        return searched


def _earlier(server_time: str, ours: datetime) -> datetime:
    """The earlier of the server's clock and ours; ours where the server's cannot be read."""
    try:
        return min(datetime.fromisoformat(server_time), ours)
    except (ValueError, TypeError):
        return ours


def ended(task: Task, tried: Tried, pace: Pace, *, now: float, random: float, counts: bool) -> Ended:
    """What becomes of a task after a try.

    Args:
        task: The task.
        tried: How the try ended.
        pace: How long to wait and how often to try.
        now: The moment.
        random: A number from 0 to 1, so that many do not come back at once.
        counts: Whether a failure is the task's own.
    """
    is_own = counts and tried.counts
    attempts = task.attempts + is_own
    due = now + tried.after if tried.after else 0
    ending = Ending.DONE
    if tried.reason:
        ending = Ending.LATER if tried.retry and not (is_own and pace.is_exhausted(attempts)) else Ending.DEAD
        due = due or pace.retry(max(attempts, 1), now, random)
    return Ended(
        task=task,
        ending=ending,
        at=now,
        due=due,
        attempts=attempts,
        reason=tried.reason,
        wishes=tried.wishes,
        marks=tried.marks,
    )
