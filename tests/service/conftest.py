"""The application with a client, and the notifications of the repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The application, begun."""
    desk = Desk(tmp_path)
    with desk.client:
        yield desk


@pytest.fixture
def fixture(repository: Path) -> Callable[[str], bytes]:
    """A notification of the repository, by name."""
    return lambda name: (repository / "fixtures" / "notifications" / f"{name}.json").read_bytes()
