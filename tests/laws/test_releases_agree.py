"""Law: "R4 and R5 outputs read back equal": the release changes how things are spelled, never what is said."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.clinical.results import ReportedPrediction
from adapter.entrypoints.library import assess_bundle
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source, read
from adapter.fhir.releases import Release
from adapter.fhir.validation import validate
from adapter.pipeline import Options, PatientOutcome
from tests.laws.bundles import DAY, Json, conclusion, in_bundle, only, records, used_resources
from tests.recognition.building import knowledge

_SINCE_R4 = (Release.R4, Release.R4B, Release.R5)


def spelled(resource: Json, release: Release) -> Json:
    """An R4 resource as the release spells it."""
    if release is not Release.R5 or "medicationCodeableConcept" not in resource:
        return resource
    rest = {name: each for name, each in resource.items() if name != "medicationCodeableConcept"}
    return rest | {"medication": {"concept": resource["medicationCodeableConcept"]}}


def assessed_as(record: list[Json], release: Release, *, said: bool = True) -> PatientOutcome:
    bundle = in_bundle(spelled(resource, release) for resource in record)
    options = Options(release=release if said else None)
    return only(assess_bundle(bundle, as_of=DAY, knowledge=knowledge(), options=options))


def read_back(patient: PatientOutcome, release: Release) -> list[ReportedPrediction]:
    """The predictions that our own reader finds in what was written."""
    assessed = [each for each in patient.resources if each["resourceType"] == "RiskAssessment"]
    reading = read([Source("a.json", encode(each)) for each in assessed], release=release)
    assert reading.set_aside == []
    return [msgspec.structs.replace(each, resource="", where="", entry="") for each in reading.predictions]


@given(records())
def test_the_same_record_in_every_release_is_the_same_assessment(record: list[Json]) -> None:
    first, *others = (assessed_as(record, release) for release in _SINCE_R4)

    for other in others:
        assert conclusion(other) == conclusion(first)
        assert used_resources(other) == used_resources(first)


@given(records())
def test_what_is_written_reads_back_equal_whatever_its_release(record: list[Json]) -> None:
    first, *others = (read_back(assessed_as(record, release), release) for release in _SINCE_R4)

    for other in others:
        assert other == first


@given(records())
def test_what_was_written_is_no_evidence_for_the_next_assessment(record: list[Json]) -> None:
    before = assessed_as(record, Release.R4)

    written = [{**each, "id": f"w{number}"} for number, each in enumerate(before.resources)]
    after = assessed_as([*record, *written], Release.R4)

    assert conclusion(after) == conclusion(before)


@settings(max_examples=20)
@given(records(), st.sampled_from(_SINCE_R4))
def test_everything_written_is_valid_in_its_release(record: list[Json], release: Release) -> None:
    problems: list[Any] = [validate(each, release) for each in assessed_as(record, release).resources]

    assert not any(problems)
