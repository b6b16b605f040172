"""A3.13, A10: what a report or a panel brings within itself is a result, and never vanishes."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.problems import ProblemCode
from tests.fhir.building import CTX, Json, observation, only_result, patient, read_all, refusals, resource

REPORT_CODE = {"coding": [{"system": "http://loinc.org", "code": "38263-0"}]}


def report(*inside: Json, **more: Any) -> Json:
    """A final DiagnosticReport of Patient/1 that contains these results."""
    results = [{"reference": f"#{each.get('id')}"} for each in inside]
    whole: dict[str, Any] = {"status": "final", "code": REPORT_CODE, "contained": [*inside], "result": results}
    return resource("DiagnosticReport", **{**whole, **more})


def test_a_result_within_a_report_is_read_and_rests_on_the_report() -> None:
    result = only_result(report(observation("a"), meta={"versionId": "7"}))
    assert (result.where, result.entry) == ("1.json.contained[0]", "1.json")
    assert (result.resource, result.version, result.patient) == ("DiagnosticReport/x", "7", "Patient/1")


def test_the_members_within_a_panel_are_read_beside_its_own_components() -> None:
    panel = observation(
        "panel",
        code={"text": "bone panel"},
        valueQuantity=None,
        contained=[observation("a"), observation("b", code={"text": "P1NP"})],
        hasMember=[{"reference": "#a"}, {"reference": "#b"}],
        component=[{"code": CTX, "valueQuantity": {"value": 1, "unit": "ng/mL"}}],
    )
    assert [each.where for each in read_all(panel).results] == [
        "1.json.component[0]",
        "1.json.contained[0]",
        "1.json.contained[1]",
    ]


@pytest.mark.parametrize(
    ("inside", "code", "place"),
    [
        ({"status": "entered-in-error"}, ProblemCode.STATUS_NOT_USABLE, ".status"),
        ({"subject": None}, ProblemCode.SUBJECT_UNRESOLVED, ""),
        ({"subject": {"reference": "Patient/2"}}, ProblemCode.SUBJECT_AMBIGUOUS, ".subject"),
        ({"subject": {"reference": "#nobody"}}, ProblemCode.SUBJECT_UNRESOLVED, ".subject"),
        ({"implicitRules": "urn:rules"}, ProblemCode.IMPLICIT_RULES, ".implicitRules"),
        ({"modifierExtension": [{"url": "urn:not"}]}, ProblemCode.MODIFIER_UNKNOWN, ".modifierExtension"),
        ({"focus": [{"reference": "Patient/2"}]}, ProblemCode.FOCUS_ELSEWHERE, ".focus"),
    ],
)
def test_a_contained_result_that_may_not_be_used_is_named_and_costs_no_other(
    inside: Json, code: ProblemCode, place: str
) -> None:
    reading = read_all(patient(), patient("2"), report(observation("a", **inside), observation("b")))
    assert [(each.problem.code, each.problem.where) for each in reading.set_aside] == [
        (code, f"3.json.contained[0]{place}")
    ]
    assert [each.where for each in reading.results] == ["3.json.contained[1]"]


@pytest.mark.parametrize(
    ("around", "code"),
    [
        ({"status": "entered-in-error"}, ProblemCode.STATUS_NOT_USABLE),
        ({"status": "cancelled"}, ProblemCode.STATUS_NOT_USABLE),
        ({"implicitRules": "urn:rules"}, ProblemCode.IMPLICIT_RULES),
        ({"modifierExtension": [{"url": "urn:not"}]}, ProblemCode.MODIFIER_UNKNOWN),
        ({"subject": None}, ProblemCode.SUBJECT_AMBIGUOUS),
        ({"subject": {"reference": "Patient/2"}}, ProblemCode.SUBJECT_AMBIGUOUS),
    ],
)
def test_what_a_report_contains_stands_and_falls_with_the_report(around: Json, code: ProblemCode) -> None:
    assert code in refusals(report(observation("a"), **around))


def test_only_the_newest_version_of_a_report_is_read() -> None:
    older, newer = (report(observation("a"), meta={"versionId": each}) for each in "12")
    reading = read_all(older, newer)
    assert [(each.entry, each.version) for each in reading.results] == [("2.json", "2")]
    assert {each.problem.where for each in reading.set_aside} >= {"1.json.contained[0]"}


def test_a_contained_result_may_name_the_contained_patient() -> None:
    numbered = {"identifier": [{"system": "urn:mrn", "value": "9"}]}
    inside = {"resourceType": "Patient", "id": "p", **numbered}
    about = {"subject": {"reference": "#p"}}
    whole = report(observation("a", **about), **about)
    whole["contained"].append(inside)
    reading = read_all(patient("1", **numbered), whole)
    assert [each.patient for each in reading.results] == ["Patient/1"]
