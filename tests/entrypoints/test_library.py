"""The door for programs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

import adapter
from adapter import Options, Release, Stratum, assess_bundle
from adapter.fhir.decoding import encode
from tests.entrypoints.building import LOW
from tests.laws.bundles import in_bundle

DATA = encode(in_bundle(LOW))


def test_one_call_leads_from_a_bundle_to_assessments() -> None:
    (patient,) = assess_bundle(DATA, as_of=date(2026, 6, 15)).patients

    assert patient.assessment.stratum is Stratum.LOW
    assert [each["resourceType"] for each in patient.resources] == ["RiskAssessment", "Device", "Provenance"]


def test_a_date_means_its_last_second_in_utc() -> None:
    day, moment = date(2026, 6, 15), datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC)

    assert assess_bundle(DATA, as_of=day) == assess_bundle(DATA, as_of=moment)


def test_a_moment_keeps_its_zone() -> None:
    shanghai = timezone(timedelta(hours=8))

    (patient,) = assess_bundle(DATA, as_of=datetime(2026, 6, 15, 9, tzinfo=shanghai)).patients

    assert patient.resources[0]["occurrenceDateTime"] == "2026-06-15T09:00:00+08:00"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no zone"):
        assess_bundle(DATA, as_of=datetime(2026, 6, 15))  # noqa: DTZ001 - that is the mistake


@pytest.mark.parametrize("value", [1.5, [1.5], {"a": (1.5,)}])
def test_a_float_is_refused_since_its_digits_are_lost(value: object) -> None:
    with pytest.raises(ValueError, match="float"):
        assess_bundle({"resourceType": "Observation", "valueQuantity": value}, as_of=date(2026, 6, 15))


def test_options_are_heeded() -> None:
    outcome = assess_bundle(DATA, as_of=date(2026, 6, 15), options=Options(release=Release.R5, language="zh"))

    assert outcome.release is Release.R5
    assert outcome.patients[0].resources[0]["language"] == "zh"


def test_a_name_that_is_not_offered_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'frax'"):
        _ = adapter.frax
