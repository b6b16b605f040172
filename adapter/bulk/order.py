"""What a run is asked to do, what it needs, and whom it tells how far it is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from adapter.bulk.export import Export, ExportFile, Packing
from adapter.pipeline import Options

MEGABYTE = 1024 * 1024
# NDJSON as hospitals write it grows about so much when it is unpacked.
_USUAL_GROWTH = 12
# How much of the memory a part of the input may have, and what is left of it when it has been scanned; it takes some
# ten times that while it is assessed. Not divided by the number of workers, for that must not change the parts.
_SHARE_OF_INPUT, _SHARE_OF_ENTRIES = 16, 64


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
    memory: int = 200 * MEGABYTE
    share: int = 0
    resume: bool = False

    @property
    def most_input(self) -> int:
        """How many bytes of input one part may have."""
        return self.memory // _SHARE_OF_INPUT

    @property
    def most_entries(self) -> int:
        """How many bytes of entries, as they are set down, one part may have."""
        return self.memory // _SHARE_OF_ENTRIES


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


def need_of(export: Export, target: Path) -> Need:
    """How much disk a run of this export needs in this folder, estimated from above for usual data."""
    size = unpacked_size(export.files)
    there = next(path for path in (target, *target.absolute().parents) if path.exists())
    # What is spilled is part of what came in; an assessment has about the size of ten of the results it rests on.
    return Need(size * 11 // 10 + 16 * MEGABYTE, size * 6 // 10 + 16 * MEGABYTE, shutil.disk_usage(there).free)


def unpacked_size(files: Sequence[ExportFile]) -> int:
    """How many bytes the files hold, estimated where they are packed."""
    return sum(file.size if file.packing is Packing.NONE else file.size * _USUAL_GROWTH for file in files)
