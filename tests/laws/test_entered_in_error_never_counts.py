"""Law: "entered-in-error never counts": what was withdrawn is named, and the assessment is as if it had never been."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.laws.bundles import Json, assessed, coded, conclusion, frax, measured, only, records, used_resources

_WITHDRAWN = "entered-in-error"


def withdrawn(resource: Json) -> Json:
    """The same resource, entered in error."""
    if resource["resourceType"] == "Condition":
        system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
        return resource | {"verificationStatus": coded(system, _WITHDRAWN)}
    return resource | {"status": _WITHDRAWN}


@given(records(), st.data())
def test_withdrawing_a_resource_is_as_if_it_had_never_come(record: list[Json], data: st.DataObject) -> None:
    assume(len(record) > 1)
    wrong = data.draw(st.sampled_from(record[1:]))["id"]

    without = only(assessed([each for each in record if each["id"] != wrong]))
    after = only(assessed([withdrawn(each) if each["id"] == wrong else each for each in record]))

    assert conclusion(after) == conclusion(without)
    assert used_resources(after) == used_resources(without)


@given(records(), st.data())
def test_a_later_version_that_is_withdrawn_takes_the_earlier_ones_with_it(
    record: list[Json], data: st.DataObject
) -> None:
    assume(len(record) > 1)
    wrong = data.draw(st.sampled_from(record[1:]))
    later = withdrawn(wrong) | {"meta": {"versionId": "9", "lastUpdated": "2026-06-10T00:00:00Z"}}

    without = only(assessed([each for each in record if each["id"] != wrong["id"]]))
    after = only(assessed([*record, later]))

    assert conclusion(after) == conclusion(without)
    assert used_resources(after) == used_resources(without)


@pytest.mark.parametrize("left", [{"id", "status"}, {"id", "status", "subject"}, {"status", "code", "subject"}])
def test_a_withdrawn_result_may_have_lost_everything_else(left: set[str]) -> None:
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
    stub = {name: each for name, each in withdrawn(measured("t", "ctx", "1900")).items() if name in left}

    outcome = assessed([patient, *frax("3.2", "0.4"), {"resourceType": "Observation", "id": "", **stub}])

    assert only(outcome).assessment.plan == "P1"
    problems = [*only(outcome).set_aside, *outcome.problems]
    assert [each.code for each in problems if "entered-in-error" in each.what] == ["status-not-usable"]
