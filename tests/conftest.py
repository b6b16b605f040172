"""What every test may ask for: the repository, the shared samples, and a steady hypothesis."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: the first example also pays for imports, and two workers share two cores. In CI the examples are always
# the same, so that a red run means a change; everywhere else each run looks at new ones.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "desk")

_REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the campaigns run for longer than they do every day."""
    parser.addoption("--kills", type=int, metavar="N", help="Kill the job and the service N times in each campaign.")
    parser.addoption("--soak", type=float, metavar="HOURS", help="Have the service run for so long, and watch it.")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository, or of the unpacked sdist."""
    return _REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """What real systems send, many sources of it; it stands beside the repository and is not part of it."""
    folder = _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared samples are not beside this repository")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no branch as reached by the shared samples alone; untraced, their many entries also take half the time."""
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("no_cover")
