"""A whole run: scan, bring together, reduce, assemble; each step notes what it finished, so that it can be resumed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from adapter.bulk.assembling import Piece, Shard, assemble, shards
from adapter.bulk.export import Export, ExportFile, Packing
from adapter.bulk.frames import frames_in
from adapter.bulk.layout import Layout, Stream
from adapter.bulk.lines import ranges
from adapter.bulk.meeting import Homes, Owners, all_names, answer, place, send, shared_names
from adapter.bulk.reducing import WRITTEN, Reduced, Reduction
from adapter.bulk.scanning import Scan, Scanned
from adapter.bulk.shapes import Recalled
from adapter.bulk.spilling import SpillWriter, segments
from adapter.bulk.spills import Spills
from adapter.bulk.summing import Summary, findings_in, first_lines, summed, totals_of
from adapter.bulk.workers import Tell, in_parallel, refused
from adapter.bulk.workplace import Workplace, sync_folder, write_durably
from adapter.errors import ExportUnsound, OutputRefused
from adapter.fhir.detection import Releases, decide
from adapter.fhir.device import VERSION
from adapter.fhir.releases import Release
from adapter.knowledge.model import Knowledge
from adapter.pipeline import Options
from adapter.problems import Problem

# Large enough that a range is seldom begun, small enough that two workers end at nearly the same time.
RANGE = 32 * 1024 * 1024
LARGEST_FILE = 1024 * 1024 * 1024
# How much of the memory a part of the input may have, and what is left of it when it has been scanned; it takes some
# ten times that while it is assessed. Not divided by the number of workers, for that must not change the parts.
_SHARE_OF_INPUT, _SHARE_OF_ENTRIES = 16, 64
_FEWEST_BITS, _MOST_BITS = 4, 12
# NDJSON as hospitals write it grows about so much when it is unpacked.
_USUAL_GROWTH = 12
_MEGABYTE = 1024 * 1024
# What a process needs before it has read a line: Python, the knowledge, the modules.
_AT_REST = 64 * _MEGABYTE
# How many times as much memory entries take while they are assessed as where they are set down.
_GROWTH = 12


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to run.

    Attributes:
        workers: How many processes share the work.
        memory: How many bytes all of them together may take, as far as the input lets itself be divided.
        share: How many of ten thousand patients have their resources validated.
        resume: Go on with an interrupted run.
    """

    as_of: datetime
    options: Options = Options()
    workers: int = 1
    memory: int = 200 * _MEGABYTE
    share: int = 0
    resume: bool = False


class Need(msgspec.Struct, frozen=True):
    """How much disk the run needs at most, by what is known before it starts, and how much is free."""

    temporary: int
    output: int
    free: int


class Announce(Protocol):
    """Who wants to know how far the run is."""

    def needs(self, need: Need) -> None:
        """Say what the run needs, before it starts."""

    def begins(self, step: str, amount: int) -> None:
        """Say that a step begins, and how much there is to do: bytes, or partitions."""

    def did(self, amount: int) -> None:
        """Say that so much more of it is done."""

    def exceeds(self, size: int, memory: int) -> None:
        """Say that what one owner has cannot be divided, and takes about so much memory, more than was allowed."""


class Finished(msgspec.Struct, frozen=True):
    """The summary, what it was written to, and what the validation cost in seconds of work."""

    summary: Summary
    paths: tuple[Path, ...]
    seconds: float


