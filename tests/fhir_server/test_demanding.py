"""What a server demands beside what was asked is added with every value it may have: nothing is lost by it."""

from __future__ import annotations

import pytest

from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.demanding import demanded
from tests.servers.scripted import Scripted, ok, page, refused, urls
from tests.servers.ticking import Ticking

BASE = "https://h.example/fhir"


def test_no_kind_of_observation_and_no_status_is_lost_by_a_demand() -> None:
    """A1.10: T-scores are imaging, smoking is social history"""
    refusal = refused(400, "required", text="Either status or category must be given")
    added = {name: set(values.split(",")) for name, values in demanded("Observation", refusal, ["patient"])}
    assert {"laboratory", "imaging", "social-history", "survey"} <= added["category"]
    assert {"final", "preliminary", "entered-in-error"} <= added["status"]


@pytest.mark.parametrize(
    ("resource_type", "text", "names"),
    [
        ("Condition", "Category is required", ["category"]),
        ("MedicationRequest", "missing: intent", ["intent"]),
        ("Condition", "missing: clinical-status", []),
        ("RiskAssessment", "status is required", []),
        ("Observation", "subcategory is required", []),
        ("Observation", "", []),
    ],
)
def test_only_what_the_type_can_be_searched_by_is_added(resource_type: str, text: str, names: list[str]) -> None:
    refusal = refused(400, "required", text=text)
    assert [name for name, _ in demanded(resource_type, refusal, [])] == names


def test_what_was_sent_already_is_not_sent_twice() -> None:
    refusal = refused(400, "invalid", text="this category is not known")
    assert demanded("Observation", refusal, ["patient", "category"]) == []


def test_a_server_that_goes_on_refusing_is_asked_twice_and_no_more() -> None:
    """A1.10"""
    transport = Scripted(refused(400, "required", text="category is required"))
    with pytest.raises(Exception, match="HTTP 400"):
        FhirServer(BASE, transport, clock=Ticking()).search("Observation", [("patient", "1")])
    assert len(transport.sent) == 2


def test_the_words_that_named_the_parameter_go_no_further() -> None:
    """E46"""
    refusal = refused(400, "required", text="no category for Jane Secret")
    transport = Scripted(refusal, ok(page()))
    found = FhirServer(BASE, transport, clock=Ticking()).search("Condition", [("patient", "1")])
    assert "category=problem-list-item" in urls(transport.sent)[1]
    assert "Secret" not in str(found.problems)
