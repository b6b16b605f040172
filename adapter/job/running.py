"""Many patients: several at a time, counted, and able to stop between two of them."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import msgspec

from adapter.errors import LedgerUnusable
from adapter.job.endings import Done, Ending

# So many wait for a worker that none is ever idle, and no more: a list of all patients stays a list of ids.
_WAITING_FOR_EACH = 2
# So many failures of the server without a success between them, for each worker: it is gone, and the rest would wait
# through every retry for nothing.
_FAILURES_IN_A_ROW = 3
# So many that another process holds wait at most for another turn, and so often all that are left at the end.
_MOST_HELD = 100
_TURNS, _SECONDS_BETWEEN = 10, 0.2
_Given = TypeVar("_Given")
_MISSING = (Ending.MISSING, Ending.INCOMPLETE, Ending.FAILED, Ending.FAULT, Ending.ELSEWHERE)


class Tally(msgspec.Struct):
    """What became of the patients of a run.

    Attributes:
        endings: How many ended how.
        undetermined: How many could not be placed in a stratum.
        unread: How many entries could not be read at all.
        foreign: How many entries were left out, since they are somebody else's.
        retracted: How many earlier assessments were taken back.
        reasons: How often what went wrong.
        noticed: Of how many patients what went otherwise than planned at the server.
        failures_in_a_row: How many patients ended last by a failure of the server that time may mend.
        stopped: Whether the run was stopped before its end.
        shortfalls: What of the patients could not be listed.
        not_offered: The types of context that the server does not offer.
        moved_watermark: Whether the next run may go on from where this one began.
    """

    endings: Counter[Ending] = msgspec.field(default_factory=Counter)
    undetermined: int = 0
    unread: int = 0
    foreign: int = 0
    retracted: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    noticed: Counter[str] = msgspec.field(default_factory=Counter)
    failures_in_a_row: int = 0
    stopped: bool = False
    shortfalls: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()
    moved_watermark: bool = False

    @property
    def patients(self) -> int:
        """How many patients came to an end."""
        return self.endings.total()

    @property
    def is_incomplete(self) -> bool:
        """Whether something is missing on the server, or was missing there when it was asked for."""
        return self.stopped or bool(self.shortfalls) or any(self.endings[each] for each in _MISSING)

    @property
    def is_open(self) -> bool:
        """Whether something could not be read, or somebody could not be assessed."""
        return bool(self.undetermined or self.unread or self.endings[Ending.REFUSED])

    def add(self, done: Done) -> None:
        """Count one patient."""
        self.endings[done.ending] += 1
        self.undetermined += done.is_undetermined
        self.unread += done.unread
        self.foreign += done.foreign
        self.retracted += len(done.retracted)
        self.noticed.update({problem.code.value for problem in done.problems})
        self.reasons.update([done.reason] if done.reason else [])
        is_failure = done.ending is Ending.FAILED and done.may_retry
        self.failures_in_a_row = self.failures_in_a_row + 1 if is_failure else 0


def run(
    do: Callable[[_Given], Done],
    patients: Iterable[_Given],
    *,
    workers: int,
    tell: Callable[[Done], None],
    stop: threading.Event,
) -> Tally:
    """Do every patient; one that fails costs no other, and one that another process holds is tried again later.

    Args:
        do: Does one patient: a job's ``assess_and_write``, or what writes an assessment that was made before.
        patients: Taken as they are needed.
        workers: How many at a time.
        tell: Is told of each patient that came to an end.
        stop: Once it is set no further patient is begun, and those begun are finished.

    Raises:
        LedgerUnusable: Nothing can be recorded any more.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="patient") as pool:
        work = _Work(do, pool, workers * _WAITING_FOR_EACH, tell)
        try:
            for patient in patients:
                if stop.is_set() or work.tally.failures_in_a_row >= workers * _FAILURES_IN_A_ROW:
                    work.tally.stopped = True
                    break
                work.begin(patient)
            work.end(stop)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return work.tally


class _Work(Generic[_Given]):
    """Patients on their way: begun, held by another process, or counted."""

    def __init__(
        self, do: Callable[[_Given], Done], pool: ThreadPoolExecutor, most: int, tell: Callable[[Done], None]
    ) -> None:
        self.tally = Tally()
        self._do, self._pool, self._most, self._tell = do, pool, most, tell
        self._begun: dict[Future[Done], tuple[_Given, bool]] = {}
        self._held: deque[tuple[_Given, Done]] = deque()

    def begin(self, patient: _Given, *, is_last_turn: bool = False) -> None:
        """Give a patient to a worker, and wait where enough are on their way."""
        self._begun[self._pool.submit(_one, self._do, patient)] = (patient, is_last_turn)
        if len(self._begun) >= self._most:
            self._count_some()
        if len(self._held) > _MOST_HELD:
            self.begin(self._held.popleft()[0], is_last_turn=True)

    def end(self, stop: threading.Event) -> None:
        """Wait for all, and try those again that another process holds: by now it may have done with them."""
        self._count_all()
        for turn in range(_TURNS):
            if not self._held or stop.is_set() or stop.wait(_SECONDS_BETWEEN):
                break
            for _ in range(len(self._held)):
                self.begin(self._held.popleft()[0], is_last_turn=turn == _TURNS - 1)
            self._count_all()
        for _, done in self._held:
            self._count(done)

    def _count_all(self) -> None:
        while self._begun:
            self._count_some()

    def _count_some(self) -> None:
        """Wait for at least one, and count those that ended."""
        for each in wait(self._begun, return_when=FIRST_COMPLETED).done:
            patient, is_last_turn = self._begun.pop(each)
            done = each.result()
            if done.ending is Ending.ELSEWHERE and not is_last_turn:
                self._held.append((patient, done))
            else:
                self._count(done)

    def _count(self, done: Done) -> None:
        self.tally.add(done)
        self._tell(done)


def _one(do: Callable[[_Given], Done], patient: _Given) -> Done:
    """One patient at this door: whatever a single record does to us, the next patient follows."""
    try:
        return do(patient)
    except LedgerUnusable:
        raise
    except Exception as error:  # noqa: BLE001 - the one place: reported, and the next patient follows
        return Done(patient=str(patient), ending=Ending.FAULT, reason=_word(error))


def _word(error: Exception) -> str:
    """The kind of an error as a reason; its text might quote a record."""
    return type(error).__name__.lower()
