"""The options that let the campaigns run for longer than they do every day."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--kills``."""
    parser.addoption("--kills", type=int, default=8, metavar="N", help="Kill the service under load N times.")
