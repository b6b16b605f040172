"""Everything that a run has set down, by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from adapter.bulk.frames import Frame, Item, frames_in, idles_in, rows_in
from adapter.bulk.layout import Layout, Stream, share_of
from adapter.bulk.meeting import Homes
from adapter.bulk.spilling import Spilled, segments, slot_sizes

_names_in = msgspec.msgpack.Decoder(list[int]).decode
_RAWS_IN = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_ITEMS: Mapping[int, Callable[[bytes], Sequence[Item]]] = {
    Stream.FRAMES: frames_in,
    Stream.ROWS: rows_in,
    Stream.IDLES: idles_in,
}


class Spills:
    """The spill files of a run, with what was sent since.

    Attributes:
        scanned: What the scan set down, and what was placed since, by the layout of the scan.
        layout: How it is taken out: as the scan laid it down, or with large parts divided.
        sent: What was sent to the parts of that layout.
    """

    def __init__(self, scanned: Sequence[Spilled], layout: Layout) -> None:
        self.scanned = list(scanned)
        self.coarse = self.layout = layout
        self.sent: list[Spilled] = []
        self.homes = Homes()

    def data(self, stream: int, part: int) -> Iterator[bytes]:
        """What one stream holds for a part of the scan."""
        slot = self.coarse.slot(stream, part)
        return (data for path, rounds in self.scanned for data in segments(path, rounds, slot))

    def names(self, stream: int, part: int) -> Iterator[int]:
        """Hashed names with their owners' shares."""
        return (row for data in self.data(stream, part) for row in _names_in(data))

    def frames(self, stream: int, part: int) -> Iterator[Frame]:
        """Frames of one stream."""
        return (frame for data in self.data(stream, part) for frame in frames_in(data))

    def lying(self, part: int) -> Iterator[Item]:
        """All that the scan put into what is a part now."""
        coarse = self.coarse.of_share(self.layout.starts[part])
        items = (item for stream, read in _ITEMS.items() for data in self.data(stream, coarse) for item in read(data))
        if self.layout == self.coarse:
            return items
        return (item for item in items if item.is_visitor or self.layout.of(item.owner) == part)

    def at_home(self, part: int) -> Iterator[Item]:
        """All that belongs to a part now, with its visitors."""
        survivors = self.homes.survivors
        for item in self.lying(part):
            if not survivors or item.is_visitor or self.layout.of(self.homes.of_owner(item.owner)) == part:
                yield item
        for path, rounds in self.sent:
            for stream, read in _ITEMS.items():
                for data in segments(path, rounds, self.layout.slot(stream, part)):
                    yield from read(data)

    def sizes(self) -> list[int]:
        """How many bytes of entries lie in each part of the scan."""
        sizes = [0] * self.coarse.parts
        for path, rounds in self.scanned:
            found = slot_sizes(path, rounds, self.coarse.slots)
            for stream in _ITEMS:
                for part in range(self.coarse.parts):
                    sizes[part] += found[self.coarse.slot(stream, part)]
        return sizes

    def divided(self, part: int, most: int) -> tuple[list[int], int]:
        """Where to divide a part of the scan, so that none holds more bytes than this; and the largest that remains.

        The entries of one owner are never divided.
        """
        by_share: Counter[int] = Counter()
        for stream, read in _ITEMS.items():
            for data in self.data(stream, part):
                for item, raw in zip(read(data), _RAWS_IN(data), strict=True):
                    by_share[share_of(item.owner)] += len(raw)
        starts, gathered, largest = [self.coarse.starts[part]], 0, 0
        for share, size in sorted(by_share.items()):
            if gathered and gathered + size > most:
                starts.append(share)
                gathered = 0
            gathered += size
            largest = max(largest, gathered)
        return starts, largest
