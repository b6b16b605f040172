"""Our own check before sending: it finds what fhir.resources lets pass, and tells no patient's data."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir.device import device
from adapter.fhir.releases import Release
from adapter.fhir.skeleton import skeleton
from adapter.fhir.transaction import as_transaction
from adapter.fhir.validation import validate, validate_anew
from adapter.knowledge.model import Knowledge
from tests.writing.building import written


@pytest.mark.parametrize("release", list(Release))
def test_what_is_written_is_valid_in_its_release(knowledge: Knowledge, release: Release) -> None:
    resources = written(knowledge, release=release)
    assert [validate(resource, release) for resource in [*resources, as_transaction(resources)]] == [[]] * 4


@pytest.mark.parametrize("release", list(Release))
def test_the_device_needs_no_judgement_at_run_time_for_it_is_valid(release: Release) -> None:
    assert validate_anew(device(release), release) == []


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("status", "banana", "RiskAssessment.status"),
        ("id", "not_an_id", "RiskAssessment.id"),
        ("text.div", "", "RiskAssessment.text"),
        ("text.status", "made-up", "RiskAssessment.text.status"),
        ("performer.reference", "the device", "RiskAssessment.performer.reference"),
        ("prediction.1.probabilityDecimal", Decimal("140"), "RiskAssessment.prediction[1].probabilityDecimal"),
        ("prediction.1.probabilityRange", {"low": {"value": 1}}, "RiskAssessment.prediction[1].probabilityRange"),
        ("occurrenceDateTime", "2026-13-01", "RiskAssessment.occurrenceDateTime"),
    ],
)
def test_a_wrong_element_is_found_and_named(knowledge: Knowledge, path: str, value: Any, where: str) -> None:
    spoilt = _with(written(knowledge)[0], path, value)
    assert where in [problem.where for problem in validate(spoilt, Release.R4)]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("type", "banana", "Bundle.type"),
        ("entry.0.fullUrl", "urn:uuid:ABCDEF00-0000-4000-8000-000000000000", "Bundle.entry[0].fullUrl"),
        ("entry.1.request.url", "Patient", "Bundle.entry[1].request.url"),
        ("entry.1.request.method", "SEND", "Bundle.entry[1].request.method"),
        ("entry.2.resource.entity.0.role", "banana", "Bundle.entry[2].resource.entity[0].role"),
    ],
)
def test_a_wrong_bundle_is_found_and_named(knowledge: Knowledge, path: str, value: Any, where: str) -> None:
    spoilt = _with(as_transaction(written(knowledge)), path, value)
    assert where in [problem.where for problem in validate(spoilt, Release.R4)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("method.coding", "a text"),
        ("prediction.0.outcome", 5),
        ("prediction.0.outcome.coding.0.code", {}),
        ("prediction.1.whenRange.low.value", "many"),
        ("basis.1", {"reference": 5}),
        ("basis.1.display", {}),
        ("note.1.text", None),
    ],
)
def test_what_recurs_is_judged_like_anything_else(knowledge: Knowledge, path: str, value: Any) -> None:
    resource = written(knowledge)[0]
    assert validate(resource, Release.R4) == []
    found = validate(_with(resource, path, value), Release.R4)
    assert any(problem.where.startswith(f"RiskAssessment.{path.split('.')[0]}") for problem in found)
    assert validate(resource, Release.R4) == []


@pytest.mark.parametrize(
    ("path", "value"), [("agent.0.who", "the device"), ("entity.1.what.reference", "x y"), ("entity.1.role", "banana")]
)
def test_what_recurs_in_a_provenance_is_judged_too(knowledge: Knowledge, path: str, value: Any) -> None:
    assert validate(_with(written(knowledge)[2], path, value), Release.R4)


@pytest.mark.parametrize("release", [Release.R4, Release.R5])
def test_whatever_varies_is_judged_as_if_for_the_first_time(knowledge: Knowledge, release: Release) -> None:
    for resource in written(knowledge, release=release):
        assert validate(resource, release) == []
        for spoilt in _spoilt(resource):
            assert validate(spoilt, release) == validate_anew(spoilt, release)


@pytest.mark.parametrize("moment", ["2026-06-15T08:30:01.5+08:00", "2028-02-29T23:59:59Z"])
def test_assessments_of_different_moments_are_judged_once(knowledge: Knowledge, moment: str) -> None:
    assessed, _, provenance = written(knowledge)
    assert skeleton(_with(assessed, "occurrenceDateTime", moment)) == skeleton(assessed)
    assert skeleton(_with(provenance, "recorded", moment)) == skeleton(provenance)


@pytest.mark.parametrize(
    "moment",
    [
        "2026-02-30T08:00:00Z",
        "2026-06-15T25:00:00Z",
        "2026-06-15T08:00:60Z",
        "2026-06-15T08:00:00",
        "2026-06-15T08:00:00+15:00",
        "0000-06-15T08:00:00Z",
        "2026-06-15",
        "2026-06-15T08:00:00.1234567Z",
        "\uff12026-06-15T08:00:00Z",
    ],
)
def test_a_moment_that_may_be_none_is_judged_by_itself(knowledge: Knowledge, moment: str) -> None:
    assessed, _, provenance = written(knowledge)
    for resource, name in ((assessed, "occurrenceDateTime"), (provenance, "recorded")):
        assert skeleton(_with(resource, name, moment)) != skeleton(resource)
        assert validate(_with(resource, name, moment), Release.R4) == validate_anew(
            _with(resource, name, moment), Release.R4
        )


def test_two_entries_are_never_the_same(knowledge: Knowledge) -> None:
    resources = written(knowledge)
    twice = as_transaction([*resources, resources[1]])
    assert [problem.where for problem in validate(twice, Release.R4)] == [
        "Bundle.entry[1].fullUrl",
        "Bundle.entry[3].fullUrl",
    ]


def test_a_problem_never_repeats_what_was_written(knowledge: Knowledge) -> None:
    spoilt = _with(written(knowledge)[0], "subject.reference", {"name": "Musterfrau"})
    problems = validate(spoilt, Release.R4)
    assert problems
    assert "Musterfrau" not in str(problems)


_ODD: tuple[Any, ...] = ("", " ", "a  b", "banana", None, 7, Decimal("100.1"), {}, ["a"])


def _spoilt(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resource with something odd in one place, for every place in it."""
    return (_with(resource, path, odd) for path in _paths(resource) for odd in _ODD)


def _paths(node: Any, path: str = "") -> Iterator[str]:
    """Every element below but the type, an unknown one beside them, and of a list the first two items."""
    if isinstance(node, dict):
        yield f"{path}unknown"
    for name, part in node.items() if isinstance(node, dict) else enumerate(node[:2]):
        if name != "resourceType":
            yield f"{path}{name}"
        if isinstance(part, dict | list):
            yield from _paths(part, f"{path}{name}.")


def _with(resource: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The resource with one element replaced."""
    changed = deepcopy(resource)
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    node: Any = changed
    for step in way:
        node = node[step]
    node[last] = value
    return changed
