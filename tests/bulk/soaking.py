"""``python -m tests.bulk.soaking EXPORT OUT SECONDS``: convert again and again, and print the memory after each run."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from adapter.bulk.export import export_at
from adapter.bulk.running import convert_export
from tests.bulk.building import SMALL, Silence
from tests.recognition.building import knowledge

_FEWEST = 6


def main(source: Path, target: Path, seconds: float) -> None:
    """Do so for so long, and a few times at least."""
    known, begun, runs = knowledge(), time.monotonic(), 0
    while runs < _FEWEST or time.monotonic() - begun < seconds:
        convert_export(export_at(source), target, known, SMALL, Silence())
        shutil.rmtree(target)
        runs += 1
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        print(resident, len(os.listdir("/proc/self/fd")), flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
