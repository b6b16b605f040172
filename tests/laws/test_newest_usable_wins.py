"""Law: "newest usable wins, never one after ``as_of``", and why each other one was not taken is said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.entrypoints.library import assess_bundle
from adapter.pipeline import Options, PatientOutcome
from tests.laws.bundles import DAY, Json, in_bundle, measured, only, records
from tests.recognition.building import knowledge

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
_SIX_MONTHS_BEFORE = date(2025, 12, 15)
days = st.lists(st.integers(-400, 60), min_size=1, max_size=6, unique=True)


def assessed_on(record: list[Json], day: date) -> PatientOutcome:
    return only(assess_bundle(in_bundle(record), as_of=day, knowledge=knowledge(), options=Options()))


def ctx_used(patient: PatientOutcome) -> list[str]:
    evidence = [each.result for each in patient.assessment.evidence]
    return [each.resource for each in evidence if isinstance(each, MarkerResult) and each.marker == "ctx"]


@given(days, st.sets(st.integers(0, 5)))
def test_the_newest_of_those_that_may_be_used_is_used(offsets: list[int], spoiled: set[int]) -> None:
    results = [
        measured(f"{offset}", "ctx", f"{300 + number}", effectiveDateTime=f"{DAY + timedelta(offset)}")
        | ({"status": "cancelled"} if number in spoiled else {})
        for number, offset in enumerate(offsets)
    ]

    patient = assessed_on([PATIENT, *results], DAY)

    usable = [
        offset
        for number, offset in enumerate(offsets)
        if number not in spoiled and offset <= 0 and DAY + timedelta(offset) >= _SIX_MONTHS_BEFORE
    ]
    assert ctx_used(patient) == ([f"Observation/{max(usable)}"] if usable else [])
    assert len(patient.set_aside) == len(offsets) - len(ctx_used(patient))


@given(records(), st.integers(-900, 400))
def test_nothing_of_after_the_assessment_is_ever_used(record: list[Json], offset: int) -> None:
    day = DAY + timedelta(offset)
    last = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)

    patient = assessed_on(record, day)

    for evidence in patient.assessment.evidence:
        if isinstance(evidence.result, MarkerResult) and evidence.result.effective:
            assert evidence.result.effective.earliest <= last
        if isinstance(evidence.result, RiskFactor) and evidence.result.since:
            assert evidence.result.since.earliest <= last


@given(records())
def test_a_result_of_tomorrow_changes_nothing_today(record: list[Json]) -> None:
    tomorrow = measured("tomorrow", "ctx", "1400", effectiveDateTime="2026-06-16T00:00:00Z")

    before, after = assessed_on(record, DAY), assessed_on([*record, tomorrow], DAY)

    assert after.assessment == before.assessment
    assert [each.code for each in after.set_aside if each.resource == "Observation/tomorrow"] == ["in-the-future"]
