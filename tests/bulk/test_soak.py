"""Run after run, nothing grows; ``pytest tests/bulk/test_soak.py --bulk-soak 30`` does so for thirty minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.bulk_generating import write_export

_MEGABYTE = 1024 * 1024


def growth(samples: list[tuple[int, int]]) -> tuple[int, int]:
    """How much more memory, and how many more handles, the second half took at its peak than the first."""
    half = len(samples) // 2
    before, after = samples[:half], samples[half:]
    memory = max(resident for resident, _ in after) - max(resident for resident, _ in before)
    return memory, max(handles for _, handles in after) - max(handles for _, handles in before)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [([(10, 4), (12, 4), (11, 4), (12, 4)], (0, 0)), ([(10, 4), (12, 4), (30, 4), (20, 5)], (18, 1))],
)
def test_growth_is_told(samples: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    assert growth(samples) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="a process tells its memory by /proc")
def test_run_after_run_takes_no_more_memory_and_leaves_no_file_open(
    tmp_path: Path, request: pytest.FixtureRequest, repository: Path
) -> None:
    minutes = float(request.config.getoption("--bulk-soak", default=None) or 0)
    write_export(tmp_path / "export", 20_000 if minutes else 500)
    folders = [str(tmp_path / "export"), str(tmp_path / "out")]
    command = [sys.executable, "-m", "tests.bulk.soaking", *folders, str(minutes * 60)]

    told = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout

    samples = [(int(resident), int(handles)) for resident, handles in map(str.split, told.splitlines())]
    memory, handles = growth(samples)
    print(f"{len(samples)} runs: {samples[0]} to {samples[-1]}, growth {memory} bytes")  # noqa: T201 - the campaign's word
    assert (memory < 4 * _MEGABYTE, handles) == (True, 0)
