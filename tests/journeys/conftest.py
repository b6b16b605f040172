"""The option that renews the golden pages."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-goldens``."""
    parser.addoption("--update-goldens", action="store_true", help="Write the pages of the worked cases anew.")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether the golden pages are to be written anew."""
    return bool(request.config.getoption("--update-goldens", default=False))
