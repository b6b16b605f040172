"""Law: "a duplicate changes nothing": it is named, and what is concluded and written from evidence stays the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.decoding import encode
from adapter.pipeline import PatientOutcome
from adapter.problems import ProblemCode
from tests.laws.bundles import (
    Json,
    assessed,
    assessed_from,
    conclusion,
    in_bundle,
    measured,
    only,
    records,
    sample,
    used_resources,
)

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}


def assert_same(after: PatientOutcome, before: PatientOutcome) -> None:
    assert conclusion(after) == conclusion(before)
    assert used_resources(after) == used_resources(before)
    assert [each["id"] for each in after.resources] == [each["id"] for each in before.resources]


@given(records(), st.data())
def test_an_entry_that_comes_twice_changes_nothing_and_is_named(record: list[Json], data: st.DataObject) -> None:
    copied = data.draw(st.sampled_from(record))

    before, after = assessed(record), assessed([*record, copied])

    assert_same(only(after), only(before))
    assert after.entries == before.entries + 1


@given(records())
def test_a_file_that_comes_twice_changes_nothing(record: list[Json]) -> None:
    data = encode(in_bundle(record))

    assert_same(only(assessed_from(("a.json", data), ("b.json", data))), only(assessed_from(("a.json", data))))


@given(records(), st.sampled_from(["", "https://hospital.example.org/fhir"]))
def test_a_bundle_beside_its_own_resources_changes_nothing(record: list[Json], base: str) -> None:
    data = encode(in_bundle(record, base=base))
    alone = [(f"{number}.json", encode(each)) for number, each in enumerate(record)]

    assert_same(only(assessed_from(("a.json", data), *alone)), only(assessed_from(("a.json", data))))


@pytest.mark.parametrize("more", [{}, {"note": [{"text": "sent again"}]}, {"issued": "2026-06-02T08:10:00Z"}])
def test_the_same_result_under_another_id_is_used_once_and_named(more: Json) -> None:
    result = measured("ctx", "ctx", "812")
    copy = result | {"id": "copy"} | more

    patient = only(assessed([PATIENT, result, copy]))

    assert len([each for each in patient.assessment.evidence if each.reading == "H"]) == 1
    assert len([each for each in patient.set_aside if each.code in (ProblemCode.DUPLICATE, "superseded")]) == 1


def test_copies_that_contradict_each_other_are_a_conflict_and_neither_is_chosen() -> None:
    fed, fasting = (
        measured(f"ctx-{code}", "ctx", "812", contained=[sample(code)], specimen={"reference": "#s"})
        for code in ("NF", "F")
    )
    lower = measured("ctx-lower", "ctx", "400")

    for pair in ([fed, fasting], [fasting, lower], [lower, fed | {"id": "ctx-lower"}]):
        patient = only(assessed([PATIENT, *pair]))
        assert "ctx" not in {
            each.result.marker for each in patient.assessment.evidence if hasattr(each.result, "marker")
        }
        assert {each.code for each in patient.set_aside} <= {ProblemCode.CONFLICT, ProblemCode.BUNDLE_DUPLICATE}
