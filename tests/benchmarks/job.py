"""Measure the job against a server that answers at once: our time for each patient, from fetching to the ledger.

``python -m tests.benchmarks.job`` starts that server in a process of its own; one line per figure.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from adapter.entrypoints.working import job_of
from adapter.job.doing import Job
from adapter.job.endings import Ending
from adapter.job.running import run
from adapter.settings.loading import load_settings

_AS_OF = datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC)
_MOST_MILLISECONDS = 8.0


class Took(NamedTuple):
    """What one round took."""

    cpu: float
    rate: float


def main(arguments: Sequence[str]) -> int:
    """Run everything and print what was measured; 1 if the promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=300, help="how many in each round (default: 300)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (default: 5)")
    chosen = parser.parse_args(arguments)
    for batches in (True, False):
        with _job(takes_batches=batches) as job:
            _measured(job, range(20), 1, Ending.WRITTEN)
            name = "one batch" if batches else "one search for each type"
            begins = [20 + number * chosen.patients for number in range(chosen.rounds)]
            rounds = [_measured(job, range(each, each + chosen.patients), 1, Ending.WRITTEN) for each in begins]
            again = _measured(job, range(20, 20 + chosen.patients), 1, Ending.UNCHANGED)
            print(f"{name}: {_shown(rounds)}; unchanged {_shown([again])}; {_memory()}")
            if batches:
                best = median(each.cpu for each in rounds)
                start = begins[-1] + chosen.patients
                for workers in (2, 4):
                    numbers = range(start * workers, start * workers + chosen.patients)
                    print(f"  {workers} workers: {_shown([_measured(job, numbers, workers, Ending.WRITTEN)])}")
    print(f"CPU for each patient: {best:.2f} ms, at most {_MOST_MILLISECONDS}")
    return int(best > _MOST_MILLISECONDS)


def _measured(job: Job, numbers: range, workers: int, ending: Ending) -> Took:
    cpu, clock = time.process_time(), time.perf_counter()
    patients = [f"Patient/n{number}" for number in numbers]
    stop = threading.Event()
    tally = run(job.assess_and_write, patients, workers=workers, tell=lambda done: None, stop=stop)
    took = Took((time.process_time() - cpu) / len(numbers) * 1000, len(numbers) / (time.perf_counter() - clock))
    assert tally.endings == {ending: len(numbers)}, tally.endings
    return took


def _shown(rounds: Sequence[Took]) -> str:
    cpu, rate = median(each.cpu for each in rounds), median(each.rate for each in rounds)
    return f"{cpu:.2f} ms CPU a patient, {rate:.0f} patients/s"


def _memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most"


@contextmanager
def _job(*, takes_batches: bool) -> Iterator[Job]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "tests.servers.instant", str(port), *([] if takes_batches else ["--no-batch"])]
    server = subprocess.Popen(words)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        with tempfile.TemporaryDirectory() as folder:
            flags = {"server": f"http://127.0.0.1:{port}/fhir", "ledger": str(Path(folder) / "ledger.sqlite")}
            yield job_of(load_settings(flags, {}), as_of=lambda: _AS_OF)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
