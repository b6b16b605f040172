"""Measure the job against a server that answers from memory: our time for each patient, from fetching to the ledger.

``scripts/bench job`` starts that server in a process of its own; one line per figure.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
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
_WORKERS = (1, 2, 4, 8, 16)
_DELAYS = (0, 20, 50)
_SAMPLED_AT = (1000, 2000, 5000, 10_000)
# Between the first thousand patients, when all is loaded and warm, and the last.
_MOST_GROWTH = 1.1
_COMMAND = (sys.executable, "-c", "from adapter.entrypoints.cli import main; main()", "run")
_numbers = count()


class Took(NamedTuple):
    """What one round took.

    Attributes:
        cpu: Milliseconds of processor time of this process, for each patient.
        rate: Patients a second.
        share: How much of the time that passed was processor time of ours, the rest waiting for the server.
    """

    cpu: float
    rate: float
    share: float

    def __str__(self) -> str:
        """The three figures in words."""
        return f"{self.cpu:.2f} ms CPU a patient, {self.rate:.0f} patients/s, {self.share:.0%} of the time is ours"


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for and print what was measured; 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench job", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (default: 5)")
    parser.add_argument("--round", type=int, default=300, help="how many patients in each round (default: 300)")
    parser.add_argument("--workers", action="store_true", help="how far more workers help, by how slow the server is")
    parser.add_argument("--patients", type=int, help="run over a hospital of so many, and watch the memory")
    chosen = parser.parse_args(arguments)
    if chosen.workers:
        return _scaling()
    if chosen.patients:
        return _memory(chosen.patients)
    return _processor(chosen.rounds, chosen.round)


def _processor(rounds: int, patients: int) -> int:
    """Processor time for a patient, with the server's batches and without."""
    best = {}
    with _job() as one, _job("--no-batch") as other:
        rivals = {"one batch": one, "one search for each type": other}
        for job in rivals.values():
            _measured(job, 20)
        took = {name: [] for name in rivals}  # type: dict[str, list[Took]]
        for _ in range(rounds):
            for name, job in rivals.items():
                took[name].append(_measured(job, patients))
        for name in rivals:
            best[name] = median(each.cpu for each in took[name])
            print(f"{name}: {_middle(took[name])}")
            print(f"  nothing changed: {_unchanged(rivals[name], patients)}")
    for name, milliseconds in best.items():
        verdict = "met" if milliseconds <= _MOST_MILLISECONDS else "NOT MET"
        print(f"{name}: {milliseconds:.2f} ms, at most {_MOST_MILLISECONDS}: {verdict}")
    return int(max(best.values()) > _MOST_MILLISECONDS)


def _scaling() -> int:
    """Patients a second by workers: the rate grows until a core is full."""
    for milliseconds in _DELAYS:
        for words in (("--no-batch",), ()):
            with _job("--milliseconds", str(milliseconds), *words) as job:
                _measured(job, 20)
                said = f"answers after {milliseconds} ms, {'each type asked for alone' if words else 'one batch'}"
                for workers in _WORKERS:
                    patients = min(300, 40 * workers) if milliseconds else 200
                    print(f"{said}, {workers:2} workers: {_measured(job, patients, workers)}", flush=True)
    return 0


def _memory(patients: int) -> int:
    """The memory of the command, seen from outside, while it works through a hospital."""
    sampled: dict[int, int] = {}
    with _server("--patients", str(patients)) as base, tempfile.TemporaryDirectory() as folder:
        words = ["--server", base, "--all", "--as-of", "2026-06-15", "--ledger", str(Path(folder) / "ledger.sqlite")]
        process = subprocess.Popen([*_COMMAND, *words], stdout=subprocess.PIPE, env=_environment())
        assert process.stdout is not None
        done = 0
        for line in process.stdout:
            done += b'"event": "patient"' in line
            if b'"patient"' in line and (done in _SAMPLED_AT or done == patients):
                sampled[done] = _resident(process.pid)
        process.wait()
    print("; ".join(f"{number} patients: {kilobytes / 1024:.0f} MB" for number, kilobytes in sampled.items()))
    growth = sampled[max(sampled)] / sampled[min(sampled)]
    verdict = "met" if growth <= _MOST_GROWTH and done == patients else "NOT MET"
    print(f"{done} patients, memory grew to {growth:.2f} of the first figure, at most {_MOST_GROWTH}: {verdict}")
    return int(verdict != "met")


def _measured(job: Job, patients: int, workers: int = 1, ending: Ending = Ending.WRITTEN) -> Took:
    names = [f"Patient/n{next(_numbers)}" for _ in range(patients)]
    return _taken(job, names, workers, ending)


def _unchanged(job: Job, patients: int) -> Took:
    names = [f"Patient/n{next(_numbers)}" for _ in range(patients)]
    _taken(job, names, 1, Ending.WRITTEN)
    return _taken(job, names, 1, Ending.UNCHANGED)


def _taken(job: Job, names: Sequence[str], workers: int, ending: Ending) -> Took:
    cpu, clock = time.process_time(), time.perf_counter()
    tally = run(job.assess_and_write, names, workers=workers, tell=lambda done: None, stop=threading.Event())
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    assert tally.endings == {ending: len(names)}, tally.endings
    return Took(cpu / len(names) * 1000, len(names) / clock, cpu / clock)


def _middle(rounds: Sequence[Took]) -> Took:
    return Took(*(median(figures) for figures in zip(*rounds, strict=True)))


def _resident(process: int) -> int:
    """Kilobytes of memory that a process holds."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OSTEO_FHIR_")}


@contextmanager
def _job(*words: str) -> Iterator[Job]:
    with _server(*words) as base, tempfile.TemporaryDirectory() as folder:
        flags = {"server": base, "ledger": str(Path(folder) / "ledger.sqlite")}
        yield job_of(load_settings(flags, {}), as_of=lambda: _AS_OF)


@contextmanager
def _server(*words: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tests.servers.instant", str(port), *words])
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
