"""How patients are divided into parts that fit into memory, the same in every process and every run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from zlib import adler32, crc32

import msgspec

SHARE_BITS = 16
SHARES = 1 << SHARE_BITS


class Stream:
    """The kinds of items in a spill file; each has a slot for every part.

    FRAMES, ROWS and IDLES lie with their owners. NAMES say which owners bear or mean a name. UNPLACED are the frames
    whose patient only the Patients can tell; they lie with the first name they call, CALLED are the other names.
    """

    FRAMES, ROWS, IDLES, NAMES, UNPLACED, CALLED = range(6)
    ENTRIES = (FRAMES, ROWS, IDLES)
    COUNT = 6


class Layout(msgspec.Struct, frozen=True):
    """Which owners belong to which part: a part is a run of shares, and a share all owners with one checksum's head.

    Attributes:
        starts: The first share of each part.
    """

    starts: tuple[int, ...]

    @staticmethod
    def even(bits: int) -> Layout:
        """Parts of equal width, so many that this number of bits counts them."""
        return Layout(tuple(range(0, SHARES, SHARES >> bits)))

    @property
    def parts(self) -> int:
        """How many there are."""
        return len(self.starts)

    def of(self, owner: str) -> int:
        """The part of an owner."""
        return self.of_share(share_of(owner))

    def of_share(self, share: int) -> int:
        """The part of a share."""
        return bisect_right(self.starts, share) - 1

    def of_shares(self, shares: Iterable[int]) -> set[int]:
        """The parts of several shares."""
        return {self.of_share(share) for share in shares}

    def of_name(self, key: int) -> int:
        """The part that knows by whom a hashed name is borne."""
        return self.of_share(key >> 48 - SHARE_BITS)

    def first_name_after(self, part: int) -> int:
        """The lowest number for a name and a share that belongs to a later part; see ``named_row``."""
        return (self.starts[part + 1] if part + 1 < self.parts else SHARES) << 48

    def slot(self, stream: int, part: int) -> int:
        """Where a spill file keeps a stream's items of a part."""
        return stream * self.parts + part

    @property
    def slots(self) -> int:
        """How many slots a spill file has; the last one holds what concerns no part."""
        return Stream.COUNT * self.parts + 1


def order_of(owner: str) -> tuple[int, str]:
    """The place of an owner in everything that is written, however many parts there are."""
    return crc32(owner.encode("utf-8", "surrogatepass")), owner


def share_of(owner: str) -> int:
    """The first bits of that place."""
    return crc32(owner.encode("utf-8", "surrogatepass")) >> 32 - SHARE_BITS


def hashed(name: str) -> int:
    """48 bits of a name, the same in every process: enough to tell millions of names apart, but for a handful."""
    data = name.encode("utf-8", "surrogatepass")
    return crc32(data) << 16 | adler32(data) >> 16


def named_row(key: int, share: int) -> int:
    """A hashed name and the share of an owner, as one number."""
    return key << SHARE_BITS | share


def name_in(row: int) -> int:
    """The hashed name of such a number."""
    return row >> SHARE_BITS


def share_in(row: int) -> int:
    """The owner's share of such a number."""
    return row & SHARES - 1
