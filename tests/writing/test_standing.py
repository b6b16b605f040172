"""What a server's answer says about a resource of ours, and what it does not say."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.fhir.decoding import encode
from adapter.fhir.identity import identifier
from adapter.fhir.standing import Standing, standing_from, standing_in

OURS: dict[str, Any] = {"resourceType": "RiskAssessment", "id": "a"}
STANDS = {**OURS, "id": "1", "meta": {"versionId": "3"}, "identifier": [identifier("a")], "status": "final"}
OTHER = {**STANDS, "id": "2", "identifier": [identifier("b")]}
WARNING = {"resourceType": "OperationOutcome", "issue": []}


def _answer(*resources: Any) -> bytes:
    return encode({"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]})


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", encode(WARNING), _answer(STANDS, OTHER), _answer(OTHER)])
def test_an_answer_to_another_question_says_nothing(body: bytes) -> None:
    """A1.8"""
    assert standing_in(body, OURS) is None


def test_what_is_ours_is_found_wherever_it_stands() -> None:
    """A1.7: beside it may stand a warning."""
    retracted = {**STANDS, "id": "0", "status": "entered-in-error", "meta": "none"}
    found = standing_in(_answer(STANDS, WARNING, retracted), OURS)
    assert found == (Standing("RiskAssessment/0", is_retracted=True), Standing("RiskAssessment/1", "3"))
    assert standing_in(_answer(), OURS) == ()


@pytest.mark.parametrize("reference", ["RiskAssessment/1", "RiskAssessment/1/_history/3"])
def test_a_reference_is_kept_as_it_was(reference: str) -> None:
    assert standing_from(reference).reference == reference
