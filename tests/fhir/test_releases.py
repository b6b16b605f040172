from __future__ import annotations

from typing import Any

import pytest

from adapter.clinical.results import Coding
from adapter.fhir.reading import Reading
from adapter.fhir.releases import Release, release_named
from adapter.problems import ProblemCode, Severity
from tests.fhir.building import Json, bundle, observation, only_result, patient, read_all, resource


def read_as(*documents: Json) -> Release:
    return read_all(*documents, release=None).release


def test_without_any_mark_everything_is_r4_and_that_is_said() -> None:
    """A2: never guessed from content silently"""
    reading = read_all(bundle(patient(), observation()), release=None)
    assert reading.release is Release.R4
    [notice] = reading.problems
    assert (notice.code, notice.severity) == (ProblemCode.RELEASE_ASSUMED, Severity.INFORMATION)
    assert notice.what == "nothing in the input tells the release of FHIR"


def test_a_release_that_is_named_needs_no_notice() -> None:
    """A2"""
    reading = read_all(observation(), release=Release.R5)
    assert reading.release is Release.R5
    assert ProblemCode.RELEASE_ASSUMED not in {problem.code for problem in reading.problems}


@pytest.mark.parametrize(
    ("version", "release"),
    [("4.0.1", Release.R4), ("4.3.0", Release.R4B), ("5.0.0-ballot", Release.R5), ("3.0.2", Release.STU3)],
)
def test_a_capability_statement_declares_the_release(version: str, release: Release) -> None:
    """A2"""
    assert read_as({"resourceType": "CapabilityStatement", "fhirVersion": version}, observation()) is release


@pytest.mark.parametrize("version", ["1.0.2", 4, "banana"])
def test_a_version_that_is_not_known_declares_nothing(version: Any) -> None:
    assert read_as({"resourceType": "CapabilityStatement", "fhirVersion": version}) is Release.R4
    assert not isinstance(version, str) or release_named(version) is None


def test_statements_of_different_releases_declare_nothing() -> None:
    statements = [{"resourceType": "CapabilityStatement", "fhirVersion": version} for version in ("4.3.0", "5.0.0")]
    assert read_as(*statements) is Release.R4


STRUCTURES: list[tuple[Json, Release]] = [
    (observation(context={"reference": "Encounter/1"}), Release.STU3),
    (observation(comment="x"), Release.STU3),
    (observation(interpretation={"text": "H"}), Release.STU3),
    (resource("Condition", clinicalStatus="active"), Release.STU3),
    (observation(interpretation=[{"text": "H"}]), Release.R4),
    (resource("MedicationRequest", medication={"concept": {}}), Release.R5),
    (resource("Procedure", occurrenceDateTime="2020"), Release.R5),
    (observation(meta={"profile": ["http://hl7.org/fhir/5.0/StructureDefinition/Observation"]}), Release.R5),
    (observation(meta={"profile": ["http://hl7.org/fhir/9.9/StructureDefinition/Observation", 7]}), Release.R4),
]


@pytest.mark.parametrize(("document", "release"), STRUCTURES)
def test_elements_that_exist_in_one_release_alone_prove_it(document: Json, release: Release) -> None:
    """A2"""
    assert read_as(document) is release


@pytest.mark.parametrize(("type_", "release"), [("subscription-notification", Release.R5), ("history", Release.R4B)])
def test_a_notification_tells_its_release(type_: str, release: Release) -> None:
    """A2, A5.6"""
    status = {"resourceType": "SubscriptionStatus", "id": "s"}
    assert read_as(bundle(status, observation(), type_=type_)) is release


def test_one_odd_resource_does_not_turn_all_others_into_another_release() -> None:
    """A2, E20: refuse a mixed batch, entry by entry"""
    good = [observation(f"o{n}", interpretation=[{"coding": [{"code": "H"}]}]) for n in range(5)]
    reading = read_all(bundle(patient(), *good, observation("odd", comment="x")), release=None)
    assert reading.release is Release.R4
    assert len(reading.results) == 5
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.RELEASE_MIXED]


def test_an_element_of_r5_in_r4_costs_its_own_entry_alone() -> None:
    """E20"""
    reading = read_all(bundle(patient(), observation(), observation("r5", triggeredBy=[])), release=Release.R4)
    assert [result.resource for result in reading.results] == ["Observation/ctx"]
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.RELEASE_MIXED]


def test_r4_and_r4b_may_be_mixed() -> None:
    assert read_all(observation(note=[{"text": "x"}]), release=Release.R4B).results[0].test.notes == ("x",)


def test_an_observation_of_stu3_is_read_by_its_own_elements() -> None:
    """A2: context, related, comment, a single interpretation of the old system"""
    system = "http://hl7.org/fhir/v2/0078"
    related = [
        {"type": "has-member", "target": {"reference": "Observation/a"}},
        {"type": "derived-from", "target": {"reference": "Observation/b"}},
        {"type": "replaces", "target": {"reference": "Observation/c"}},
    ]
    document = observation(
        context={"reference": "Encounter/1"},
        related=related,
        comment="taken late",
        interpretation={"coding": [{"system": system, "code": "H"}]},
    )
    result = only_result(document, Release.STU3)
    assert (result.members, result.related) == (("Observation/a",), ("Observation/b",))
    assert (result.test.notes, result.interpretation) == (("taken late",), (Coding(system, "H"),))


def test_the_same_observation_reads_alike_in_r4_r4b_and_r5() -> None:
    """A2"""
    document = observation(interpretation=[{"coding": [{"code": "H"}]}], note=[{"text": "x"}])
    readings: list[Reading] = [read_all(document, release=r) for r in (Release.R4, Release.R4B, Release.R5)]
    assert readings[0].results == readings[1].results == readings[2].results


@pytest.mark.parametrize("version", ["1.0.2", "6.0.0"])
@pytest.mark.parametrize("kind", ["CapabilityStatement", "Conformance"])
def test_a_statement_of_a_release_that_is_not_read_is_an_error_and_not_passed_over(kind: str, version: str) -> None:
    """A2"""
    reading = read_all({"resourceType": kind, "id": "x", "fhirVersion": version}, observation())
    (aside,) = reading.set_aside
    assert (aside.problem.code, aside.problem.severity) == (ProblemCode.RELEASE_MIXED, Severity.ERROR)
    assert aside.problem.where == "1.json.fhirVersion"
    assert version in aside.problem.values["version"]
