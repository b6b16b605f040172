"""Law: two patients never mix; "Never: merge patients; use Observations whose subject differs"."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.decoding import encode
from adapter.pipeline import Outcome
from tests.laws.bundles import (
    Json,
    assessed,
    assessed_from,
    conclusion,
    in_bundle,
    measured,
    of_patient,
    only,
    records,
    used_resources,
    written,
)


def of(outcome: Outcome, reference: str) -> object:
    """What is concluded about one patient and written, by how it is referred to."""
    (patient,) = (each for each in outcome.patients if each.assessment.patient.reference == reference)
    return conclusion(patient), written(patient), used_resources(patient)


@given(st.lists(records(most=4), min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_each_patient_is_assessed_as_if_alone(several: list[list[Json]], chance: object) -> None:
    each_own = [of_patient(record, f"p{number}") for number, record in enumerate(several)]

    together = assessed([resource for record in each_own for resource in record])

    for number, record in enumerate(each_own):
        assert of(together, f"Patient/p{number}") == of(assessed(record), f"Patient/p{number}")


@given(records(most=4), records(most=4))
def test_patients_of_two_servers_with_the_same_id_are_two(one: list[Json], other: list[Json]) -> None:
    bases = ("https://one.example.org/fhir", "https://two.example.org/fhir")
    sources = [
        (f"{base[8:11]}.json", encode(in_bundle(record, base=base)))
        for base, record in zip(bases, (one, other), strict=True)
    ]

    together = assessed_from(*sources)

    assert len(together.patients) == 2
    for base, record in zip(bases, (one, other), strict=True):
        (patient,) = (each for each in together.patients if each.assessment.patient.reference == f"{base}/Patient/p")
        alone = only(assessed(record)).assessment
        assert (patient.assessment.stratum, patient.assessment.plan, patient.assessment.flags) == (
            alone.stratum,
            alone.plan,
            alone.flags,
        )
        assert all(name.startswith(base) for name in used_resources(patient))


@given(
    records(most=4),
    st.sampled_from(
        [
            None,
            {},
            {"display": "p"},
            {"reference": "#p"},
            {"reference": "Group/p"},
            {"reference": "urn:uuid:p"},
            {"identifier": {"value": "1"}},
        ]
    ),
)
def test_a_result_of_nobody_is_given_to_nobody(record: list[Json], subject: Json | None) -> None:
    stray = measured("stray", "ctx", "812", subject=subject)

    outcome = assessed([*record, stray])

    assert of(outcome, "Patient/p") == of(assessed(record), "Patient/p")
    assert "subject-unresolved" in {problem.code for problem in outcome.problems}
