"""Bring together what belongs together though it lies with different owners: versions, what is referred to, one person.

A scan puts each entry with its owner. Rarely that is not enough: a deletion names no patient, a corrected result may
have changed hands, a sample may lie with nobody, and two Patients may be one. Then copies are sent as visitors to
where they matter, and what a replaced Patient owned goes to the one that stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from adapter.bulk.frames import Either, Frame, Idle, encoded, entry_of, hashed
from adapter.bulk.routing import callable_by
from adapter.bulk.scanning import Layout, Stream, meant_by, order_of, put_name
from adapter.bulk.spilling import SpillWriter
from adapter.fhir.element import Element
from adapter.fhir.references import References, literal

_OWNER_BITS = 16
Owners = frozenset[int]
Shared = Mapping[int, Owners]


class Homes(msgspec.Struct, frozen=True):
    """Where the owners are at home who were replaced by another.

    Attributes:
        survivors: By owner, the one that stands for it.
    """

    survivors: Mapping[str, str] = {}

    @staticmethod
    def of(links: Iterable[tuple[str, str]]) -> Homes:
        """Follow each chain to its end, as the reader does."""
        replaced = dict(links)
        ends = {owner: _end_of(owner, replaced) for owner in replaced}
        return Homes({owner: end for owner, end in ends.items() if end != owner})

    def of_owner(self, owner: str) -> str:
        """Who stands for an owner."""
        return self.survivors.get(owner, owner)

    def shares(self) -> dict[int, set[int]]:
        """By the first bits of the owners that were replaced: those of the ones that stand for them."""
        found: dict[int, set[int]] = {}
        for owner, survivor in self.survivors.items():
            found.setdefault(_share(owner), set()).add(_share(survivor))
        return found


def all_names(rows: Iterable[int]) -> dict[int, Owners]:
    """Every name, with the first bits of those that call it."""
    callers: dict[int, set[int]] = {}
    for row in rows:
        callers.setdefault(row >> _OWNER_BITS, set()).add(row & (1 << _OWNER_BITS) - 1)
    return {name: frozenset(found) for name, found in callers.items()}


def shared_names(rows: Iterable[int], homes: Mapping[int, set[int]]) -> dict[int, Owners]:
    """The names that several owners bear or mean, each with the first bits of those owners.

    Args:
        rows: A hashed name and the first bits of an owner each.
        homes: From ``Homes.shares``.
    """
    distinct = set(rows)
    if len({row >> _OWNER_BITS for row in distinct}) == len(distinct) and not homes:
        return {}
    owners: dict[int, set[int]] = {}
    for row in distinct:
        share = row & (1 << _OWNER_BITS) - 1
        owners.setdefault(row >> _OWNER_BITS, set()).update({share}, homes.get(share, ()))
    return {name: frozenset(found) for name, found in owners.items() if len(found) > 1}


def parts_of(owners: Owners, bits: int) -> set[int]:
    """The partitions in which these owners are at home."""
    return {share >> (_OWNER_BITS - bits) for share in owners}


def send(frames: Iterable[Either], spill: SpillWriter, layout: Layout, homes: Homes, shared: Shared) -> None:
    """Send what lies in one partition, but matters in others, to those."""
    for frame in frames:
        survivor = homes.of_owner(frame.owner)
        home, stream = layout.of(survivor), Stream.IDLES if isinstance(frame, Idle) else Stream.FRAMES
        if survivor != frame.owner and home != layout.of(frame.owner):
            spill.add(layout.slot(stream, home), encoded(frame))
        others = {part for key in _keys(frame) for part in parts_of(shared.get(key, frozenset()), layout.bits)}
        visitor = encoded(as_visitor(frame)) if others else b""
        for part in sorted(others - {home}):
            spill.add(layout.slot(stream, part), visitor)


def answer(frames: Iterable[Frame], spill: SpillWriter, layout: Layout, called: Shared) -> None:
    """Send each Patient to where its names may be called.

    Args:
        frames: All that lie in one partition.
        spill: Takes the visitors, as a stream of their own.
        layout: Every name is called in its own partition.
        called: The names that are called elsewhere too.
    """
    for frame in frames:
        if frame.is_plain or not frame.raw:
            continue
        names = set(callable_by(entry_of(frame, "")))
        parts = {layout.of(name) for name in names}
        parts |= {part for name in names for part in parts_of(called.get(hashed(name), frozenset()), layout.bits)}
        visitor = encoded(as_visitor(frame)) if parts else b""
        for part in sorted(parts):
            spill.add(layout.slot(Stream.CALLED, part), visitor)


def place(
    unplaced: Sequence[Frame], called: Sequence[Frame], spill: SpillWriter, layout: Layout, bases: set[str]
) -> None:
    """Give entries to the patient they name by identifier or URN; what names none stays, with all it might mean."""
    frames = [*unplaced, *called]
    references = References([entry_of(frame, _at(frame)) for frame in frames], bases)
    homes = {
        placed.key: frame.owner for placed, frame in zip(references.placed, frames, strict=True) if frame.is_visitor
    }
    stays = False
    for frame, placed in zip(unplaced, references.placed, strict=False):
        root = Element(placed.entry.resource or {}, "")
        key = references.patient(root.one("subject" if "subject" in root.json else "patient"), placed)
        stays = stays or not isinstance(key, str)
        owner = homes.get(key) or _local(key) if isinstance(key, str) else frame.owner
        spill.add(layout.slot(Stream.FRAMES, layout.of(owner)), encoded(msgspec.structs.replace(frame, owner=owner)))
        for name in (*frame.keys, *meant_by(frame)):
            put_name(spill, layout, Stream.NAMES, name, owner)
    for frame in called if stays else ():
        spill.add(layout.slot(Stream.FRAMES, layout.of(unplaced[0].owner)), encoded(frame))


def as_visitor(frame: Either) -> Either:
    """The same, marked as belonging elsewhere."""
    return msgspec.structs.replace(frame, is_visitor=True)


def _keys(frame: Either) -> Iterator[int]:
    yield from (frame.key,) if isinstance(frame, Idle) else frame.keys


def _end_of(owner: str, replaced: Mapping[str, str]) -> str:
    seen = {owner}
    while owner in replaced and replaced[owner] not in seen:
        owner = replaced[owner]
        seen.add(owner)
    return owner


def _share(owner: str) -> int:
    return order_of(owner)[0] >> (32 - _OWNER_BITS)


def _local(key: str) -> str:
    named = literal(key)
    return named.local if named else key


def _at(frame: Frame) -> str:
    return f"{frame.place.chunk}:{frame.place.line}"
