"""Every counterpart, started once and emptied after each test, and what is written to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge
from tests.contracts.counterparts import COUNTERPARTS, Counterpart
from tests.writing.building import written


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="module", params=list(COUNTERPARTS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counterpart]:
    with COUNTERPARTS[request.param](tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def counterpart(running: Counterpart) -> Iterator[Counterpart]:
    """A server without anything of ours on it."""
    yield running
    running.clear()


@pytest.fixture
def resources(counterpart: Counterpart, knowledge: Knowledge) -> list[dict[str, Any]]:
    return written(knowledge, release=counterpart.release)
