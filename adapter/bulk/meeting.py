"""Bring together what belongs together though it lies with different owners: versions, what is referred to, one person.

A scan puts each entry with its owner. Rarely that is not enough: a deletion names no patient, a corrected result may
have changed hands, a sample may lie with nobody, and two Patients may be one. Then copies are sent as visitors to
where they matter, and what a replaced Patient owned goes to the one that stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from adapter.bulk.frames import Frame, Idle, Item, Row, entry_of
from adapter.bulk.layout import Layout, Stream, hashed, name_in, named_row, share_in, share_of
from adapter.bulk.routing import callable_by
from adapter.bulk.scanning import meant_by
from adapter.bulk.spilling import SpillWriter
from adapter.fhir.addresses import literal
from adapter.fhir.element import Element
from adapter.fhir.references import References

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
        """By the shares of the owners that were replaced: those of the ones that stand for them."""
        found: dict[int, set[int]] = {}
        for owner, survivor in self.survivors.items():
            found.setdefault(share_of(owner), set()).add(share_of(survivor))
        return found


def all_names(rows: Iterable[int]) -> dict[int, Owners]:
    """Every name, with the shares of those that call it."""
    callers: dict[int, set[int]] = {}
    for row in rows:
        callers.setdefault(name_in(row), set()).add(share_in(row))
    return {name: frozenset(found) for name, found in callers.items()}


def shared_names(rows: Iterable[int], homes: Mapping[int, set[int]]) -> dict[int, Owners]:
    """The names that several owners bear or mean, each with the shares of those owners.

    Args:
        rows: A hashed name and an owner's share each.
        homes: From ``Homes.shares``.
    """
    distinct = set(rows)
    if len(set(map(name_in, distinct))) == len(distinct) and not homes:
        return {}
    owners: dict[int, set[int]] = {}
    for row in distinct:
        share = share_in(row)
        owners.setdefault(name_in(row), set()).update({share}, homes.get(share, ()))
    return {name: frozenset(found) for name, found in owners.items() if len(found) > 1}


def send(items: Iterable[Item], spill: SpillWriter, layout: Layout, homes: Homes, shared: Shared) -> None:
    """Send what lies in one part, but matters in others, to those."""
    for item in items:
        survivor = homes.of_owner(item.owner)
        home = layout.of(survivor)
        if survivor != item.owner and home != layout.of(item.owner):
            _put(spill, layout, home, item)
        others = {part for key in item.keys for part in layout.of_shares(shared.get(key, ()))}
        for part in sorted(others - {home}):
            _put(spill, layout, part, as_visitor(item))


def _put(spill: SpillWriter, layout: Layout, part: int, item: Item) -> None:
    match item:
        case Frame():
            spill.add(layout.slot(Stream.FRAMES, part), item, item.size)
        case Row():
            spill.add(layout.slot(Stream.ROWS, part), item)
        case Idle():
            spill.add(layout.slot(Stream.IDLES, part), item)


def answer(frames: Iterable[Frame], spill: SpillWriter, layout: Layout, called: Shared) -> None:
    """Send each Patient to where its names may be called.

    Args:
        frames: All that lie in one part.
        spill: Takes the visitors, as a stream of their own.
        layout: Every name is called in its own partition.
        called: The names that are called elsewhere too.
    """
    for frame in frames:
        if frame.is_plain or not frame.raw:
            continue
        names = set(callable_by(entry_of(frame, "")))
        parts = {layout.of(name) for name in names}
        parts |= {part for name in names for part in layout.of_shares(called.get(hashed(name), ()))}
        for part in sorted(parts):
            spill.add(layout.slot(Stream.CALLED, part), as_visitor(frame), frame.size)


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
        _put(spill, layout, layout.of(owner), msgspec.structs.replace(frame, owner=owner))
        spill.names += [named_row(name, share_of(owner)) for name in (*frame.keys, *meant_by(frame))]
    for frame in called if stays else ():
        _put(spill, layout, layout.of(unplaced[0].owner), frame)


def as_visitor(item: Item) -> Item:
    """The same, marked as belonging elsewhere."""
    return msgspec.structs.replace(item, is_visitor=True)


def _end_of(owner: str, replaced: Mapping[str, str]) -> str:
    seen = {owner}
    while owner in replaced and replaced[owner] not in seen:
        owner = replaced[owner]
        seen.add(owner)
    return owner


def _local(key: str) -> str:
    named = literal(key)
    return named.local if named else key


def _at(frame: Frame) -> str:
    return f"{frame.place.chunk}:{frame.place.line}"
