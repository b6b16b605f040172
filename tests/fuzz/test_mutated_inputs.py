"""Real inputs, spoiled: nothing breaks, nothing hangs, nothing vanishes, nothing invalid is written.

A small campaign with always the same seeds runs every day; ``pytest tests/fuzz --fuzz-minutes 30`` runs a long one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.mutating import mutated
from tests.fuzz.surviving import reproducible, survives

_FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
_INPUTS = sorted(_FIXTURES.glob("*/*/input.*"))
_ENDINGS = (".json", ".ndjson", ".gz", ".http", ".xml")
# Larger files are read whole by other tests; here many small ones teach more in the same time.
_LARGEST = 60_000
_A_DAY_OF_FIXTURES, _A_DAY_OF_SAMPLES = 1000, 400


def campaign(paths: list[Path], seeds: Iterator[int]) -> int:
    """Spoil one input per seed; how many there were."""
    count = 0
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - not a secret, only to be repeated
        path = chance.choice(paths)
        with reproducible(path.name, seed):
            survives(mutated(chance, path.read_bytes()), chance.choice((path.name, "a.ndjson", "b.json.gz")))
        count += 1
    return count


def until(end: float) -> Iterator[int]:
    """New seeds until the time is over."""
    while time.monotonic() < end:
        yield random.SystemRandom().randrange(2**63)


def test_spoiled_fixtures_break_nothing() -> None:
    assert campaign(_INPUTS, iter(range(_A_DAY_OF_FIXTURES))) == _A_DAY_OF_FIXTURES


def test_spoiled_samples_of_real_systems_break_nothing(shared_data: Path) -> None:
    found = sorted(path for path in shared_data.rglob("*") if path.is_file() and path.name.endswith(_ENDINGS))
    small = [path for path in found if path.stat().st_size < _LARGEST]

    assert campaign(small, iter(range(_A_DAY_OF_SAMPLES))) == _A_DAY_OF_SAMPLES


def test_a_long_campaign_breaks_nothing_where_one_is_asked_for(fuzz_minutes: float, repository: Path) -> None:
    samples = (repository.parent / "shared" / "data").rglob("*.json")
    small = [path for path in samples if path.stat().st_size < _LARGEST]

    count = campaign([*_INPUTS, *sorted(small)], until(time.monotonic() + 60 * fuzz_minutes))

    assert bool(count) is bool(fuzz_minutes)


@pytest.mark.parametrize("path", _INPUTS, ids=lambda path: path.parent.name)
def test_every_fixture_survives_unspoiled(path: Path) -> None:
    survives(path.read_bytes(), path.name)
