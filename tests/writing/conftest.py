"""The knowledge that is shipped: what is written is tested in the words that clinicians will read."""

from __future__ import annotations

import pytest

from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()
