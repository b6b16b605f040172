"""What the scan set down, brought together: whatever matters to a patient lies with the patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adapter.bulk.frames import frames_in
from adapter.bulk.layout import Layout, Stream
from adapter.bulk.means import Means
from adapter.bulk.meeting import Homes, Owners, all_names, answer, place, send, shared_names
from adapter.bulk.scanning import Scanned
from adapter.bulk.spilling import segments
from adapter.bulk.spills import Spills

# How many times as much memory entries take while they are assessed as where they are set down.
_GROWTH = 12


def bring_together(spills: Spills, scanned: Sequence[tuple[Path, Scanned]], means: Means) -> None:
    """Send what matters elsewhere to where it matters; parts that are too large for the memory are divided first."""
    if any(each.unplaced for _, each in scanned):
        _place(spills, {base for _, each in scanned for base in each.bases}, means)
    spills.layout = _divided(spills, means)
    spills.homes = homes = Homes.of([link for _, each in scanned for link in each.links])
    shared = _shared(spills, homes, means)
    sending = {part for owners in shared.values() for part in spills.layout.of_shares(owners)}
    sending |= {spills.layout.of(owner) for owner in homes.survivors}

    def work(part: int) -> list[int]:
        lying = spills.lying(part)
        return means.spilled(_sent(part), spills.layout, lambda spill: send(lying, spill, spills.layout, homes, shared))

    means.announce.begins("bringing together", len(sending))
    sent = sorted(means.each(sorted(sending), work))
    spills.sent += [(means.workplace.path(_sent(part)), rounds) for part, rounds in sent]


def _place(spills: Spills, bases: set[str], means: Means) -> None:
    """Give to their patients what names these by identifier or URN."""
    layout = spills.layout
    parts = range(layout.parts)
    called = all_names(row for part in parts for row in spills.names(Stream.CALLED, part))

    def answering(part: int) -> list[int]:
        frames = spills.frames(Stream.FRAMES, part)
        return means.spilled(_called(part), layout, lambda spill: answer(frames, spill, layout, called))

    means.announce.begins("finding patients", 2 * len(parts))
    answers = [(means.workplace.path(_called(part)), rounds) for part, rounds in sorted(means.each(parts, answering))]

    def placing(part: int) -> list[int]:
        unplaced = list(spills.frames(Stream.UNPLACED, part))
        slot = layout.slot(Stream.CALLED, part)
        found = [
            frame for path, rounds in answers for data in segments(path, rounds, slot) for frame in frames_in(data)
        ]
        return means.spilled(_placed(part), layout, lambda spill: place(unplaced, found, spill, layout, bases))

    placed = sorted(means.each(parts, placing))
    spills.scanned += [(means.workplace.path(_placed(part)), rounds) for part, rounds in placed]


def _divided(spills: Spills, means: Means) -> Layout:
    """The layout in which no part is larger than the memory allows, as far as owners can be told apart."""
    most = means.settings.most_entries
    large = [part for part, size in enumerate(spills.sizes()) if size > most]
    if not large:
        return spills.layout
    starts = set(spills.layout.starts)
    for _, (found, largest) in means.parallel(large, lambda part, tell: spills.divided(part, most)):
        starts.update(found)
        if largest > most:
            means.announce.exceeds(largest * _GROWTH, means.settings.memory)
    return Layout(tuple(sorted(starts)))


def _shared(spills: Spills, homes: Homes, means: Means) -> dict[int, Owners]:
    """The names that several owners have in common."""
    shares = homes.shares()

    def work(part: int) -> dict[int, Owners]:
        found = shared_names(spills.names(Stream.NAMES, part), shares)
        return {name: owners for name, owners in found.items() if len(spills.layout.of_shares(owners)) > 1}

    found: dict[int, Owners] = {}
    for _, shared in means.parallel(range(spills.coarse.parts), lambda part, tell: work(part)):
        found |= shared
    return found


def _called(part: int) -> str:
    return f"called-{part:05}"


def _placed(part: int) -> str:
    return f"placed-{part:05}"


def _sent(part: int) -> str:
    return f"sent-{part:05}"
