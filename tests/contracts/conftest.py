"""Every counterpart, started once per test that asks for it, and what is written to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge
from tests.contracts.counterparts import COUNTERPARTS, Counterpart
from tests.writing.building import written


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(params=list(COUNTERPARTS))
def counterpart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counterpart]:
    with COUNTERPARTS[request.param](tmp_path) as running:
        yield running


@pytest.fixture
def resources(counterpart: Counterpart, knowledge: Knowledge) -> list[dict[str, Any]]:
    return written(knowledge, release=counterpart.release)
