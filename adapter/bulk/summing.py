"""What became of an export as a whole, and whether its files are what they claim to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapter.bulk.export import Export, ExportFile
from adapter.bulk.lines import Range
from adapter.bulk.reducing import Reduced
from adapter.bulk.scanning import Scanned
from adapter.fhir.releases import Release
from adapter.problems import Problem


class Summary(msgspec.Struct, kw_only=True):
    """What became of an export; the same in every run of the same input.

    Attributes:
        refused: What was not written, since the validation found fault with it.
        unlisted: Files in the folder that were not read: no NDJSON by their names, or not named by the manifest.
        told_errors: How many errors the server reports about its own export.
        notices: What is to be known of the whole, such as the release it was taken for.
    """

    release: Release
    as_of: datetime
    knowledge: str
    files: list[dict[str, Any]]
    resources: int
    patients: int
    assessed: int
    undetermined: int
    written: int
    irrelevant: int
    set_aside: dict[str, int]
    problems: dict[str, int]
    errors: int
    told_errors: int
    notices: list[str]
    unlisted: list[str]
    validated: int
    refused: list[str]


def summed(
    export: Export,
    totals: Sequence[Scanned],
    reduced: Sequence[Reduced],
    facts: Mapping[str, Any],
    notices: Sequence[Problem],
) -> Summary:
    """Add up all partitions.

    Args:
        export: Its files.
        totals: What was learnt from each file.
        reduced: What became of each partition.
        facts: What was decided for all of them: release, as_of and knowledge.
        notices: What concerns no entry.
    """
    undetermined = sum(each.undetermined for each in reduced)
    patients = sum(each.patients for each in reduced)
    files = zip(export.files, totals, strict=True)
    return Summary(
        files=[{"name": file.name, "bytes": file.size, "resources": total.resources} for file, total in files],
        resources=sum(total.resources for total in totals),
        patients=patients,
        assessed=patients - undetermined,
        undetermined=undetermined,
        written=sum(each.written for each in reduced),
        irrelevant=sum(each.irrelevant for each in reduced),
        set_aside=_counted(each.set_aside for each in reduced),
        problems=_counted([*(each.problems for each in reduced), Counter(notice.code for notice in notices)]),
        errors=sum(each.errors for each in reduced),
        told_errors=sum(each.told_errors for each in reduced),
        notices=[notice.told() for notice in notices],
        unlisted=list(export.unlisted),
        validated=sum(each.validated for each in reduced),
        refused=[line for each in reduced for line in each.refused],
        **facts,
    )


def totals_of(files: Sequence[ExportFile], chunks: Sequence[Range], scanned: Sequence[Scanned]) -> list[Scanned]:
    """What was learnt from each file as a whole."""
    totals = [Scanned() for _ in files]
    for chunk, each in zip(chunks, scanned, strict=True):
        total = totals[chunk.file]
        first = total.ends[0] if total.resources else each.ends[0]
        total.ends = (first, each.ends[1] if each.resources else total.ends[1])
        total.resources += each.resources
        total.length += each.length
        total.findings += each.findings
    return totals


def findings_in(files: Sequence[ExportFile], totals: Sequence[Scanned]) -> list[str]:
    """Why the export cannot be what the server meant to send: damage, wrong counts, copies."""
    findings = [finding for total in totals for finding in total.findings]
    seen: dict[tuple[object, ...], str] = {}
    for file, total in zip(files, totals, strict=True):
        if file.count is not None and total.resources != file.count:
            findings.append(f"{file.name}: {total.resources} resources, and the manifest promises {file.count}")
        first = seen.setdefault((total.resources, total.length, total.ends), file.name)
        if first != file.name and total.resources:
            findings.append(f"{file.name}: is a copy of {first}")
    return findings


def first_lines(chunks: Sequence[Range], scanned: Sequence[Scanned]) -> list[int]:
    """How many lines of its file come before each range."""
    before: list[int] = []
    counts: Counter[int] = Counter()
    for chunk, each in zip(chunks, scanned, strict=True):
        before.append(counts[chunk.file])
        counts[chunk.file] += each.lines
    return before


def _counted(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
