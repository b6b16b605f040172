"""A running process seen from outside, again and again, and whether it grows."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import linear_regression

# So much of the time belongs to the beginning: caches fill, threads start, memory finds its shape.
WARM_UP = 0.5
# MiB an hour; what a month of it would come to is still less than a small machine has.
_MOST_GROWTH = 1.0
_MIB, _HOUR = 1024 * 1024, 3600


@dataclass(frozen=True)
class Sample:
    """How a process stands.

    Attributes:
        seconds: Since the beginning.
        resident: Bytes of memory that it holds.
        anonymous: Those of them that no file backs.
        handles: Files, sockets and the like that it has open.
        threads: That it runs.
        busy: Seconds of a processor that it has used.
        inbox, worklist, ledger: Bytes of these files, with what SQLite puts beside them.
        sent: Notifications that were sent to it.
        waiting: Events and tasks that it has still to do.
    """

    seconds: float
    resident: int
    anonymous: int
    handles: int
    threads: int
    busy: float
    inbox: int
    worklist: int
    ledger: int
    sent: int
    waiting: int


def sampled(pid: int, folder: Path, *, seconds: float, sent: int, waiting: int) -> Sample:
    """How a process stands now, by what Linux tells of it."""
    process = Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in (process / "status").read_text("ascii").splitlines())
    # After the name of the program, which may hold anything: fields 14 and 15 (proc(5)).
    times = (process / "stat").read_text("ascii").rpartition(")")[2].split()[11:13]
    return Sample(
        seconds=round(seconds, 1),
        resident=int(status["VmRSS"].split()[0]) * 1024,
        anonymous=int(status["RssAnon"].split()[0]) * 1024,
        handles=len(list((process / "fd").iterdir())),
        threads=int(status["Threads"]),
        busy=sum(map(int, times)) / os.sysconf("SC_CLK_TCK"),
        inbox=_size(folder, "inbox.sqlite*"),
        worklist=_size(folder, "inbox.worklist.sqlite*"),
        ledger=_size(folder, "ledger.sqlite*"),
        sent=sent,
        waiting=waiting,
    )


def append(path: Path, sample: Sample) -> None:
    """Write it down at once, so that somebody may look on."""
    is_new = not path.exists()
    with path.open("a", encoding="ascii", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(each.name for each in fields(Sample))
        writer.writerow(astuple(sample))


def faults(samples: Sequence[Sample]) -> list[str]:
    """What grew after the beginning; nothing where all is flat."""
    steady = samples[int(len(samples) * WARM_UP) :]
    seconds, resident = [each.seconds for each in steady], [each.resident for each in steady]
    growth = linear_regression(seconds, resident).slope * _HOUR / _MIB
    first, last = steady[: len(steady) // 2], steady[len(steady) // 2 :]
    found = [f"memory grows by {growth:.2f} MiB an hour"] if growth > _MOST_GROWTH else []
    for name in ("handles", "threads"):
        before, after = (max(getattr(each, name) for each in half) for half in (first, last))
        if after > before:
            found.append(f"{name} grew from {before} to {after}")
    return found


def _size(folder: Path, pattern: str) -> int:
    return sum(each.stat().st_size for each in folder.glob(pattern))
