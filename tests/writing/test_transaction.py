"""All are written or none, and none twice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from adapter.fhir.transaction import answered, as_transaction
from adapter.knowledge.model import Knowledge
from tests.writing.building import written


def test_references_between_entries_are_their_urns_and_inputs_stay_as_they_are(knowledge: Knowledge) -> None:
    resources = written(knowledge)
    entries = as_transaction(resources)["entry"]
    assessed, _, provenance = (entry["resource"] for entry in entries)
    assessed_urn, device_urn, _ = (entry["fullUrl"] for entry in entries)
    assert assessed["performer"] == {"reference": device_urn}
    assert provenance["target"] == [{"reference": assessed_urn}]
    assert provenance["agent"][0]["who"] == {"reference": device_urn}
    assert assessed["basis"] == resources[0]["basis"]
    assert [entity["what"] for entity in provenance["entity"]] == assessed["basis"]


def test_wrapping_leaves_the_resources_alone(knowledge: Knowledge) -> None:
    resources = written(knowledge)
    as_transaction(resources)
    assert resources == written(knowledge)


def test_each_entry_has_a_lower_case_urn_and_is_created_only_if_it_is_not_there(knowledge: Knowledge) -> None:
    for entry in as_transaction(written(knowledge))["entry"]:
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", entry["fullUrl"])
        assert entry["request"]["method"] == "POST"
        assert entry["request"]["url"] == entry["resource"]["resourceType"]
        assert entry["resource"]["id"] in entry["request"]["ifNoneExist"]


def test_what_is_searched_before_creating_is_really_in_the_resource(knowledge: Knowledge) -> None:
    assessed, device, provenance = as_transaction(written(knowledge))["entry"]
    for entry in (assessed, device):
        [known] = entry["resource"]["identifier"]
        assert entry["request"]["ifNoneExist"] == f"identifier={known['system']}|{known['value']}"
    [tag] = provenance["resource"]["meta"]["tag"]
    assert provenance["request"]["ifNoneExist"] == f"_tag={tag['system']}|{tag['code']}"


def test_each_may_be_put_at_its_own_id_where_the_server_allows_it(knowledge: Knowledge) -> None:
    for entry in as_transaction(written(knowledge), by_own_id=True)["entry"]:
        resource = entry["resource"]
        assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}


def test_a_urn_within_the_bundle_is_no_identifier(knowledge: Knowledge) -> None:
    """Medplum replaces a fullUrl wherever it stands, and would lose the identifier by which the resource is found."""
    transaction = as_transaction(written(knowledge))
    urns = {entry["fullUrl"] for entry in transaction["entry"]}
    held = [value for entry in transaction["entry"] for value in entry["resource"].get("identifier", [])]
    assert urns.isdisjoint(each["value"] for each in held)
    assert not any(urn in entry["request"]["ifNoneExist"] for entry in transaction["entry"] for urn in urns)


def test_what_stands_elsewhere_is_named_where_it_stands(knowledge: Knowledge) -> None:
    assessed, device, provenance = written(knowledge)
    known = {f"Device/{device['id']}": "Device/77"}
    entries = as_transaction([assessed, provenance], elsewhere=known)["entry"]
    assert entries[0]["resource"]["performer"] == {"reference": "Device/77"}
    assert entries[1]["resource"]["agent"][0]["who"] == {"reference": "Device/77"}


def test_a_patient_is_a_transaction_below_every_servers_limit(knowledge: Knowledge) -> None:
    """A1.19: Azure takes 500 entries; whoever takes fewer than three is written to one by one."""
    assert len(as_transaction(written(knowledge))["entry"]) == 3


def _answer(*entries: Any) -> bytes:
    return encode({"resourceType": "Bundle", "type": "transaction-response", "entry": list(entries)})


def _entry(location: str, status: str = "201 Created", **more: Any) -> dict[str, Any]:
    return {"response": {"status": status, "location": location}, **more}


DEVICE, ASSESSED, PROVENANCE = _entry("Device/3"), _entry("RiskAssessment/1"), _entry("Provenance/2")


@pytest.mark.parametrize(
    "entries",
    [
        (ASSESSED, DEVICE),
        (DEVICE, ASSESSED, PROVENANCE),
        (ASSESSED, DEVICE, _entry("Provenance/2", "400 Bad Request")),
        (ASSESSED, DEVICE, _entry("")),
        (ASSESSED, DEVICE, _entry("Provenance/no id")),
        (ASSESSED, DEVICE, {"response": "201"}),
        (ASSESSED, DEVICE, "201"),
        (ASSESSED, DEVICE, PROVENANCE, PROVENANCE),
    ],
)
def test_an_answer_that_does_not_fit_what_was_asked_says_nothing(knowledge: Knowledge, entries: Any) -> None:
    """A1.17, E36"""
    transaction = as_transaction(written(knowledge))
    assert answered(_answer(*entries), transaction) is None
    assert answered(_answer(ASSESSED, DEVICE, PROVENANCE), transaction) is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"entry": 3}', b"\xff"])
def test_an_answer_that_is_none_says_nothing(knowledge: Knowledge, body: bytes) -> None:
    assert answered(body, as_transaction(written(knowledge))) is None


@pytest.mark.parametrize(
    ("entry", "reference"),
    [
        (_entry("https://h:443/a/fhir/RiskAssessment/1/_history/2"), "RiskAssessment/1/_history/2"),
        (_entry("RiskAssessment/1"), "RiskAssessment/1"),
        (_entry("/fhir/RiskAssessment/1/_history/a b"), "RiskAssessment/1"),
        (
            {"response": {"status": "201", "location": "RiskAssessment/1", "etag": 'W/"5"'}},
            "RiskAssessment/1/_history/5",
        ),
        (
            {
                "response": {"status": "201"},
                "resource": {"resourceType": "RiskAssessment", "id": "1", "meta": {"versionId": "9"}},
            },
            "RiskAssessment/1/_history/9",
        ),
    ],
)
def test_a_place_is_read_as_servers_write_it(knowledge: Knowledge, entry: Any, reference: str) -> None:
    """A1.12, A1.17"""
    [(place, created)] = answered(_answer(entry), as_transaction(written(knowledge)[:1])) or []
    assert (place.reference, created) == (reference, True)
