"""The option that renews the golden outputs."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-goldens``."""
    parser.addoption("--update-goldens", action="store_true", help="Write output.json of every journey anew.")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether the golden outputs are to be written anew."""
    return bool(request.config.getoption("--update-goldens", default=False))
