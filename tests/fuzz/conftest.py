"""The option that lets the campaign run for longer than it does every day."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--fuzz-minutes``."""
    parser.addoption(
        "--fuzz-minutes",
        type=float,
        default=0,
        metavar="N",
        help="Mutate inputs for N minutes, from a new seed each time.",
    )


@pytest.fixture
def fuzz_minutes(request: pytest.FixtureRequest) -> float:
    """How long the campaign goes on; 0 is the small one of every day, whose inputs are always the same."""
    return float(request.config.getoption("--fuzz-minutes", default=0))
