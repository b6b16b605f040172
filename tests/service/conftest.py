"""The option that lets the campaign run for longer than it does every day, and the application with a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.desk import Desk


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--kills``."""
    parser.addoption("--kills", type=int, default=8, metavar="N", help="Kill the service under load N times.")


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
