from __future__ import annotations

from typing import Any

import pytest

from adapter.fhir.reading import Reading
from tests.fhir.building import BASE, Json, bundle, observation, patient, read_all, resource


def version(number: str, updated: str = "", **more: Any) -> Json:
    meta = {"versionId": number, **({"lastUpdated": updated} if updated else {})}
    return observation(meta=meta, **more)


def history(*resources: Json, deleted: Json | None = None) -> Json:
    document = bundle(patient(), *resources, type_="history")
    return {**document, "entry": [*document["entry"], *([deleted] if deleted else [])]}


def deletion(updated: str = "") -> Json:
    response = {"status": "204", **({"lastModified": updated} if updated else {})}
    return {"request": {"method": "DELETE", "url": "Observation/ctx"}, "response": response}


def outcome(reading: Reading) -> tuple[list[str], list[str]]:
    return [result.version for result in reading.results], [aside.problem.code.value for aside in reading.set_aside]


def test_the_newest_version_speaks_for_the_resource() -> None:
    """A3.23: by lastUpdated, then by number"""
    assert outcome(read_all(history(version("10"), version("9")))) == (["10"], ["superseded"])
    dated = history(version("uuid-b", "2026-01-02T00:00:00Z"), version("uuid-a", "2026-01-03T00:00:00Z"))
    assert outcome(read_all(dated)) == (["uuid-a"], ["superseded"])


def test_versions_that_cannot_be_ordered_are_left_to_the_choice_among_results() -> None:
    """A3.16, A3.23: versionId may be a UUID"""
    assert outcome(read_all(history(version("uuid-a"), version("uuid-b"))))[0] == ["uuid-a", "uuid-b"]


@pytest.mark.parametrize("numbers", [("1", "2"), ("a", "b"), ("2", "2")])
def test_a_result_entered_in_error_never_counts_in_any_earlier_version(numbers: tuple[str, str]) -> None:
    """A3.2"""
    reading = read_all(version(numbers[0]), version(numbers[1], status="entered-in-error"))
    assert reading.results == []
    assert reading.retracted == ["Observation/ctx"]


def test_a_result_that_was_restored_counts_again() -> None:
    """A3.2"""
    reading = read_all(version("1", status="entered-in-error"), version("2"))
    assert [result.version for result in reading.results] == ["2"]


def test_a_condition_entered_in_error_never_counts_in_any_earlier_version() -> None:
    """A3.2"""
    wrong = {"coding": [{"code": "entered-in-error"}]}
    code = {"coding": [{"code": "c"}]}
    reading = read_all(resource("Condition", code=code), resource("Condition", code=code, verificationStatus=wrong))
    assert reading.statements == []
    assert reading.retracted == ["Condition/x"]


def test_a_deleted_result_is_gone() -> None:
    """A4.1: history entries with DELETE and no resource are deletions"""
    reading = read_all(history(version("1"), deleted=deletion()))
    assert outcome(reading) == ([], ["deleted", "deleted"])
    assert reading.retracted == ["Observation/ctx"]


def test_a_result_that_came_back_after_its_deletion_counts() -> None:
    """A4.1"""
    again = version("3", "2026-01-03T00:00:00Z")
    assert outcome(read_all(history(again, deleted=deletion("2026-01-02T00:00:00Z")))) == (["3"], ["deleted"])


def test_a_deletion_in_one_file_reaches_the_others() -> None:
    """A6.7: deleted files are transaction Bundles of DELETEs"""
    deleted = {"resourceType": "Bundle", "type": "transaction", "entry": [deletion()]}
    assert outcome(read_all(bundle(patient(), version("1")), deleted))[0] == []
    address = {**deletion(), "fullUrl": f"{BASE}/Observation/ctx"}
    assert outcome(read_all(bundle(patient(), version("1")), {**deleted, "entry": [address]}))[0] == []
