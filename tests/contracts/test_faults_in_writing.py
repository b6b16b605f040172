"""What a server does wrong while it is written to never makes a second assessment, and never hides one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adapter.errors import ServerError
from adapter.fhir.decoding import encode
from adapter.fhir_server.writing_back import Receipt, write_back
from adapter.fhir_server.writing_back_ways import Habits
from adapter.knowledge.model import Knowledge
from adapter.problems import ProblemCode
from tests.contracts.counterparts import client
from tests.servers.picky import Picky, Said, picky, statement
from tests.writing.building import written

Resources = list[dict[str, Any]]
KINDS = ("RiskAssessment", "Device", "Provenance")
# The ways in which single resources are written.
WAYS: dict[str, dict[str, Any]] = {
    "put": {"metadata": statement(transaction=False, update_create=True)},
    "conditional": {"metadata": statement(transaction=False, conditional_create=True), "takes_our_ids": False},
    "search-then-create": {"metadata": statement(transaction=False), "takes_our_ids": False},
}


@pytest.fixture
def resources(knowledge: Knowledge) -> Resources:
    return written(knowledge)


def _write(server: Picky, resources: Resources, **given: Any) -> Receipt:
    return write_back(client(server.base), resources, **given)


def _counts(server: Picky) -> list[int]:
    return [len(server.found(kind)) for kind in KINDS]


def _codes(receipt: Receipt) -> set[ProblemCode]:
    return {problem.code for problem in receipt.problems}


def _once(condition: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    """True the first time the condition holds."""
    hit: list[bool] = []

    def once(method: str, path: str) -> bool:
        if hit or not condition(method, path):
            return False
        hit.append(True)
        return True

    return once


def _refusing(status: int, kind: str, *, method: str = "POST") -> Callable[[str, str, Mapping[str, str]], int]:
    return lambda asked, path, headers: status if asked == method and path.partition("/")[0] == kind else 0


@pytest.mark.parametrize("way", [*WAYS, "transaction"])
@pytest.mark.parametrize("kind", ["", *KINDS])
def test_a_lost_answer_makes_no_second_resource(way: str, kind: str, resources: Resources) -> None:
    """E31: the connection breaks after the server has done what it was asked."""
    lose = _once(lambda method, path: method != "GET" and path.partition("/")[0] == kind)
    with picky(**WAYS.get(way, {}), loses=lose) as server:
        receipt = _write(server, resources)
        again = _write(server, resources)
        assert _counts(server) == [1, 1, 1]
    assert receipt.way in (way, "put", "conditional", "")
    assert not again.created


@pytest.mark.parametrize(
    ("says", "sent"),
    [
        (statement(update_create=True), 2),
        (statement(conditional_create=True), 2),
        (None, 1),
    ],
)
def test_a_transaction_is_repeated_only_where_that_surely_creates_nothing_twice(
    says: dict[str, Any] | None, sent: int, resources: Resources
) -> None:
    """A1.21, E31"""
    with picky(metadata=says, loses=_once(lambda method, path: method == "POST")) as server:
        _write(server, resources)
        assert server.requests.count("POST ") == sent
        assert _counts(server) == [1, 1, 1]


def test_where_the_connection_always_breaks_trying_later_finds_what_was_written(resources: Resources) -> None:
    """E31"""
    with picky(loses=lambda method, path: method == "POST" and not path) as server:
        receipt = _write(server, resources)
        assert _counts(server) == [1, 1, 1]
        assert ProblemCode.WAY_CHANGED in _codes(receipt)


def test_a_lost_answer_that_nothing_is_found_of_is_an_unknown_state(resources: Resources) -> None:
    """E31, E37: it may still be on its way, so nothing is sent once more at once."""
    with picky(**WAYS["search-then-create"], loses=lambda method, path: path == "RiskAssessment") as server:
        server.habits.ignores_parameters = False
        hidden = server.found
        server.found = lambda kind: [] if kind == "RiskAssessment" else hidden(kind)  # type: ignore[method-assign]
        with pytest.raises(ServerError) as raised:
            _write(server, resources)
    assert raised.value.code == "unknown-state"
    assert raised.value.may_retry
    assert server.requests.count("POST RiskAssessment") == 1


def test_eight_writers_on_a_server_with_a_race_are_told_of_every_duplicate(resources: Resources) -> None:
    """E32: HAPI's and Azure's conditional create looks and creates without a lock."""
    says = statement(transaction=False, conditional_create=True)
    with picky(metadata=says, takes_our_ids=False, race_seconds=0.1) as server:
        with ThreadPoolExecutor(8) as pool:
            receipts = list(pool.map(lambda _: _write(server, resources), range(8)))
        stands = {f"RiskAssessment/{each['id']}" for each in server.found("RiskAssessment")}
        problems = [problem for receipt in receipts for problem in receipt.problems]
        told = {problem.resource for problem in problems if problem.code is ProblemCode.WRITTEN_TWICE}
        assert len(stands) > 1, "the race did not happen"
        assert stands <= told
        receipt = _write(server, resources)
    assert not receipt.created
    assert ProblemCode.WRITTEN_TWICE in _codes(receipt)


def test_eight_writers_cannot_race_where_the_server_takes_our_ids(resources: Resources) -> None:
    """E32"""
    with picky(metadata=statement(update_create=True), race_seconds=0.1) as server:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: _write(server, resources), range(8)))
        assert _counts(server) == [1, 1, 1]


@pytest.mark.parametrize("transaction", [True, False])
def test_several_that_match_are_reported_and_none_is_added(resources: Resources, transaction: bool) -> None:
    """A1.13, E33: 412 on If-None-Exist."""
    says = statement(transaction=transaction, conditional_create=True)
    with picky(metadata=says, takes_our_ids=False) as server:
        for id_ in ("one", "two"):
            server.store(resources[0], id_)
        receipt = _write(server, resources)
        assert len(server.found("RiskAssessment")) == 2
    told = [problem.resource for problem in receipt.problems if problem.code is ProblemCode.WRITTEN_TWICE]
    assert told == ["RiskAssessment/one", "RiskAssessment/two"]
    assert not receipt.created
    assert sum(each == "POST RiskAssessment" for each in server.requests) <= 1


def test_a_conflict_with_a_writer_beside_us_ends_with_what_that_one_wrote(resources: Resources) -> None:
    """E34: 409."""
    with picky(**WAYS["put"]) as server:

        def beside(method: str, path: str, headers: Mapping[str, str]) -> int:
            if method == "PUT" and path.startswith("RiskAssessment"):
                server.store(resources[0], resources[0]["id"])
                return 409
            return 0

        server.habits.refuses = beside
        receipt = _write(server, resources)
        assert _counts(server) == [1, 1, 1]
    assert not receipt.created


def test_a_conflict_without_any_other_writer_is_an_error(resources: Resources) -> None:
    """E34"""
    refuses = _refusing(409, "RiskAssessment", method="PUT")
    with picky(**WAYS["put"], refuses=refuses) as server, pytest.raises(ServerError) as raised:
        _write(server, resources)
    assert raised.value.status == 409


def test_too_large_a_transaction_is_divided(resources: Resources) -> None:
    """E34: 413."""
    habits = Habits()
    with picky(refuses=_refusing(413, "")) as server:
        receipt = _write(server, resources, habits=habits)
        assert _counts(server) == [1, 1, 1]
    assert receipt.created
    assert receipt.way == "conditional"
    assert not habits.refuses_transactions


@pytest.mark.parametrize("kind", ["", "RiskAssessment"])
def test_what_the_server_refuses_by_its_rules_is_not_tried_in_another_way(resources: Resources, kind: str) -> None:
    """E34: 422."""
    with picky(
        metadata=statement(transaction=not kind, conditional_create=True), refuses=_refusing(422, kind)
    ) as server:
        with pytest.raises(ServerError) as raised:
            _write(server, resources)
        assert _counts(server)[0] == 0
    assert raised.value.status == 422
    assert not raised.value.may_retry
    assert sum(each.startswith(("POST RiskAssessment", "PUT RiskAssessment")) for each in server.requests) <= 1


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_where_transactions_are_refused_it_goes_one_by_one_and_remembers(resources: Resources, status: int) -> None:
    """A1.19, E35"""
    habits = Habits()
    with picky(refuses=_refusing(status, "")) as server:
        receipt = _write(server, resources, habits=habits)
        before = server.requests.count("POST ")
        server.versions.clear()
        habits.devices.clear()
        second = _write(server, resources, habits=habits)
        assert _counts(server) == [1, 1, 1]
        assert server.requests.count("POST ") == before
    assert receipt.created
    assert second.created
    assert ProblemCode.WAY_CHANGED in _codes(receipt)
    assert second.problems == ()


@pytest.mark.parametrize(
    "answers",
    [lambda entries: entries[:-1], lambda entries: entries[::-1], lambda entries: [], lambda entries: [{}] * 3],
    ids=["fewer", "reversed", "none", "empty"],
)
@pytest.mark.parametrize("update_create", [True, False])
def test_an_answer_that_does_not_fit_is_not_believed(
    answers: Callable[[list[Any]], list[Any]], update_create: bool, resources: Resources
) -> None:
    """E36"""
    says = statement(update_create=update_create, conditional_create=not update_create)
    with picky(metadata=says, answers_transaction=answers) as server:
        receipt = _write(server, resources)
        assert _counts(server) == [1, 1, 1]
        [stands] = server.found("RiskAssessment")
    assert ProblemCode.ANSWER_UNCLEAR in _codes(receipt)
    assert receipt.written[0] == f"RiskAssessment/{stands['id']}/_history/1"


@pytest.mark.parametrize("way", [*WAYS, "transaction"])
def test_success_without_body_or_place_is_looked_for(way: str, resources: Resources) -> None:
    """A1.12, E37"""
    with picky(**WAYS.get(way, {}), is_silent=True) as server:
        receipt = _write(server, resources)
        assert _counts(server) == [1, 1, 1]
        [stands] = server.found("RiskAssessment")
    assert receipt.written[0].partition("/_history")[0] == f"RiskAssessment/{stands['id']}"


def test_success_that_cannot_be_found_is_an_unknown_state(resources: Resources) -> None:
    """E37"""
    with picky(**WAYS["search-then-create"], is_silent=True) as server:
        server.searched = lambda kind, condition: []  # type: ignore[method-assign]
        with pytest.raises(ServerError) as raised:
            _write(server, resources)
    assert raised.value.code == "unknown-state"
    assert server.requests.count("POST Device") == 1


def _saying(severity: str, code: str) -> Callable[[str, str, Mapping[str, str]], Said | None]:
    """A search for what is ours ends well, as it seems: with nothing found and a word beside it."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}
    page = encode({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": outcome}]})
    return lambda method, path, headers: (200, {}, page) if method == "GET" and "?" in path else None


@pytest.mark.parametrize("said", [("error", "timeout"), ("warning", "incomplete")], ids=" ".join)
def test_a_search_that_did_not_look_everywhere_does_not_say_that_nothing_stands_there(
    said: tuple[str, str], resources: Resources
) -> None:
    """A1.7: a second assessment would be created beside the first"""
    with picky(**WAYS["search-then-create"]) as server:
        _write(server, resources)
        server.habits.says = _saying(*said)
        with pytest.raises(ServerError) as error:
            _write(server, resources)
        assert error.value.may_retry
        assert _counts(server) == [1, 1, 1]


def test_a_search_that_failed_for_good_is_none_and_our_own_id_is_looked_at(resources: Resources) -> None:
    with picky(**WAYS["put"]) as server:
        _write(server, resources)
        server.habits.says = _saying("error", "processing")
        assert ProblemCode.WAY_CHANGED in _codes(_write(server, resources))
        assert _counts(server) == [1, 1, 1]


def test_a_condition_that_is_ignored_makes_no_second_resource(resources: Resources) -> None:
    """A1.22: a server may not know the header, and create each time."""
    with picky(ignores_conditions=True, takes_our_ids=False) as server:
        assert _write(server, resources).created
        assert not _write(server, resources).created
        assert _counts(server) == [1, 1, 1]


@pytest.mark.parametrize("refusal", ["ignored", "refused"])
def test_where_nothing_can_be_searched_only_our_own_id_is_sure(refusal: str, resources: Resources) -> None:
    """A1.8, A1.15, A1.22"""

    def refuses(method: str, path: str, headers: Mapping[str, str]) -> int:
        return 400 if refusal == "refused" and ("?" in path or "if-none-exist" in headers) else 0

    with picky(ignores_parameters=refusal == "ignored", refuses=refuses) as server:
        server.store({"resourceType": "RiskAssessment", "status": "final"}, "of-someone-else")
        for created in (True, False):
            receipt = _write(server, resources)
            assert receipt.created is created
            assert len(server.found("RiskAssessment")) == 2
    assert receipt.written[0] == f"RiskAssessment/{resources[0]['id']}/_history/1"


def test_where_no_way_is_sure_nothing_is_written(resources: Resources) -> None:
    """A1.15"""

    def refuses(method: str, path: str, headers: Mapping[str, str]) -> int:
        return 400 if "?" in path or "if-none-exist" in headers or (method == "POST" and not path) else 0

    with picky(takes_our_ids=False, refuses=refuses) as server:
        with pytest.raises(ServerError) as raised:
            _write(server, resources)
        assert _counts(server) == [0, 0, 0]
    assert raised.value.status == 405


def test_an_assessment_that_was_taken_back_is_not_written_again(resources: Resources) -> None:
    with picky() as server:
        _write(server, resources)
        [stands] = server.found("RiskAssessment")
        server.store({**stands, "status": "entered-in-error"}, stands["id"])
        receipt = _write(server, resources)
        assert _counts(server) == [1, 1, 1]
    assert not receipt.created
    assert ProblemCode.EDITED_SINCE in _codes(receipt)


def test_a_device_that_vanished_during_the_run_is_written_again(resources: Resources) -> None:
    habits = Habits()
    with picky() as server:
        _write(server, resources, habits=habits)
        server.versions.clear()
        server.habits.refuses = lambda method, path, headers: 422 if method == "POST" and habits.devices else 0
        with pytest.raises(ServerError):
            _write(server, resources, habits=habits)
        assert _write(server, resources, habits=habits).created
        assert _counts(server) == [1, 1, 1]


def test_a_server_that_is_busy_is_not_asked_in_other_ways(resources: Resources) -> None:
    with picky(refuses=_refusing(503, "")) as server:
        with pytest.raises(ServerError) as raised:
            _write(server, resources)
        assert _counts(server) == [0, 0, 0]
    assert raised.value.may_retry
    assert not any(each.startswith(("POST D", "PUT")) for each in server.requests)


def test_numbers_arrive_with_all_their_digits(resources: Resources) -> None:
    """A3.10, A9.3"""
    with picky() as server:
        _write(server, resources)
        [stands] = server.found("RiskAssessment")
    assert str(stands["prediction"][1]["probabilityDecimal"]) == "12.40"


def test_without_resources_nothing_is_asked_or_sent() -> None:
    with picky() as server:
        assert _write(server, []) == Receipt((), created=False, way="")
        assert server.requests == []


@pytest.mark.parametrize("path", ["metadata", "RiskAssessment"])
def test_a_server_that_cannot_be_asked_now_is_not_written_to(path: str, resources: Resources) -> None:
    """A1.22: that it does not answer now is not that it can do nothing."""
    with picky() as server:
        server.habits.refuses = lambda method, asked, headers: 503 if asked.partition("?")[0] == path else 0
        with pytest.raises(ServerError) as raised:
            _write(server, resources)
    assert raised.value.may_retry
    assert all(each.startswith("GET") for each in server.requests)


def test_what_an_earlier_try_has_done_is_not_even_looked_for(resources: Resources) -> None:
    """A1.19"""
    with picky() as server:
        written_before = _write(server, resources).written
        server.requests.clear()
        receipt = _write(server, resources, done=written_before)
        assert server.requests == ["GET metadata"]
    assert receipt == Receipt(written_before, created=False, way="")
