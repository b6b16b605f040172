"""sekmet-fhir (0.1.1) names no RiskAssessment among its types, takes it all the same, and finds none by identifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.fhir_server.capabilities import Capabilities, TypeCapabilities
from adapter.fhir_server.writing_back import write_back
from adapter.fhir_server.writing_back_ways import Habits, Manner
from adapter.knowledge.model import Knowledge
from adapter.problems import ProblemCode
from tests.contracts.counterparts import COUNTERPARTS, Counterpart
from tests.writing.building import assessment, written


@pytest.fixture
def sekmet(tmp_path: Path) -> Iterator[Counterpart]:
    with COUNTERPARTS["sekmet"](tmp_path) as running:
        yield running


def test_what_it_cannot_search_for_is_put_at_our_own_id(sekmet: Counterpart, knowledge: Knowledge) -> None:
    """A1.15, A1.22"""
    habits = Habits()
    first = write_back(sekmet.server, written(knowledge), habits=habits)
    second = write_back(sekmet.server, written(knowledge, assessment(plan="P2")), habits=habits)
    assert (first.way, habits.transaction) == ("transaction", Manner.PUT)
    assert {problem.code for problem in first.problems} == {ProblemCode.WAY_CHANGED}
    assert second.problems == ()
    assert [len(sekmet.found(kind)) for kind in ("RiskAssessment", "Device")] == [2, 1]


@pytest.mark.parametrize("transaction", [True, False])
def test_a_condition_that_it_refuses_is_given_up(sekmet: Counterpart, knowledge: Knowledge, transaction: bool) -> None:
    """A1.22: its 400 not-supported to ``If-None-Exist: identifier`` on RiskAssessment."""
    promised = Capabilities(
        transaction=transaction, types={"RiskAssessment": TypeCapabilities(conditional_create=True)}
    )
    habits = Habits(capabilities=promised)
    receipt = write_back(sekmet.server, written(knowledge), habits=habits)
    assert receipt.way == ("transaction" if transaction else "put")
    assert "HTTP 400 to" in " ".join(problem.what for problem in receipt.problems)
    second = write_back(sekmet.server, written(knowledge, assessment(plan="P2")), habits=habits)
    assert (second.way, second.problems) == (receipt.way, ())
    assert [len(sekmet.found(kind)) for kind in ("RiskAssessment", "Device", "Provenance")] == [2, 1, 2]


def test_what_a_person_changed_survives_a_promise_that_is_broken(sekmet: Counterpart, knowledge: Knowledge) -> None:
    """A1.22: the condition would have spared it; the PUT that takes its place would not."""
    write_back(sekmet.server, written(knowledge))
    sekmet.edit({**sekmet.one("RiskAssessment"), "mitigation": "Seen and agreed."})
    promised = Capabilities(transaction=True, types={"RiskAssessment": TypeCapabilities(conditional_create=True)})
    receipt = write_back(sekmet.server, written(knowledge), habits=Habits(capabilities=promised))
    assert not receipt.created
    assert sekmet.one("RiskAssessment")["mitigation"] == "Seen and agreed."
