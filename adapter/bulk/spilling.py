"""What the scan sets down for later, sorted into slots, in files that are read back slot by slot."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

# A MessagePack array of 32-bit length, so that a whole segment is decoded by one call.
_ARRAY = struct.Struct(">BI")
_ARRAY_32 = 0xDD
_NEVER_BEGUN = _ARRAY.pack(_ARRAY_32, 0)


class SpillWriter:
    """Gathers items by slot, and writes them to one file in rounds, each slot's items side by side.

    The file takes its name when it is complete; until then nobody can take it for whole.
    """

    def __init__(self, path: Path, slots: int, *, memory: int) -> None:
        """Open the file.

        Args:
            path: Its name once complete.
            slots: How many slots there are.
            memory: How many bytes are gathered before a round is written.
        """
        self._path, self._slots, self._memory = path, slots, memory
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._file = self._partial.open("wb")
        self._begun: dict[int, bytearray] = {}
        self._counts: dict[int, int] = {}
        self._gathered = 0
        self.rounds: list[int] = []

    def add(self, slot: int, item: bytes) -> None:
        """Put one encoded item into a slot."""
        begun = self._begun.get(slot)
        if begun is None:
            begun = self._begun[slot] = bytearray(_NEVER_BEGUN)
            self._counts[slot] = 0
        begun += item
        self._counts[slot] += 1
        self._gathered += len(item)
        if self._gathered >= self._memory:
            self._write_round()

    def __enter__(self) -> SpillWriter:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the file, or leave nothing behind."""
        if kind is None:
            self._write_round()
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def _write_round(self) -> None:
        """Write what was gathered, and a table of where each slot begins and ends."""
        if not self._begun:
            return
        position = self._file.tell()
        table = array("Q", [position])
        for slot in range(self._slots):
            begun = self._begun.get(slot, b"")
            if isinstance(begun, bytearray):
                _ARRAY.pack_into(begun, 0, _ARRAY_32, self._counts[slot])
            self._file.write(begun)
            position += len(begun)
            table.append(position)
        self.rounds.append(position)
        self._file.write(table.tobytes())
        self._begun, self._counts, self._gathered = {}, {}, 0


def segments(path: Path, rounds: list[int], slot: int) -> Iterator[bytes]:
    """What one slot holds: MessagePack arrays, one for each round that has any."""
    with path.open("rb", buffering=0) as file:
        for table in rounds:
            start, stop = struct.unpack("=QQ", os.pread(file.fileno(), 16, table + 8 * slot))
            if stop > start:
                yield os.pread(file.fileno(), stop - start, start)
