"""Several processes that share a list of tasks; what one of them meets is met by the caller."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from adapter.errors import AdapterError, OutputRefused

_Result = TypeVar("_Result")
Tell = Callable[[int], None]
Work = Callable[[int, Tell], _Result]
if TYPE_CHECKING:
    _Pipe: TypeAlias = Connection[Any, Any]


class WorkerLost(AdapterError):
    """The operator must give more memory or fewer workers: the system ended one of the processes."""


def in_parallel(
    tasks: Sequence[int], work: Work[_Result], *, workers: int, tell: Tell
) -> Iterator[tuple[int, _Result]]:
    """Do all tasks and give each result as soon as it is there, in any order.

    Args:
        tasks: Numbers that say to ``work`` what to do.
        work: Does one task; it is inherited by the processes, so nothing of it needs to be sent.
        workers: How many processes; one does without any.
        tell: Is told of progress within tasks.
    """
    if min(workers, len(tasks)) < 2 or sys.platform != "linux":
        yield from ((task, _undisturbed(work, task, tell)) for task in tasks)
        return
    team = _Team(work, min(workers, len(tasks)))
    try:
        yield from team.results(list(tasks), tell)
    finally:
        team.dismiss()


class _Team(Generic[_Result]):
    """Processes, each at the other end of a pipe: a task's number goes in, progress and one result come out."""

    def __init__(self, work: Work[_Result], size: int) -> None:
        # Forked, before any thread exists: what was read once is shared, and nothing is imported again.
        context = multiprocessing.get_context("fork")
        self._processes: dict[_Pipe, BaseProcess] = {}
        for _ in range(size):
            here, there = context.Pipe()
            inherited = [*self._processes, here]
            process = context.Process(target=_serve, args=(there, inherited, work), daemon=True)
            process.start()
            there.close()
            self._processes[here] = process

    def results(self, waiting: list[int], tell: Tell) -> Iterator[tuple[int, _Result]]:
        """Hand out the tasks and collect the results."""
        busy = sum(_hand_out(pipe, waiting) for pipe in self._processes)
        while busy:
            for pipe in self._ready():
                answer = self._received(pipe)
                match answer:
                    case int():
                        tell(answer)
                    case AdapterError():
                        raise answer
                    case _:
                        yield answer
                        busy += _hand_out(pipe, waiting) - 1

    def _ready(self) -> list[_Pipe]:
        told = wait(list(self._processes))
        return [pipe for pipe in self._processes if pipe in told]

    def _received(self, pipe: _Pipe) -> int | AdapterError | tuple[int, _Result]:
        """Progress, what stopped the work, or a task with its result."""
        try:
            answer: int | AdapterError | tuple[int, _Result] = pipe.recv()
        except (EOFError, ConnectionResetError):
            process = self._processes[pipe]
            process.join()
            what = f"a worker was ended (exit code {process.exitcode}), perhaps because memory ran out"
            raise WorkerLost(f"{what}; go on with --resume, and fewer --workers or less --memory") from None
        return answer

    def dismiss(self) -> None:
        """End every process, whatever it is doing."""
        for pipe, process in self._processes.items():
            pipe.close()
            process.terminate()
        for process in self._processes.values():
            process.join()


def _hand_out(pipe: _Pipe, waiting: list[int]) -> int:
    if not waiting:
        return 0
    pipe.send(waiting.pop(0))
    return 1


def _serve(pipe: _Pipe, inherited: Sequence[_Pipe], work: Work[object]) -> None:
    """Do tasks until nobody is there to give any."""
    for other in inherited:
        other.close()
    # An interrupt is for the one who started us; who then ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def tell(amount: int) -> None:
        if os.getppid() != parent:
            sys.exit(1)
        pipe.send(amount)

    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(task, work, tell))


def _answer(task: int, work: Work[object], tell: Tell) -> object:
    try:
        return task, _undisturbed(work, task, tell)
    except AdapterError as error:
        return error
    except OSError as error:
        return refused(error)


def _undisturbed(work: Work[_Result], task: int, tell: Tell) -> _Result:
    """Do one task without looking for cycles: what it holds is of use till its end, and forms hardly any."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return work(task, tell)
    finally:
        if was_enabled:
            gc.enable()


def refused(error: OSError) -> OutputRefused:
    """What the system refused, said to the operator."""
    place = f"{error.filename}: " if error.filename else ""
    return OutputRefused(f"{place}{error.strerror}; mend that, and go on with --resume")
