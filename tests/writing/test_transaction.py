"""All are written or none, and none twice."""

from __future__ import annotations

import re

from adapter.fhir.transaction import as_transaction
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
