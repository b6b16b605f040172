"""Measure the promises about speed: ratios of what ran side by side, never times that a machine must reach."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time

import orjson

from adapter import Knowledge, load_knowledge
from tests.benchmarks import generating, naive, ours
from tests.benchmarks.timing import Goal, Rivals, Seconds, raced

_PATIENTS = 40
_PYTHON = (sys.executable, "-c")
# What the installed command `osteo-fhir` runs.
_COMMAND = (*_PYTHON, "from adapter.entrypoints.cli import main; main()")
_CONVERT = (*_COMMAND, "convert", "--as-of", str(generating.AS_OF.date()))
_GOALS = (
    Goal("read and recognise Observations / orjson.loads", "read and recognise", "orjson.loads, lines", 1.0),
    Goal("naive / one Bundle, warm, not validated", "naive, warm", "Bundle, not validated", 25, at_least=True),
    Goal("naive / one Bundle, warm, validated", "naive, warm", "Bundle, validated", 5, at_least=True),
    Goal("osteo-fhir convert, cold / naive, cold", "convert, cold", "naive, cold", 1.3),
    Goal("osteo-fhir --help / python -c pass", "--help", "python -c pass", 5),
)


def main(arguments: Sequence[str]) -> int:
    """Run all races and print what was measured; 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each rival runs (default: 9)")
    rounds: int = parser.parse_args(arguments).rounds
    knowledge = load_knowledge()
    seconds = raced(lambda number: _warm(number, knowledge), rounds=rounds, clock=process_time)
    with tempfile.TemporaryDirectory() as folder:
        processes = _cold(Path(folder))
        seconds |= raced(lambda _: processes, rounds=rounds)
    print("\n".join([*_times(seconds), "", *_table(seconds)]))
    return int(not all(goal.is_met(goal.ratio(seconds)) for goal in _GOALS))


def _warm(number: int, knowledge: Knowledge) -> Rivals:
    """What runs within this process; every round has patients of its own, and every rival treats all of them."""
    seeds = range(number * _PATIENTS, (number + 1) * _PATIENTS)
    lines = [line for seed in seeds for line in generating.relevant_observations(seed)]
    joined = b"\n".join(lines)
    bundles = [generating.bundle(seed) for seed in seeds]
    return {
        "orjson.loads, lines": lambda: _each(orjson.loads, lines),
        "read and recognise": lambda: ours.understood(joined, knowledge),
        "orjson.loads, Bundle": lambda: _each(orjson.loads, bundles),
        "Bundle, not validated": lambda: _each(lambda bundle: ours.converted(bundle, knowledge), bundles),
        "Bundle, validated": lambda: _each(lambda bundle: ours.converted_and_validated(bundle, knowledge), bundles),
        "naive, warm": lambda: _each(naive.converted, bundles),
    }


def _each(call: Callable[[bytes], object], data: Iterable[bytes]) -> None:
    """Call it for each, and keep nothing: what is kept would be paid for by the garbage collector."""
    deque(map(call, data), maxlen=0)


def _cold(folder: Path) -> Rivals:
    """What runs as a process of its own."""
    bundle = folder / "bundle.json"
    bundle.write_bytes(generating.bundle(seed=0))

    # As when installed, every module is compiled already: by the round that does not count.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, env=environment)

    return {
        "python -c pass": lambda: run(*_PYTHON, "pass"),
        "--help": lambda: run(*_COMMAND, "--help"),
        "naive, cold": lambda: run(sys.executable, naive.__file__, str(bundle)),
        "convert, cold": lambda: run(*_CONVERT, str(bundle)),
        "convert --no-validate, cold": lambda: run(*_CONVERT, "--no-validate", str(bundle)),
    }


def _times(seconds: Seconds) -> Iterator[str]:
    yield f"{'milliseconds (median, fastest, slowest round)':<52}"
    for name, each in seconds.items():
        yield f"  {name:<50}{_shown(median(each))}{_shown(min(each))}{_shown(max(each))}"


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:10.1f}"


def _table(seconds: Seconds) -> Iterator[str]:
    yield f"{'promise':<52}{'target':>10}{'measured':>10}"
    for goal in _GOALS:
        ratio = goal.ratio(seconds)
        target = f"{'≥' if goal.at_least else '≤'} {goal.target:g}x"
        yield f"{goal.what:<52}{target:>10}{ratio:>9.2f}x  {'met' if goal.is_met(ratio) else 'NOT MET'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
