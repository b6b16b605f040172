"""What stands beside a value and decides how it may be read: ranges, modifiers, focus, specimen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.results import Coding
from adapter.problems import ProblemCode
from tests.fhir.building import (
    CTX,
    Json,
    bundle,
    observation,
    only_result,
    patient,
    quantity,
    read_all,
    refusals,
)


def test_reference_ranges_are_read_with_their_conditions() -> None:
    """A3.17"""
    ranges = [
        {"low": quantity("0.1"), "high": quantity("0.6"), "type": {"text": "normal"}, "appliesTo": [{"text": "women"}]},
        {"text": "<0.6", "age": {"low": {"value": 50, "code": "a"}}},
    ]
    first, second = only_result(observation(referenceRange=ranges)).reference_ranges
    assert first.low is not None
    assert (first.low.value, first.type.text, first.applies_to[0].text) == (Decimal("0.1"), "normal", "women")
    assert (second.low, second.text) == (None, "<0.6")
    assert second.age is not None


@pytest.mark.parametrize("fault", [{"modifierExtension": [{"url": "lowComparator"}]}, {"low": {"value": "0.1"}}])
def test_a_range_that_is_not_understood_costs_neither_the_result_nor_the_other_ranges(fault: Json) -> None:
    """A3.17, E21"""
    reading = read_all(observation(referenceRange=[{"high": quantity(), **fault}, {"text": "<0.6"}]))
    assert [each.text for each in reading.results[0].reference_ranges] == ["<0.6"]
    [aside] = reading.set_aside
    assert (aside.problem.code, aside.problem.used) == (ProblemCode.RANGE_NOT_USED, True)
    assert aside.problem.where.startswith("1.json.referenceRange[0].")


@pytest.mark.parametrize(
    "system", ["http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "http://hl7.org/fhir/v2/0078"]
)
def test_the_laboratorys_own_reading_is_kept(system: str) -> None:
    """A3.18"""
    result = only_result(observation(interpretation=[{"coding": [{"system": system, "code": "H"}]}]))
    assert result.interpretation == (Coding(system, "H"),)


@pytest.mark.parametrize(
    "place",
    [
        {"modifierExtension": [{"url": "x"}]},
        {"code": {**CTX, "modifierExtension": [{"url": "x"}]}},
        {"valueQuantity": {**quantity(), "modifierExtension": [{"url": "x"}]}},
    ],
)
def test_a_modifier_that_is_not_known_forbids_the_use(place: Json) -> None:
    """A3.19, E21"""
    assert refusals(observation(**place)) == [ProblemCode.MODIFIER_UNKNOWN]


def test_rules_that_are_not_known_forbid_the_use() -> None:
    """A3.19, E21"""
    assert refusals(observation(implicitRules="http://example.org/rules")) == [ProblemCode.IMPLICIT_RULES]


def test_a_resource_that_the_server_shortened_is_not_used() -> None:
    """A1.24"""
    tag = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]
    assert refusals(observation(meta={"tag": tag})) == [ProblemCode.SUBSETTED]


def test_security_labels_are_passed_on() -> None:
    """A3.19"""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    assert only_result(observation(meta={"security": [label]})).security == (Coding(label["system"], "R"),)


@pytest.mark.parametrize("focus", [{"reference": "Patient/mother"}, {"display": "fetus"}, {"reference": "Device/1"}])
def test_a_result_about_something_other_than_the_subject_is_not_used(focus: Json) -> None:
    """A3.21"""
    assert refusals(observation(focus=[focus])) == [ProblemCode.FOCUS_ELSEWHERE]


def test_a_focus_on_the_subject_itself_changes_nothing() -> None:
    only_result(observation(focus=[{"reference": "Patient/1"}]))


def test_no_category_is_needed() -> None:
    """A3.22"""
    only_result(observation(category=None))
    only_result(observation(category=[{"text": "procedure"}]))


def sampled(**collection: Any) -> Json:
    specimen = {"resourceType": "Specimen", "id": "s", "type": {"text": "serum"}, "collection": collection}
    return bundle(patient(), specimen, observation(specimen={"reference": "Specimen/s"}))


FASTING = "http://terminology.hl7.org/CodeSystem/v2-0916"


@pytest.mark.parametrize(("code", "fasting"), [("F", True), ("NF", False), ("FNA", None), ("NG", None)])
def test_whether_the_patient_was_fasting_is_read_from_the_specimen(code: str, fasting: bool | None) -> None:
    status = {"coding": [{"system": FASTING, "code": code}]}
    result = read_all(sampled(collectedDateTime="2026-06-02", fastingStatusCodeableConcept=status)).results[0]
    assert result.fasting is fasting
    assert result.test.specimen.text == "serum"
    assert result.specimen_collected is not None


@pytest.mark.parametrize(
    ("duration", "fasting"),
    [
        ({"value": 12, "code": "h"}, True),
        ({"value": 0, "code": "h"}, False),
        ({"value": 3, "code": "h"}, None),
        ({"value": 3, "code": "d"}, None),
        ({"code": "h"}, None),
    ],
)
def test_a_fast_of_a_night_is_fasting(duration: Json, fasting: bool | None) -> None:
    assert read_all(sampled(fastingStatusDuration=duration)).results[0].fasting is fasting


@pytest.mark.parametrize(
    "fault", [{"status": "entered-in-error"}, {"modifierExtension": [{"url": "x"}]}, {"type": "x"}]
)
def test_a_specimen_that_is_not_usable_tells_nothing(fault: Json) -> None:
    document = sampled()
    document["entry"][1]["resource"] |= fault
    result = read_all(document).results[0]
    assert (result.test.specimen.text, result.fasting) == ("", None)


def test_what_tells_assays_apart_is_kept() -> None:
    lab = {"resourceType": "Organization", "id": "lab"}
    document = observation(
        method={"text": "ECLIA"},
        device={"display": "e801"},
        bodySite={"text": "hip"},
        performer=[{"reference": "Practitioner/1", "display": "Ann"}, {"reference": "urn:uuid:lab", "display": "Lab"}],
        identifier=[{"system": "urn:oid:1", "value": "7"}, {"value": "8"}],
    )
    entries = {"entry": [{"fullUrl": "urn:uuid:LAB", "resource": lab}, {"resource": document}]}
    result = read_all({"resourceType": "Bundle", "type": "collection", **entries}).results[0]
    assert (result.test.method.text, result.test.device, result.test.performer) == ("ECLIA", "e801", "Lab")
    assert (result.test.body_site.text, result.identifiers) == ("hip", ("urn:oid:1|7",))


def test_a_contained_laboratory_without_a_name_tells_nothing_apart() -> None:
    lab = {"resourceType": "Organization", "id": "lab"}
    assert only_result(observation(contained=[lab], performer=[{"reference": "#lab"}])).test.performer == ""


HEMOLYZED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0493", "code": "HEM"}]}


@pytest.mark.parametrize("fault", [{"status": "unsatisfactory"}, {"condition": [HEMOLYZED]}])
def test_what_was_measured_in_an_unfit_sample_is_set_aside(fault: Json) -> None:
    specimen = {"resourceType": "Specimen", "id": "s", **fault}
    document = bundle(patient(), specimen, observation(specimen={"reference": "Specimen/s"}))
    (aside,) = read_all(document).set_aside
    assert (aside.problem.code, aside.problem.where) == (
        ProblemCode.SPECIMEN_UNFIT,
        "1.json#Bundle.entry[2].resource.specimen",
    )
