"""What the parts wrote as few whole files: one of each kind, or numbered ones where they would be too large."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

_COPIED_AT_ONCE = 8 * 1024 * 1024


class Piece(msgspec.Struct, frozen=True):
    """What one part wrote of one kind: so many bytes of a file."""

    path: Path
    start: int
    length: int


class Shard(msgspec.Struct, frozen=True):
    """One output file, and the pieces that it is made of."""

    path: Path
    pieces: tuple[Piece, ...]


def shards(target: Path, kind: str, pieces: Sequence[Piece], *, largest: int) -> list[Shard]:
    """Divide the pieces of one kind into files: ``RiskAssessment.ndjson``, or ``RiskAssessment.0001.ndjson`` and so on.

    Args:
        target: The output folder.
        kind: What the files hold.
        pieces: In their order.
        largest: The size beyond which another file is begun.
    """
    groups = list(_grouped(pieces, largest))
    if len(groups) == 1:
        return [Shard(target / f"{kind}.ndjson", groups[0])]
    return [Shard(target / f"{kind}.{number:04}.ndjson", group) for number, group in enumerate(groups, 1)]


def assemble(shard: Shard, partial: Path) -> None:
    """Make one output file of its pieces, whole or not at all; until it is whole it has another place."""
    with partial.open("wb") as whole:
        for piece in shard.pieces:
            _append(piece, whole.fileno())
        os.fsync(whole.fileno())
    partial.replace(shard.path)


def _grouped(pieces: Sequence[Piece], largest: int) -> Iterator[tuple[Piece, ...]]:
    group: list[Piece] = []
    size = 0
    for piece in pieces:
        if group and size + piece.length > largest:
            yield tuple(group)
            group, size = [], 0
        group.append(piece)
        size += piece.length
    yield tuple(group)


def _append(piece: Piece, whole: int) -> None:
    with piece.path.open("rb") as opened:
        done = 0
        while done < piece.length:
            done += os.sendfile(whole, opened.fileno(), piece.start + done, min(piece.length - done, _COPIED_AT_ONCE))
