"""Everything that a run has set down, by partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from adapter.bulk.frames import Frame, Idle, frames_in, idles_in
from adapter.bulk.meeting import Homes
from adapter.bulk.scanning import Layout, Stream
from adapter.bulk.spilling import segments

_names_in = msgspec.msgpack.Decoder(list[int]).decode
Spilled = tuple[Path, list[int]]


class Spills:
    """The spill files of a run, with what was sent since."""

    def __init__(self, spilled: Sequence[Spilled], layout: Layout) -> None:
        self._layout = layout
        self.scanned = list(spilled)
        self.sent: list[Spilled] = []
        self.homes = Homes()

    def data(self, stream: int, part: int) -> Iterator[bytes]:
        """What one stream holds for a partition."""
        slot = self._layout.slot(stream, part)
        return (data for path, rounds in self.scanned for data in segments(path, rounds, slot))

    def names(self, stream: int, part: int) -> Iterator[int]:
        """Hashed names with their owners' first bits."""
        return (row for data in self.data(stream, part) for row in _names_in(data))

    def frames(self, stream: int, part: int) -> Iterator[Frame]:
        """Frames of one stream."""
        return (frame for data in self.data(stream, part) for frame in frames_in(data))

    def lying(self, part: int) -> Iterator[Frame | Idle]:
        """All that the scan put into a partition."""
        yield from self.frames(Stream.FRAMES, part)
        yield from (idle for data in self.data(Stream.IDLES, part) for idle in idles_in(data))

    def at_home(self, part: int) -> tuple[list[Frame], list[Idle]]:
        """All that belongs to a partition now, with its visitors."""
        frames: list[Frame] = []
        idles: list[Idle] = []
        for each in self.lying(part):
            if each.is_visitor or self._layout.of(self.homes.of_owner(each.owner)) == part:
                frames.append(each) if isinstance(each, Frame) else idles.append(each)
        for path, rounds in self.sent:
            for data in segments(path, rounds, self._layout.slot(Stream.FRAMES, part)):
                frames += frames_in(data)
            for data in segments(path, rounds, self._layout.slot(Stream.IDLES, part)):
                idles += idles_in(data)
        return frames, idles
