"""What the scan sets down for later, sorted into slots, in files that are read back slot by slot."""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from adapter.bulk.layout import Layout, Stream

Spilled = tuple[Path, list[int]]
# About what an item takes in memory besides its bytes.
_OBJECT = 600
_ENCODE = msgspec.msgpack.Encoder().encode


class SpillWriter:
    """Gathers items by slot, and writes them to one file in rounds, each slot's items as one MessagePack array.

    The file takes its name when it is complete and on the disk; until then nobody can take it for whole.

    Attributes:
        slots: What was gathered, by slot; the lists stay the same ones.
        names: Names with shares, to be sorted into the slots of their stream.
    """

    def __init__(self, path: Path, layout: Layout, *, memory: int) -> None:
        """Open the file.

        Args:
            path: Its name once complete.
            layout: It tells the slots.
            memory: How many bytes are gathered before a round is written.
        """
        self._path, self._layout, self._memory = path, layout, memory
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._file = self._partial.open("wb")
        self._room = memory
        self.slots: list[list[object]] = [[] for _ in range(layout.slots)]
        self.names: list[int] = []
        self.rounds: list[int] = []

    def add(self, slot: int, item: object, size: int = _OBJECT) -> None:
        """Put one item, which takes about so much memory, into a slot."""
        self.slots[slot].append(item)
        self.weigh(size)

    def weigh(self, size: int) -> None:
        """Note that what was gathered takes so much memory more, and write a round if that is enough."""
        self._room -= size
        if self._room <= 0:
            self._write_round()

    def __enter__(self) -> SpillWriter:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the file, or leave nothing behind."""
        try:
            if kind is None:
                self._write_round()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._partial.replace(self._path)
        finally:
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def _write_round(self) -> None:
        """Write what was gathered, and a table of where each slot begins and ends."""
        self._sort_names()
        position = self._file.tell()
        table = array("Q", [position])
        for slot in self.slots:
            if slot:
                position += self._file.write(_ENCODE(slot))
                slot.clear()
            table.append(position)
        if table[0] < position:
            self.rounds.append(position)
            self._file.write(table.tobytes())
        self._room = self._memory

    def _sort_names(self) -> None:
        """Put the names into their slots: in their order they lie part by part."""
        self.names.sort()
        begin = 0
        for part in range(self._layout.parts):
            end = bisect_left(self.names, self._layout.first_name_after(part), begin)
            if end > begin:
                self.slots[self._layout.slot(Stream.NAMES, part)] += self.names[begin:end]
                begin = end
        self.names.clear()


def segments(path: Path, rounds: list[int], slot: int) -> Iterator[bytes]:
    """What one slot holds: MessagePack arrays, one for each round that has any."""
    with path.open("rb", buffering=0) as file:
        for table in rounds:
            start, stop = struct.unpack("=QQ", os.pread(file.fileno(), 16, table + 8 * slot))
            if stop > start:
                yield os.pread(file.fileno(), stop - start, start)


def slot_sizes(path: Path, rounds: list[int], slots: int) -> list[int]:
    """How many bytes each slot holds."""
    sizes = [0] * slots
    with path.open("rb", buffering=0) as file:
        for table in rounds:
            ends = array("Q", os.pread(file.fileno(), 8 * (slots + 1), table))
            for slot in range(slots):
                sizes[slot] += ends[slot + 1] - ends[slot]
    return sizes
