"""What no longer holds is taken back once, unless a person was there first; and whatever happens is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from adapter.errors import ServerError
from adapter.fhir_server.retracting import reinstate, retract
from adapter.fhir_server.writing_back import Receipt, write_back
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from tests.contracts.counterparts import client
from tests.servers.picky import Picky, picky
from tests.writing.building import written

WHY = "A result was withdrawn."
AGAIN = "It is there again."


@pytest.fixture
def server() -> Iterator[Picky]:
    with picky() as running:
        yield running


@pytest.fixture
def place(server: Picky, knowledge: Knowledge) -> str:
    return write_back(client(server.base), written(knowledge)).written[0]


def _stands(server: Picky) -> dict[str, Any]:
    [only] = server.found("RiskAssessment")
    return only


def _edit(server: Picky, **changes: Any) -> None:
    server.store({**_stands(server), **changes}, _stands(server)["id"])


def test_it_keeps_every_digit_and_adds_only_the_reason(server: Picky, place: str) -> None:
    before = _stands(server)
    receipt = retract(client(server.base), place, reason=WHY)
    assert isinstance(receipt, Receipt)
    assert receipt.written == (place.removesuffix("1") + "2",)
    changed = {"status": "entered-in-error", "note": [*before["note"], {"text": WHY}], "meta": {"versionId": "2"}}
    assert _stands(server) == {**before, **changed}
    assert str(_stands(server)["prediction"][1]["probabilityDecimal"]) == "12.40"


def test_what_only_the_server_may_say_is_not_sent_back(server: Picky, place: str) -> None:
    """Medplum adds elements to ``meta`` that are no FHIR."""
    server.found("RiskAssessment")[0]["meta"] |= {"project": "p", "lastUpdated": "2026-06-15T09:30:00Z", "tag": []}
    assert isinstance(retract(client(server.base), place, reason=WHY), Receipt)
    assert _stands(server)["meta"] == {"tag": [], "versionId": "2"}


def test_a_lost_answer_is_no_failure_and_it_is_taken_back_once(server: Picky, place: str) -> None:
    """E31"""
    server.habits.loses = lambda method, path: method == "PUT"
    receipt = retract(client(server.base), place, reason=WHY)
    assert isinstance(receipt, Receipt)
    assert _stands(server)["note"][-1] == {"text": WHY}
    assert [note["text"] for note in _stands(server)["note"]].count(WHY) == 1


@pytest.mark.parametrize("status", [409, 412])
def test_a_person_who_is_quicker_wins(server: Picky, place: str, status: int) -> None:
    """A1.16, E33: changed between our reading and our writing."""

    def beside(method: str, path: str, headers: Mapping[str, str]) -> int:
        if method != "PUT":
            return 0
        _edit(server, mitigation="Seen and agreed.")
        return status

    server.habits.refuses = beside
    problem = retract(client(server.base), place, reason=WHY)
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.EDITED_SINCE
    assert problem.resource == place.partition("/_history")[0]
    assert _stands(server)["status"] == "final"


def _taken_back(server: Picky, place: str) -> str:
    receipt = retract(client(server.base), place, reason=WHY)
    assert isinstance(receipt, Receipt)
    return receipt.written[0]


def _again(server: Picky, place: str) -> Receipt | Problem:
    return reinstate(client(server.base), place, status="final", reason=AGAIN, ours=(WHY,))


def test_what_a_person_brought_back_and_changed_is_the_persons(server: Picky, place: str) -> None:
    """A1.16: taken for ours, it would be overwritten the next time"""
    back = _taken_back(server, place)
    _edit(server, status="amended", mitigation="Seen and agreed.", note=[{"text": "by hand"}])
    problem = _again(server, back)
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.EDITED_SINCE
    assert _stands(server)["status"] == "amended"


def test_a_person_who_brings_it_back_at_the_same_moment_wins(server: Picky, place: str) -> None:
    """E33"""
    back = _taken_back(server, place)

    def beside(method: str, path: str, headers: Mapping[str, str]) -> int:
        if method != "PUT":
            return 0
        _edit(server, status="amended", note=[{"text": "by hand"}])
        return 412

    server.habits.refuses = beside
    problem = _again(server, back)
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.EDITED_SINCE


def test_that_it_holds_again_is_ours_though_the_answer_was_lost(server: Picky, place: str) -> None:
    """E31"""
    back = _taken_back(server, place)
    server.habits.loses = lambda method, path: method == "PUT"
    for _ in range(2):
        assert isinstance(_again(server, back), Receipt)
        server.habits.loses = lambda method, path: False
    assert [note["text"] for note in _stands(server)["note"]].count(AGAIN) == 1
    assert _stands(server)["status"] == "final"


def test_it_is_written_on_the_condition_that_nobody_changed_it(server: Picky, place: str) -> None:
    """A1.16"""
    sent: list[str] = []

    def refuses(method: str, path: str, headers: Mapping[str, str]) -> int:
        sent.append(headers.get("if-match", ""))
        return 0

    server.habits.refuses = refuses
    retract(client(server.base), place, reason=WHY)
    assert sent[-1] == 'W/"1"'


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_that_allows_no_change_is_named(server: Picky, place: str, status: int) -> None:
    server.habits.refuses = lambda method, path, headers: status if method == "PUT" else 0
    problem = retract(client(server.base), place, reason=WHY)
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.WAY_CHANGED
    assert "still stands" in problem.then


@pytest.mark.parametrize("moment", ["before reading", "before writing"])
def test_what_is_gone_is_said_to_be_gone(server: Picky, place: str, moment: str) -> None:
    def refuses(method: str, path: str, headers: Mapping[str, str]) -> int:
        if method == ("GET" if moment == "before reading" else "PUT"):
            server.remove(place.partition("/_history")[0])
            return 410
        return 0

    server.habits.refuses = refuses
    problem = retract(client(server.base), place, reason=WHY)
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.DELETED


def test_another_refusal_is_an_error(server: Picky, place: str) -> None:
    server.habits.refuses = lambda method, path, headers: 422 if method == "PUT" else 0
    with pytest.raises(ServerError) as raised:
        retract(client(server.base), place, reason=WHY)
    assert raised.value.status == 422


def test_an_answer_that_is_another_resource_is_not_believed(server: Picky, place: str) -> None:
    server.versions[place.partition("/_history")[0]] = [{"resourceType": "Patient", "id": "1"}]
    with pytest.raises(ServerError) as raised:
        retract(client(server.base), place, reason=WHY)
    assert raised.value.code == "unexpected-content"


def test_what_would_not_be_valid_is_not_sent(server: Picky, place: str) -> None:
    """A9.10"""
    _stands(server)["prediction"][1]["probabilityDecimal"] = 140
    problem = retract(client(server.base), place, reason=WHY)
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.ELEMENT_INVALID
    assert _stands(server)["status"] == "final"


def test_without_versions_it_is_taken_back_and_the_doubt_is_said(knowledge: Knowledge) -> None:
    with picky(has_versions=False) as server:
        place = write_back(client(server.base), written(knowledge)).written[0]
        receipt = retract(client(server.base), place, reason=WHY)
        assert isinstance(receipt, Receipt)
        assert [problem.code for problem in receipt.problems] == [ProblemCode.EDITED_SINCE]
        assert _stands(server)["status"] == "entered-in-error"
