"""The options that kill more runs, and go on for longer, than every day."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bulk-kills`` and ``--bulk-soak``."""
    parser.addoption("--bulk-soak", type=float, metavar="MINUTES", help="Convert again and again for so long.")
    parser.addoption("--bulk-kills", type=int, default=3, metavar="N", help="Kill a bulk run N times, and go on.")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a run is killed."""
    return int(request.config.getoption("--bulk-kills", default=3))
