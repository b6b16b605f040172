"""How many times a campaign kills the job, and at which servers."""

from __future__ import annotations

import pytest

from tests.campaigns.trap import Way

_QUICK = [("sekmet", Way.TRANSACTIONS), ("medplum", Way.PLAIN_CREATES)]
# sekmet cannot search a RiskAssessment by its identifier, so it must take our ids or conditions.
_ALL = [*_QUICK, ("sekmet", Way.ONE_BY_ONE), ("medplum", Way.TRANSACTIONS), ("medplum", Way.ONE_BY_ONE)]


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often the job is killed."""
    return request.config.getoption("--kills", default=None) or 4


@pytest.fixture
def writes(request: pytest.FixtureRequest) -> list[int]:
    """The writes at which the job is killed: Device, RiskAssessment, Provenance, and the next patient's."""
    return [1, 2, 3, 4] if request.config.getoption("--kills", default=None) else [2]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Two servers that differ most in the usual run, all of them in the long one."""
    if "kind" in metafunc.fixturenames:
        servers = _ALL if metafunc.config.getoption("--kills", default=None) else _QUICK
        ids = [f"{kind} takes {way.value}" for kind, way in servers]
        metafunc.parametrize(("kind", "way"), servers, ids=ids)
