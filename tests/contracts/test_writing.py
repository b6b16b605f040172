"""Whatever the server's habits, it ends up with each assessment once; each test reads the server and counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir.amending import superseding
from adapter.fhir_server.retracting import retract
from adapter.fhir_server.writing_back import Receipt, write_back
from adapter.fhir_server.writing_back_ways import Habits
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from tests.contracts.counterparts import Counterpart, client
from tests.writing.building import assessment, written

Resources = list[dict[str, Any]]
KINDS = ("RiskAssessment", "Device", "Provenance")


class _Killed(Exception):
    """The process ends here."""


def _once(counterpart: Counterpart) -> None:
    """Each stands there once, and each names the others where they stand."""
    assessed, device, provenance = (counterpart.one(kind) for kind in KINDS)
    assert assessed["performer"]["reference"].endswith(f"Device/{device['id']}")
    assert provenance["target"][0]["reference"].endswith(f"RiskAssessment/{assessed['id']}")
    assert provenance["agent"][0]["who"]["reference"].endswith(f"Device/{device['id']}")


def test_what_is_written_stands_there_once_with_its_digits(counterpart: Counterpart, resources: Resources) -> None:
    told: list[tuple[str, ...]] = []
    receipt = write_back(counterpart.server, resources, step=told.append)
    _once(counterpart)
    assert receipt.created
    assert sorted(told[-1]) == sorted(receipt.written)
    assert [reference.partition("/")[0] for reference in receipt.written] == list(KINDS)
    for reference in receipt.written:
        assert counterpart.server.read(reference.partition("/_history")[0]) is not None
    stands = counterpart.one("RiskAssessment")
    for name in ("subject", "basis", "identifier", "status", "text", "note"):
        assert stands[name] == resources[0][name]
    numbers = [Decimal(str(each["probabilityDecimal"])) for each in stands["prediction"][1:]]
    assert numbers == [Decimal("12.40"), Decimal("2.1")]


@pytest.mark.parametrize("remembers", [True, False])
def test_writing_it_again_changes_nothing(counterpart: Counterpart, resources: Resources, remembers: bool) -> None:
    habits = Habits()
    first = write_back(counterpart.server, resources, habits=habits)
    before = counterpart.everything()
    second = write_back(counterpart.server, resources, habits=habits if remembers else None)
    assert counterpart.everything() == before
    assert not second.created
    assert [each.partition("/_history")[0] for each in second.written] == [
        each.partition("/_history")[0] for each in first.written
    ]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_second_patient_shares_the_device(counterpart: Counterpart, knowledge: Knowledge, remembers: bool) -> None:
    """A9.7"""
    habits = Habits()
    write_back(counterpart.server, written(knowledge, release=counterpart.release), habits=habits)
    device = counterpart.one("Device")
    another = written(knowledge, assessment(plan="P2"), release=counterpart.release)
    write_back(counterpart.server, another, habits=habits if remembers else None)
    assert [len(counterpart.found(kind)) for kind in KINDS] == [2, 1, 2]
    assert counterpart.one("Device") == device
    makers = [each["performer"]["reference"] for each in counterpart.found("RiskAssessment")]
    assert all(maker.endswith(f"Device/{device['id']}") for maker in makers)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_by_one_it_goes_on_where_it_was_killed(counterpart: Counterpart, resources: Resources, steps: int) -> None:
    """A1.19, E35"""
    done: tuple[str, ...] = ()

    def step(written: tuple[str, ...]) -> None:
        nonlocal done
        done = written
        if len(done) == steps:
            raise _Killed

    with pytest.raises(_Killed):
        write_back(counterpart.server, resources, step=step, habits=Habits(refuses_transactions=True))
    before = counterpart.everything()
    receipt = write_back(counterpart.server, resources, done=done, habits=Habits(refuses_transactions=True))
    _once(counterpart)
    assert [each for each in counterpart.everything() if each in before] == before
    assert receipt.way != "transaction"


def test_killed_before_it_could_say_so_it_finds_what_it_wrote(counterpart: Counterpart, resources: Resources) -> None:
    def step(written: tuple[str, ...]) -> None:
        raise _Killed

    for _ in range(4):
        with pytest.raises(_Killed):
            write_back(counterpart.server, resources, step=step)
    write_back(counterpart.server, resources)
    _once(counterpart)


def test_several_writers_at_once_write_it_once_or_say_so(counterpart: Counterpart, resources: Resources) -> None:
    """E32"""
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: write_back(client(counterpart.server.base), resources), range(8)))
    stands = {f"RiskAssessment/{each['id']}" for each in counterpart.found("RiskAssessment")}
    problems = [problem for receipt in receipts for problem in receipt.problems]
    told = {problem.resource for problem in problems if problem.code is ProblemCode.WRITTEN_TWICE}
    assert len(stands) == 1 or (counterpart.has_races and stands <= told)
    assert {receipt.written[0].partition("/_history")[0] for receipt in receipts} <= stands


def test_a_newer_assessment_names_the_one_it_replaces(counterpart: Counterpart, knowledge: Knowledge) -> None:
    old = write_back(counterpart.server, written(knowledge, release=counterpart.release))
    newer = written(knowledge, assessment(plan="P2"), release=counterpart.release)
    new = write_back(counterpart.server, superseding(newer, old.written[0]))
    assert new.created
    [stands] = [each for each in counterpart.found("RiskAssessment") if "parent" in each]
    assert stands["parent"]["reference"].endswith(old.written[0])
    [provenance] = [each for each in counterpart.found("Provenance") if each["entity"][-1]["role"] == "revision"]
    assert provenance["entity"][-1]["what"]["reference"].endswith(old.written[0])


def test_what_no_longer_holds_is_marked_and_stays_readable(counterpart: Counterpart, resources: Resources) -> None:
    receipt = write_back(counterpart.server, resources)
    taken_back = retract(
        counterpart.server, receipt.written[0], reason="A result was withdrawn.", release=counterpart.release
    )
    assert isinstance(taken_back, Receipt)
    stands = counterpart.one("RiskAssessment")
    assert stands["status"] == "entered-in-error"
    assert stands["text"] == resources[0]["text"]
    assert stands["note"] == [*resources[0]["note"], {"text": "A result was withdrawn."}]
    before = counterpart.everything()
    again = retract(
        counterpart.server, receipt.written[0], reason="A result was withdrawn.", release=counterpart.release
    )
    assert isinstance(again, Receipt)
    assert again.written == taken_back.written
    assert counterpart.everything() == before


def test_what_a_person_changed_is_left_alone(counterpart: Counterpart, resources: Resources) -> None:
    receipt = write_back(counterpart.server, resources)
    counterpart.edit({**counterpart.one("RiskAssessment"), "mitigation": "Seen and agreed."})
    before = counterpart.everything()
    refused = retract(
        counterpart.server, receipt.written[0], reason="A result was withdrawn.", release=counterpart.release
    )
    again = write_back(counterpart.server, resources)
    assert isinstance(refused, Problem)
    assert refused.code is ProblemCode.EDITED_SINCE
    assert not again.created
    assert counterpart.everything() == before


def test_what_was_deleted_is_said_to_be_gone(counterpart: Counterpart, resources: Resources) -> None:
    gone = retract(counterpart.server, f"RiskAssessment/{resources[0]['id']}/_history/1", reason="x")
    assert isinstance(gone, Problem)
    assert gone.code is ProblemCode.DELETED
