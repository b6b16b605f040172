"""How many times a campaign kills the job."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--kills``."""
    parser.addoption("--kills", type=int, default=8, metavar="N", help="Kill the job N times in each campaign.")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often the job is killed."""
    return int(request.config.getoption("--kills", default=8))
