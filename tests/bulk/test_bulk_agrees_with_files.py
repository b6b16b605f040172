"""Law: "the doors agree": bulk output equals the output of the file door, patient by patient."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bulk.building import converted, laid_out, said_by_bulk, said_by_files
from tests.bulk.populations import hospital

# What real systems send stands beside the checkout; it is not part of the product.
_DATA = Path(__file__).parents[3] / "shared/data"


@pytest.mark.parametrize("seed", range(12))
def test_a_generated_hospital_is_assessed_alike(seed: int, tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", hospital(seed))

    finished = converted(folder, tmp_path / "out")

    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)
