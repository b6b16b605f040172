"""Measure the bulk door: ratios of what ran in turns on the same export, and the peak memory of all processes together.

python -m tests.benchmarks.bulk [--observations N]... [--rounds N] [--peers]; sizes of 5000000 and 10000000 take long
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.benchmarks import bulk_peers
from tests.benchmarks.bulk_generating import write_export

_CONVERT = (sys.executable, "-c", "from adapter.entrypoints.cli import main; main()", "convert")
_PEERS = (sys.executable, bulk_peers.__file__)
_MODELS_SHARE = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Goal(NamedTuple):
    """A promise: how many times as fast one rival is as another, at least."""

    what: str
    fast: str
    slow: str
    target: float


class Run(NamedTuple):
    """What one run took: seconds by the clock and of work, and bytes at the peak."""

    seconds: float
    work: float
    memory: int


_GOALS = (
    Goal("two workers / orjson.loads alone", "two workers", "orjson.loads", 1.5),
    Goal("one worker / orjson.loads alone", "one worker", "orjson.loads", 0.8),
    Goal("two workers / one worker", "two workers", "one worker", 1.7),
    Goal("two workers / script with json", "two workers", "json", 4),
    Goal("two workers / script with fhir.resources", "two workers", "fhir.resources", 90),
)
_MOST_MEMORY = 200 * 1024 * 1024
# Beyond this size everything else is a matter of patience: two workers alone, once.
_MILLION = 1_000_000
_MOST_GROWTH = 1.15


def main(arguments: Sequence[str]) -> int:
    """Run everything in turns and print what was measured; 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, action="append", help="size; may be repeated (default: 100000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true", help="run the two scripts too; the slow one on a twentieth")
    chosen = parser.parse_args(arguments)
    costs: dict[int, float] = {}
    kept = [
        _measured(size, chosen.rounds if size <= _MILLION else 1, costs, with_peers=chosen.peers)
        for size in chosen.observations or [100_000]
    ]
    return int(not all([*kept, _stays_flat(costs)]))


def _stays_flat(costs: dict[int, float]) -> bool:
    """Whether an Observation among many millions costs hardly more than one among one million."""
    large = {size: cost for size, cost in costs.items() if size >= _MILLION}
    if len(large) < 2:
        return True
    ratio = large[max(large)] / large[min(large)]
    is_kept = ratio <= _MOST_GROWTH
    print(f"\nwork for an Observation among {max(large)} / among {min(large)}: at most {_MOST_GROWTH}, "
          f"measured {ratio:.2f}, {'met' if is_kept else 'NOT MET'}")  # fmt: skip
    return is_kept


def _measured(size: int, rounds: int, costs: dict[int, float], *, with_peers: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export"
        write_export(export, size)
        commands = dict(_rivals(Path(folder), size, with_peers=with_peers))
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        outputs = set()
        for _ in range(rounds):
            for name, command in commands.items():
                runs[name].append(run(command))
                if name.endswith(("worker", "workers")):
                    outputs.add(_fingerprint(Path(folder) / "out"))
                    shutil.rmtree(Path(folder) / "out")
    print(f"\n{size} Observations, median of {rounds} rounds")
    if len(outputs) != 1:
        print("  the output DIFFERS between runs")
    costs[size] = median(each.work for each in runs["two workers"]) / size
    return all([_told(size, runs), len(outputs) == 1])


def _rivals(folder: Path, size: int, *, with_peers: bool) -> Iterator[tuple[str, list[str]]]:
    export, out = str(folder / "export"), str(folder / "out")
    counts = ((1, "one worker"), (2, "two workers"))
    if size <= _MILLION:
        yield "orjson.loads", [*_PEERS, "parse", export]
    for workers, name in counts if size <= _MILLION else counts[1:]:
        yield name, [*_CONVERT, export, "--out", out, "--as-of", "2026-06-15", "--workers", str(workers)]
    if with_peers and size <= _MILLION:
        write_export(folder / "small", size // _MODELS_SHARE)
        yield "json", [*_PEERS, "json", export, str(folder / "json")]
        yield "fhir.resources", [*_PEERS, "models", str(folder / "small"), str(folder / "models")]


def run(command: Sequence[str]) -> Run:
    """Run a process; its memory is looked at from outside, all its children's with it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    told = process.communicate()[1]
    seconds = time.perf_counter() - begun
    watcher.join()
    if process.returncode not in (0, 1):
        raise SystemExit(told.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0])


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(_resident, _family(process.pid))))
        time.sleep(0.05)


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _resident(pid: int) -> int:
    """Pages in memory; those that processes share count for each, so the sum is an upper bound."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _fingerprint(folder: Path) -> str:
    digest = sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _told(size: int, runs: dict[str, list[Run]]) -> bool:
    """Print the tables; whether every promise was kept."""
    sizes = {name: size // _MODELS_SHARE if name == "fhir.resources" else size for name in runs}
    rates = {name: sizes[name] / median(each.seconds for each in several) for name, several in runs.items()}
    peaks = {name: max(each.memory for each in several) for name, several in runs.items()}
    for name, rate in rates.items():
        work = median(each.work for each in runs[name]) / sizes[name] * 1_000_000
        print(f"  {name:<20}{rate:>12,.0f} Observations/s{work:>8.1f} µs of work each{peaks[name] >> 20:>8} MB")
    kept = True
    for goal in _GOALS:
        if not {goal.slow, goal.fast} <= rates.keys():
            continue
        ratio = rates[goal.fast] / rates[goal.slow]
        kept = kept and ratio >= goal.target
        print(f"  {goal.what:<45}≥ {goal.target:<6g}{ratio:>8.2f}  {'met' if ratio >= goal.target else 'NOT MET'}")
    memory = max(peak for name, peak in peaks.items() if name.endswith(("worker", "workers")))
    print(f"  {'peak memory of all processes':<45}≤ 200 MB{memory / 1024 / 1024:>6.0f}  "
          f"{'met' if memory <= _MOST_MEMORY else 'NOT MET'}")  # fmt: skip
    return kept and memory <= _MOST_MEMORY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
