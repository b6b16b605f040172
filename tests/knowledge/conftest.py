"""The knowledge that is shipped, and a small set of mappings that each test spoils in its own way."""

from __future__ import annotations

import pytest

from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge, shipped

SMALL = """
[about]
name = "small"
version = "1"

[marker.ctx]
name.en = "CTX"
name.zh = "CTX"
unit = "ng/L"
role = "resorption"
source = "a test"
sureness = "D"

[[unit]]
marker = "ctx"
factor = { "ng/L" = 1, "ng/mL" = 1000 }
source = "a test"
sureness = "D"
"""


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """The shipped knowledge."""
    return load_knowledge()


@pytest.fixture(scope="session")
def shipped_files() -> dict[str, bytes]:
    """The shipped mapping files."""
    return shipped()


def small(**more: str) -> dict[str, bytes]:
    """A small, whole set of mappings, with more files by their name (``_`` stands for the dot)."""
    return {"small.toml": SMALL.encode()} | {name.replace("_", "."): text.encode() for name, text in more.items()}
