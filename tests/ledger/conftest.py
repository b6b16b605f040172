"""An empty ledger, its clock, and how long the campaigns may take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.ledger import Ledger
from tests.ledger.building import Clock, ledger_in


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--ledger-kills``."""
    parser.addoption("--ledger-kills", type=int, default=6, metavar="N", help="Kill a writer of the ledger N times.")


@pytest.fixture
def ledger_kills(request: pytest.FixtureRequest) -> int:
    """How often a writing process is killed."""
    return int(request.config.getoption("--ledger-kills", default=6))


@pytest.fixture
def clock() -> Clock:
    """The ledger's clock."""
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = ledger_in(tmp_path, clock)
    yield ledger
    ledger.close()
