"""A whole run: scan, bring together, reduce, assemble; each step notes what it finished, so that it can be resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from adapter.bulk.assembling import Piece, Shard, assemble, shards
from adapter.bulk.export import Export
from adapter.bulk.joining import bring_together
from adapter.bulk.layout import Layout
from adapter.bulk.lines import ranges
from adapter.bulk.means import Means
from adapter.bulk.order import MEGABYTE, Announce, Settings, need_of, unpacked_size
from adapter.bulk.reducing import WRITTEN, Reduced, Reduction
from adapter.bulk.scanning import Scan, Scanned
from adapter.bulk.shapes import Recalled
from adapter.bulk.spills import Spills
from adapter.bulk.summing import Summary, findings_in, first_lines, summed, totals_of
from adapter.bulk.workers import Tell, refused
from adapter.bulk.workplace import Workplace, sync_folder, write_durably
from adapter.errors import ExportUnsound, OutputRefused
from adapter.fhir.detection import Releases, decide
from adapter.fhir.device import VERSION
from adapter.fhir.releases import Release
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem

# Large enough that a range is seldom begun, small enough that two workers end at nearly the same time.
RANGE = 32 * 1024 * 1024
LARGEST_FILE = 1024 * 1024 * 1024
_FEWEST_BITS, _MOST_BITS = 4, 12

_scanned_in = msgspec.json.Decoder(Scanned).decode
_reduced_in = msgspec.json.Decoder(Reduced).decode


class Finished(msgspec.Struct, frozen=True):
    """The summary, what it was written to, and what the validation cost in seconds of work."""

    summary: Summary
    paths: tuple[Path, ...]
    seconds: float


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
        temporary, output, free = (-(-size // MEGABYTE) for size in (need.temporary, need.output, need.free))
        raise OutputRefused(
            f"{target}: {temporary} MB for temporary files and {output} MB for the output may be needed, and {free} MB "
            "are free; choose another output"
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
        self._bits = _bits(unpacked_size(export.files), settings.most_input)
        self._layout = Layout.even(self._bits)
        self._chunks = list(ranges(export.files, RANGE))
        self.workplace = Workplace(target)
        self._means = Means(self.workplace, settings, announce)

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
        bring_together(spills, scanned, self._means)
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
            "layout": [self._bits, RANGE, self._settings.most_entries],
        }

    def _scan(self, step: str, *, has_plain: bool) -> list[tuple[Path, Scanned]]:
        """Scan every range that is not scanned yet."""
        scan = Scan(self._export.files, self._layout, self._knowledge, has_plain, self._means.share_of_memory // 2)
        names = [f"{step}-{chunk:05}" for chunk in range(len(self._chunks))]
        found = {
            chunk: done
            for chunk, name in enumerate(names)
            if (done := self.workplace.done(f"{name}.json", _scanned_in))
        }
        todo = [chunk for chunk in range(len(names)) if chunk not in found]
        self._announce.begins("scanning", sum(self._size(chunk) for chunk in range(len(names))))
        self._announce.did(sum(self._size(chunk) for chunk in found))

        def work(chunk: int, tell: Tell) -> Scanned:
            result = scan.scan(chunk, self._chunks[chunk], self.workplace.path(names[chunk]), tell)
            self.workplace.finish(f"{names[chunk]}.json", result)
            return result

        found |= dict(self._means.parallel(todo, work))
        return [(self.workplace.path(name), found[chunk]) for chunk, name in enumerate(names)]

    def _totals(self, scanned: Sequence[tuple[Path, Scanned]]) -> list[Scanned]:
        return totals_of(self._export.files, self._chunks, [each for _, each in scanned])

    def _size(self, chunk: int) -> int:
        return self._chunks[chunk].stop - self._chunks[chunk].start

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
        found = {part: done for part in parts if (done := self.workplace.done(_reduced(part), _reduced_in))}
        shapes = Recalled(spills.scanned, self._layout.slots - 1)

        def work(part: int) -> Reduced:
            result = reduction.reduce(spills.at_home(part), shapes, self._part(part))
            self.workplace.finish(_reduced(part), result)
            return result

        self._announce.begins("assessing", len(parts))
        self._announce.did(len(found))
        todo = [part for part in parts if part not in found]
        found |= dict(self._means.each(todo, work))
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
        summary = summed(self._export, self._totals(scanned), reduced, facts, [notice] if notice else [])
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


def _bits(size: int, most: int) -> int:
    """How many bits tell the parts apart, so that none has much more than so many bytes of input."""
    return min(max((size // max(most, MEGABYTE)).bit_length(), _FEWEST_BITS), _MOST_BITS)
