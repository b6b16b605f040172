"""Runs of the bulk door in tests, and what the other doors make of the same input."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from adapter.bulk.export import export_at
from adapter.bulk.order import Need, Settings
from adapter.bulk.running import Finished, convert_export
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source
from adapter.pipeline import Options, Outcome, assess_sources
from tests.recognition.building import AS_OF, knowledge

Json = dict[str, Any]
SMALL = Settings(as_of=AS_OF)


class Silence:
    """Nobody wants to know how far the run is."""

    def needs(self, need: Need) -> None:
        """Nobody asks."""

    def begins(self, step: str, amount: int) -> None:
        """Nobody asks."""

    def did(self, amount: int) -> None:
        """Nobody asks."""

    def exceeds(self, size: int, memory: int) -> None:
        """Nobody asks."""


class Said(NamedTuple):
    """What a door says of all patients: resources as sorted lines, and how often each problem was met."""

    lines: tuple[bytes, ...]
    set_aside: dict[str, int]
    patients: int
    irrelevant: int


def laid_out(folder: Path, files: Mapping[str, bytes]) -> Path:
    """An export with these files."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def converted(folder: Path, target: Path, settings: Settings = SMALL) -> Finished:
    """Run the bulk door."""
    return convert_export(export_at(folder), target, knowledge(), settings, Silence())


def said_by_bulk(target: Path, finished: Finished) -> Said:
    """What the bulk door wrote."""
    summary = finished.summary
    lines = sorted({line for kind in ("RiskAssessment", "Provenance", "Device") for line in written(target, kind)})
    counts = Counter(summary.set_aside) + Counter(summary.problems)
    return Said(tuple(lines), dict(counts), summary.patients, summary.irrelevant)


def written(target: Path, kind: str) -> list[bytes]:
    """The lines of one kind, from however many files."""
    return [line for path in sorted(target.glob(f"{kind}.*ndjson")) for line in path.read_bytes().splitlines()]


def said_by_files(folder: Path, options: Options = Options()) -> Said:  # noqa: B008 - a frozen value
    """What the file door says of the same folder, read as one input."""
    files = export_at(folder).files
    sources = [Source(Path(file.path).name, Path(file.path).read_bytes()) for file in files]
    return said_in(assess_sources(sources, knowledge(), as_of=AS_OF, options=options))


def said_in(outcome: Outcome) -> Said:
    """What an outcome says."""
    lines = {encode(resource) for patient in outcome.patients for resource in patient.resources}
    counts = Counter(problem.code.value for patient in outcome.patients for problem in patient.set_aside)
    counts += Counter(problem.code.value for problem in outcome.problems)
    irrelevant = len(outcome.irrelevant) + sum(len(patient.irrelevant) for patient in outcome.patients)
    return Said(tuple(sorted(lines)), dict(counts), len(outcome.patients), irrelevant)


def ndjson(resources: Iterable[Json]) -> bytes:
    """Resources, one a line."""
    return b"".join(encode(resource) + b"\n" for resource in resources)


def problems(target: Path) -> list[Json]:
    """The OperationOutcomes that were written."""
    return [json.loads(line) for line in written(target, "problems")]
