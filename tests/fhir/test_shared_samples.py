from __future__ import annotations

from pathlib import Path

import pytest

from adapter.fhir.reading import Source, read
from tests.fhir.building import assert_nothing_vanished
from tests.shared.sources import AS_OF

_SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz", ".xml", ".xml.gz")


def _sources(folder: Path) -> list[Source]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(_SUFFIXES))
    return [Source(path.name, path.read_bytes()) for path in files]


@pytest.mark.parametrize("folder", AS_OF)
def test_whatever_real_systems_send_nothing_vanishes(folder: str, shared_data: Path) -> None:
    """Every entry that comes in is used, set aside with a problem, or counted as irrelevant."""
    for source in _sources(shared_data / folder):
        assert_nothing_vanished(read([source], release=None))


@pytest.mark.parametrize("folder", AS_OF)
def test_all_files_of_one_system_are_one_input(folder: str, shared_data: Path) -> None:
    assert_nothing_vanished(read(_sources(shared_data / folder), release=None))
