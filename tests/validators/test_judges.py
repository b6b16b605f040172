"""Both judges object to what is wrong: a judge that never says no proves nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.validators.judges import assert_valid_r4, node_complaints, python_complaints

_DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>low</p></div>'


def _risk_assessment(**changed: Any) -> dict[str, Any]:
    good = {
        "resourceType": "RiskAssessment",
        "id": "a",
        "text": {"status": "generated", "div": _DIV},
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "prediction": [{"probabilityDecimal": Decimal("12.40")}],
    }
    return {**good, **changed}


def test_a_valid_resource_passes_every_judge() -> None:
    assert_valid_r4([_risk_assessment()])


def test_a_patient_on_another_server_is_no_fault() -> None:
    assert_valid_r4([_risk_assessment(subject={"reference": "https://example.org/fhir/Patient/1"})])


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"prediction": [{"probabilityDecimal": Decimal("140")}]}, "ras-2"),
        ({"prediction": [{"probabilityRange": {"low": {"value": 1}}}]}, "ras-1"),
        ({"certainty": "high"}, "certainty"),
        ({"occurrenceDateTime": "2026-13-01"}, "occurrence"),
    ],
)
def test_the_node_judge_evaluates_invariants_and_structure(changed: dict[str, Any], complaint: str) -> None:
    assert complaint in " ".join(node_complaints([_risk_assessment(**changed)]))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"status": "banana"}, "'banana' is not in required ValueSet"),
        ({"basis": [{"reference": "Observation/a b"}]}, "Invalid reference"),
        ({"subject": {"reference": "Observation/1"}}, "does not match allowed target"),
        ({"subject": {"reference": "https://example.org/fhir/Observation/1"}}, "does not match allowed target"),
        ({"certainty": "high"}, "certainty"),
    ],
)
def test_the_python_judges_check_bindings_and_references(changed: dict[str, Any], complaint: str) -> None:
    assert complaint in " ".join(python_complaints([_risk_assessment(**changed)]))


def test_the_node_judge_looks_into_bundles() -> None:
    entry = {"fullUrl": "urn:uuid:1", "resource": _risk_assessment(prediction=[{"probabilityDecimal": Decimal("140")}])}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert any(complaint.startswith("RiskAssessment/a") for complaint in node_complaints([bundle]))


def test_one_bad_resource_among_good_ones_fails_all() -> None:
    with pytest.raises(AssertionError, match="banana"):
        assert_valid_r4([_risk_assessment(), _risk_assessment(status="banana")])
