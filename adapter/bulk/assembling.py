"""The parts of all partitions as few whole files: one of each kind, or numbered ones where they would be too large."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

_COPIED_AT_ONCE = 8 * 1024 * 1024


class Shard(msgspec.Struct, frozen=True):
    """One output file, and the parts that it is made of."""

    path: Path
    parts: tuple[Path, ...]


def shards(target: Path, kind: str, parts: Sequence[tuple[Path, int]], *, largest: int) -> list[Shard]:
    """Divide the parts of one kind into files: ``RiskAssessment.ndjson``, or ``RiskAssessment.0001.ndjson`` and so on.

    Args:
        target: The output folder.
        kind: What the files hold.
        parts: In their order, with the size of each.
        largest: The size beyond which another file is begun.
    """
    groups = list(_grouped(parts, largest))
    if len(groups) == 1:
        return [Shard(target / f"{kind}.ndjson", groups[0])]
    return [Shard(target / f"{kind}.{number:04}.ndjson", group) for number, group in enumerate(groups, 1)]


def assemble(shard: Shard) -> None:
    """Make one output file of its parts, whole or not at all; then the parts go."""
    there = [part for part in shard.parts if part.exists()]
    if len(there) == len(shard.parts):
        _write(shard)
    # Else an interrupted run had written it, and was removing its parts.
    for part in there:
        part.unlink()


def _write(shard: Shard) -> None:
    partial = shard.path.with_name(f".{shard.path.name}.part")
    with partial.open("wb") as whole:
        for part in shard.parts:
            _append(part, whole.fileno())
        os.fsync(whole.fileno())
    partial.replace(shard.path)


def _grouped(parts: Sequence[tuple[Path, int]], largest: int) -> Iterator[tuple[Path, ...]]:
    group: list[Path] = []
    size = 0
    for path, length in parts:
        if group and size + length > largest:
            yield tuple(group)
            group, size = [], 0
        group.append(path)
        size += length
    yield tuple(group)


def _append(part: Path, whole: int) -> None:
    with part.open("rb") as opened:
        left = os.fstat(opened.fileno()).st_size
        while left > 0:
            left -= os.sendfile(whole, opened.fileno(), None, min(left, _COPIED_AT_ONCE))
