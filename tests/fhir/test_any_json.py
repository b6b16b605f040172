from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.fhir.releases import Release
from tests.fhir.building import Json, bundle, observation, patient, quantity, read_all, resource

RICH: list[Json] = [
    patient(
        identifier=[{"system": "s", "value": "v"}], link=[{"type": "replaced-by", "other": {"reference": "Patient/2"}}]
    ),
    observation(
        meta={"versionId": "1", "lastUpdated": "2026-06-02T08:10:00Z", "security": [{"code": "R"}]},
        component=[{"code": {"text": "x"}, "valueQuantity": quantity()}],
        referenceRange=[{"low": quantity(), "type": {"text": "normal"}, "age": {"low": {"value": 1}}}],
        interpretation=[{"coding": [{"code": "H"}]}],
        specimen={"reference": "#s"},
        contained=[{"resourceType": "Specimen", "id": "s", "collection": {"fastingStatusDuration": {"value": 8}}}],
        note=[{"text": "n"}],
        performer=[{"reference": "Organization/1"}],
        hasMember=[{"reference": "Observation/2"}],
    ),
    resource("Condition", code={"text": "x"}, clinicalStatus={"coding": [{"code": "active"}]}, onsetDateTime="2020"),
    resource(
        "MedicationRequest",
        status="active",
        intent="order",
        medicationReference={"reference": "#m"},
        contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "x"}}],
        dosageInstruction=[
            {"timing": {"repeat": {"period": 1, "periodUnit": "d"}}, "doseAndRate": [{"doseQuantity": quantity()}]}
        ],
    ),
    resource("MedicationDispense", status="completed", whenHandedOver="9999-12-31", daysSupply={"value": 3000}),
    resource("FamilyMemberHistory", status="completed", condition=[{"code": {"text": "x"}, "onsetAge": {"value": 1}}]),
    resource("RiskAssessment", status="final", prediction=[{"whenPeriod": {"start": "0001", "end": "9999"}}]),
    {"resourceType": "OperationOutcome", "id": "o", "issue": [{"severity": "error", "code": "x"}]},
]
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.sampled_from(
        ["", "x", "2026-02-30", "#x", "Patient/1", "urn:uuid:1", "http://h/Patient/1", "Patient?identifier=|v"]
    ),
    st.lists(st.just("x"), max_size=2),
    st.just({}),
    st.just([{}]),
    st.just({"modifierExtension": [{}]}),
    st.just({"reference": "Patient/2"}),
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    document = bundle(
        *draw(st.lists(st.sampled_from(RICH), min_size=1, max_size=3)),
        type_=draw(st.sampled_from(["transaction", "history"])),
    )
    copy: Json = _copied(document)
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(_places(copy)))
        container[key] = _copied(draw(junk))
    return copy


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


@settings(max_examples=150)
@given(mutated(), st.sampled_from([None, *Release]))
def test_whatever_stands_in_an_element_nothing_breaks_and_nothing_vanishes(
    document: Json, release: Release | None
) -> None:
    """E19, E20; ``read_all`` asserts that every entry is accounted for."""
    read_all(document, release=release)