def need_of(export: Export, target: Path) -> Need:
    """How much disk a run of this export needs in this folder, estimated from above for usual data."""
    size = _unpacked_size(export.files)
    there = next(path for path in (target, *target.absolute().parents) if path.exists())
    # What is spilled is part of what came in; an assessment has about the size of ten of the results it rests on.
    return Need(size * 11 // 10 + 16 * _MEGABYTE, size * 6 // 10 + 16 * _MEGABYTE, shutil.disk_usage(there).free)


def convert_export(
    export: Export, target: Path, knowledge: Knowledge, settings: Settings, announce: Announce
) -> Finished:
    """Assess every patient of an export, and write the resources into a folder.

    Raises:
        ExportUnsound: Files are cut short, damaged, there twice, or hold less than the manifest promises.
        OutputRefused: The disk is full, or does not let itself be written to.
        SettingsInvalid: An interrupted run that is to be resumed was another one.
    """
    need = need_of(export, target)
    announce.needs(need)
    if need.temporary + need.output > need.free and not settings.resume:
        raise OutputRefused(
            f"{target}: {_mb(need.temporary)} MB for temporary files and {_mb(need.output)} MB for the output may be "
            f"needed, and {_mb(need.free)} MB are free; choose another output"
        )
    run = _Run(export, target, knowledge, settings, announce)
    try:
        return run.run()
    except OSError as error:
        raise refused(error) from error
    finally:
        run.workplace.close()


class _Run:
    """One run, step by step."""

    def __init__(
        self, export: Export, target: Path, knowledge: Knowledge, settings: Settings, announce: Announce
    ) -> None:
        self._export, self._target, self._knowledge = export, target, knowledge
        self._settings, self._announce = settings, announce
        self._bits = _bits(_unpacked_size(export.files), settings.memory // _SHARE_OF_INPUT)
        self._layout = Layout.even(self._bits)
        self._chunks = list(ranges(export.files, RANGE))
        self.workplace = Workplace(target)

    def run(self) -> Finished:
        """Do every step that is not done yet."""
        self.workplace.open(self._plan(), resume=self._settings.resume)
        asked = self._settings.options.release
        scanned = self._scan("scan", has_plain=asked is not Release.STU3)
        findings = findings_in(self._export.files, self._totals(scanned))
        if findings:
            self.workplace.remove()
            raise ExportUnsound(findings)
        release, notice = _release_of(scanned, asked)
        if release is Release.STU3 and asked is None:
            # Of that release nothing is plain, so nothing may have been passed over.
            scanned = self._scan("scan-stu3", has_plain=False)
        spills = Spills([(path, each.rounds) for path, each in scanned], self._layout)
        self._bring_together(spills, scanned)
        reduced = self._reduce(spills, scanned, release)
        return self._finish(scanned, reduced, release, notice)

    def _plan(self) -> dict[str, object]:
        options = msgspec.to_builtins(self._settings.options)
        return {
            "inputs": [[file.name, file.size, file.modified] for file in self._export.files],
            "options": {**options, "share": self._settings.share},
            "as of": self._settings.as_of.isoformat(),
            "knowledge": self._knowledge.fingerprint,
            "version": VERSION,
            "layout": [self._bits, RANGE, self._settings.memory // _SHARE_OF_ENTRIES],
        }

    def _scan(self, step: str, *, has_plain: bool) -> list[tuple[Path, Scanned]]:
        """Scan every range that is not scanned yet."""
        scan = Scan(self._export.files, self._layout, self._knowledge, has_plain, self._share_of_memory() // 2)
        names = [f"{step}-{chunk:05}" for chunk in range(len(self._chunks))]
        found = {
            chunk: done for chunk, name in enumerate(names) if (done := self.workplace.done(f"{name}.json", Scanned))
        }
        todo = [chunk for chunk in range(len(names)) if chunk not in found]
        self._announce.begins("scanning", sum(self._size(chunk) for chunk in range(len(names))))
        self._announce.did(sum(self._size(chunk) for chunk in found))

        def work(chunk: int, tell: Tell) -> Scanned:
            result = scan.scan(chunk, self._chunks[chunk], self.workplace.path(names[chunk]), tell)
            self.workplace.finish(f"{names[chunk]}.json", result)
            return result

        found |= dict(self._parallel(todo, work))
        return [(self.workplace.path(name), found[chunk]) for chunk, name in enumerate(names)]

    def _totals(self, scanned: Sequence[tuple[Path, Scanned]]) -> list[Scanned]:
        return totals_of(self._export.files, self._chunks, [each for _, each in scanned])

    def _size(self, chunk: int) -> int:
        return self._chunks[chunk].stop - self._chunks[chunk].start

    def _parallel(self, todo: Sequence[int], work: Callable[[int, Tell], Any]) -> Iterator[tuple[int, Any]]:
        return in_parallel(todo, work, workers=self._settings.workers, tell=self._announce.did)

    def _share_of_memory(self) -> int:
        """How much of the memory each process has for data."""
        return max(8 * _MEGABYTE, self._settings.memory // self._settings.workers - _AT_REST)

    def _bring_together(self, spills: Spills, scanned: Sequence[tuple[Path, Scanned]]) -> None:
        """Send what matters elsewhere to where it matters."""
        bases = {base for _, each in scanned for base in each.bases}
        links = [link for _, each in scanned for link in each.links]
        if any(each.unplaced for _, each in scanned):
            self._place(spills, bases)
        spills.layout = self._divided(spills)
        spills.homes = homes = Homes.of(links)
        shared = self._shared(spills, homes)
        sending = {part for owners in shared.values() for part in spills.layout.of_shares(owners)}
        sending |= {spills.layout.of(owner) for owner in homes.survivors}

        def work(part: int, tell: Tell) -> list[int]:
            return self._spilled(
                f"sent-{part:05}",
                lambda spill: send(spills.lying(part), spill, spills.layout, homes, shared),
                spills.layout,
            )

        self._announce.begins("bringing together", len(sending))
        for part, rounds in self._parallel(sorted(sending), _telling_of_each(work)):
            spills.sent.append((self.workplace.path(f"sent-{part:05}"), rounds))
        spills.sent.sort()

    def _divided(self, spills: Spills) -> Layout:
        """The layout in which no part is larger than the memory allows, as far as owners can be told apart."""
        most = self._settings.memory // _SHARE_OF_ENTRIES
        large = [part for part, size in enumerate(spills.sizes()) if size > most]
        if not large:
            return self._layout
        starts = set(self._layout.starts)
        for _, (found, largest) in self._parallel(large, lambda part, tell: spills.divided(part, most)):
            starts.update(found)
            if largest > most:
                self._announce.exceeds(largest * _GROWTH, self._settings.memory)
        return Layout(tuple(sorted(starts)))

    def _place(self, spills: Spills, bases: set[str]) -> None:
        """Give to their patients what names these by identifier or URN."""
        parts = range(self._layout.parts)
        called = all_names(row for part in parts for row in spills.names(Stream.CALLED, part))

        def answering(part: int, tell: Tell) -> list[int]:
            return self._spilled(
                f"called-{part:05}",
                lambda spill: answer(spills.frames(Stream.FRAMES, part), spill, self._layout, called),
            )

        self._announce.begins("finding patients", 2 * len(parts))
        answers = [
            (self.workplace.path(f"called-{part:05}"), rounds)
            for part, rounds in sorted(self._parallel(parts, _telling_of_each(answering)))
        ]

        def placing(part: int, tell: Tell) -> list[int]:
            unplaced = list(spills.frames(Stream.UNPLACED, part))
            slot = self._layout.slot(Stream.CALLED, part)
            found = [
                frame for path, rounds in answers for data in segments(path, rounds, slot) for frame in frames_in(data)
            ]
            return self._spilled(f"placed-{part:05}", lambda spill: place(unplaced, found, spill, self._layout, bases))

        placed = sorted(self._parallel(parts, _telling_of_each(placing)))
        spills.scanned += [(self.workplace.path(f"placed-{part:05}"), rounds) for part, rounds in placed]

    def _shared(self, spills: Spills, homes: Homes) -> dict[int, Owners]:
        """The names that several owners have in common."""
        shares = homes.shares()

        def work(part: int, tell: Tell) -> dict[int, Owners]:
            found = shared_names(spills.names(Stream.NAMES, part), shares)
            return {name: owners for name, owners in found.items() if len(spills.layout.of_shares(owners)) > 1}

        found: dict[int, Owners] = {}
        for _, shared in self._parallel(range(self._layout.parts), work):
            found |= shared
        return found

    def _spilled(self, name: str, fill: Callable[[SpillWriter], None], layout: Layout | None = None) -> list[int]:
        path = self.workplace.path(name)
        with SpillWriter(path, layout or self._layout, memory=self._share_of_memory() // 2) as spill:
            fill(spill)
        return spill.rounds

    def _reduce(self, spills: Spills, scanned: Sequence[tuple[Path, Scanned]], release: Release) -> list[Reduced]:
        """Reduce every partition that is not reduced yet."""
        reduction = Reduction(
            self._knowledge,
            self._settings.options,
            self._settings.as_of,
            release,
            frozenset(base for _, each in scanned for base in each.bases),
            [self._export.files[chunk.file].name for chunk in self._chunks],
            first_lines(self._chunks, [each for _, each in scanned]),
            self._settings.share,
        )
        parts = range(spills.layout.parts)
        found = {part: done for part in parts if (done := self.workplace.done(_reduced(part), Reduced))}
        shapes = Recalled(spills.scanned, self._layout.slots - 1)

        def work(part: int, tell: Tell) -> Reduced:
            result = reduction.reduce(spills.at_home(part), shapes, self._part(part))
            self.workplace.finish(_reduced(part), result)
            return result

        self._announce.begins("assessing", len(parts))
        self._announce.did(len(found))
        todo = [part for part in parts if part not in found]
        found |= dict(self._parallel(todo, _telling_of_each(work)))
        return [found[part] for part in parts]

    def _part(self, part: int) -> Path:
        return self.workplace.path(f"part-{part:05}")

    def _finish(
        self,
        scanned: Sequence[tuple[Path, Scanned]],
        reduced: Sequence[Reduced],
        release: Release,
        notice: Problem | None,
    ) -> Finished:
        """Put everything in its place, the summary last; then nothing temporary is left."""
        written: list[Shard] = []
        for index, kind in enumerate(WRITTEN):
            pieces = [
                Piece(self._part(part), sum(each.sizes[:index]), each.sizes[index]) for part, each in enumerate(reduced)
            ]
            written += shards(self._target, kind, pieces, largest=LARGEST_FILE)
        outdated = {path for kind in WRITTEN for path in self._target.glob(f"{kind}.*ndjson")}
        for path in outdated - {shard.path for shard in written}:
            path.unlink()
        for shard in written:
            assemble(shard, self.workplace.path(shard.path.name))
        devices = {id_: line for each in reduced for id_, line in each.devices.items()}
        facts = {"release": release, "as_of": self._settings.as_of, "knowledge": self._knowledge.fingerprint}
        notices = [notice.code] if notice else []
        summary = summed(self._export, self._totals(scanned), reduced, facts, notices)
        lines = "".join(line for _, line in sorted(devices.items())).encode()
        extra = {
            "Device.ndjson": lines,
            "summary.json": msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n",
        }
        for name, data in extra.items():
            write_durably(self.workplace.path(name), data)
            self.workplace.path(name).replace(self._target / name)
        sync_folder(self._target)
        self.workplace.remove()
        paths = (*(shard.path for shard in written), *(self._target / name for name in extra))
        return Finished(summary, paths, sum(each.seconds for each in reduced))


def _telling_of_each(work: Callable[[int, Tell], Any]) -> Callable[[int, Tell], Any]:
    """The same work, which tells when it is done."""

    def told(task: int, tell: Tell) -> Any:  # noqa: ANN401 - whatever the work gives
        result = work(task, tell)
        tell(1)
        return result

    return told


def _reduced(part: int) -> str:
    return f"reduced-{part:05}.json"


def _release_of(scanned: Sequence[tuple[Path, Scanned]], asked: Release | None) -> tuple[Release, Problem | None]:
    if asked is not None:
        return asked, None
    fits: Counter[Releases] = Counter()
    for _, each in scanned:
        for releases, count in each.fits:
            fits[frozenset(releases)] += count
    return decide(fits, {release for _, each in scanned for release in each.declared})


def _unpacked_size(files: Sequence[ExportFile]) -> int:
    return sum(file.size if file.packing is Packing.NONE else file.size * _USUAL_GROWTH for file in files)


def _bits(size: int, most: int) -> int:
    """How many bits tell the parts apart, so that none has much more than so many bytes of input."""
    return min(max((size // max(most, _MEGABYTE)).bit_length(), _FEWEST_BITS), _MOST_BITS)


def _mb(size: int) -> int:
    return -(-size // _MEGABYTE)
