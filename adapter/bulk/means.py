"""What every step of a run works with: a place, hands, memory, and somebody to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from adapter.bulk.layout import Layout
from adapter.bulk.order import MEGABYTE, Announce, Settings
from adapter.bulk.spilling import SpillWriter
from adapter.bulk.workers import Tell, in_parallel
from adapter.bulk.workplace import Workplace

# What a process needs before it has read a line: Python, the knowledge, the modules.
_AT_REST = 64 * MEGABYTE


class Means:
    """The workplace of a run, and the processes that share its work."""

    def __init__(self, workplace: Workplace, settings: Settings, announce: Announce) -> None:
        """Take the place, what was asked for, and whom to tell."""
        self.workplace, self.settings, self.announce = workplace, settings, announce

    @property
    def share_of_memory(self) -> int:
        """How much of the memory each process has for data."""
        return max(8 * MEGABYTE, self.settings.memory // self.settings.workers - _AT_REST)

    def parallel(self, todo: Sequence[int], work: Callable[[int, Tell], Any]) -> Iterator[tuple[int, Any]]:
        """Each task with its result, in the order in which they end; the work itself tells how far it is."""
        return in_parallel(todo, work, workers=self.settings.workers, tell=self.announce.did)

    def each(self, todo: Sequence[int], work: Callable[[int], Any]) -> Iterator[tuple[int, Any]]:
        """The same, telling of each task as one."""

        def told(task: int, tell: Tell) -> Any:  # noqa: ANN401 - whatever the work gives
            result = work(task)
            tell(1)
            return result

        return self.parallel(todo, told)

    def spilled(self, name: str, layout: Layout, fill: Callable[[SpillWriter], None]) -> list[int]:
        """Set something down under this name; the rounds in which it was written."""
        path = self.workplace.path(name)
        with SpillWriter(path, layout, memory=self.share_of_memory // 2) as spill:
            fill(spill)
        return spill.rounds
