"""What a terminology server is given: valid R4, and the same when it comes back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from adapter.knowledge.export import resources
from adapter.knowledge.layers import merged
from adapter.knowledge.loading import load_layers
from adapter.knowledge.model import Knowledge
from tests.validators.judges import assert_valid_r4, node_complaints


@pytest.fixture(scope="module")
def exported(knowledge: Knowledge) -> list[dict[str, Any]]:
    return resources(knowledge)


def of_type(exported: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [resource for resource in exported if resource["resourceType"] == name]


def test_every_judge_finds_what_is_exported_valid(exported: list[dict[str, Any]]) -> None:
    # One judge does not know the element CodeSystem.concept.designation.language, which R4 has
    # (hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.designation.language).
    code_systems = of_type(exported, "CodeSystem")
    assert node_complaints(code_systems) == []
    assert_valid_r4([resource for resource in exported if resource not in code_systems])


def test_every_judge_finds_the_shipped_maps_valid(shipped_files: dict[str, bytes]) -> None:
    assert_valid_r4([json.loads(content) for name, content in shipped_files.items() if name.endswith(".json")])


def test_the_exported_map_says_what_the_shipped_maps_say(
    exported: list[dict[str, Any]], shipped_files: dict[str, bytes], knowledge: Knowledge
) -> None:
    [concept_map] = of_type(exported, "ConceptMap")
    without_codes = {name: content for name, content in shipped_files.items() if not name.endswith(".json")}
    encoded = msgspec.json.Encoder(decimal_format="number").encode(concept_map)
    assert load_layers([without_codes, {"markers.json": encoded}]).codes == knowledge.codes


def test_every_marker_with_codes_has_its_value_set(exported: list[dict[str, Any]], knowledge: Knowledge) -> None:
    sets = {each["id"].removeprefix("osteo-fhir-"): each for each in of_type(exported, "ValueSet")}
    assert sets.keys() == {code.marker for code in knowledge.codes.values()}
    [include] = sets["p1np"]["compose"]["include"]
    assert [concept["code"] for concept in include["concept"]] == ["47255-5", "77370-5"]
    assert "LOINC" in sets["p1np"]["copyright"]


def test_limits_are_exported_with_group_and_source(exported: list[dict[str, Any]]) -> None:
    definitions = {each["id"].removeprefix("osteo-fhir-"): each for each in of_type(exported, "ObservationDefinition")}
    reference, *_ = definitions["ctx"]["qualifiedInterval"]
    assert (reference["category"], reference["gender"]) == ("reference", "male")
    assert str(reference["range"]["high"]["value"]) == "791"
    assert "Chengdu" in reference["condition"]
    thresholds = [each["condition"] for each in definitions["urine-calcium-24h"]["qualifiedInterval"]]
    assert any(said.startswith("purpose: hypercalciuria; ") for said in thresholds)
    assert "qualifiedInterval" not in definitions["frax-panel"]


def test_ages_and_menopause_are_exported(exported: list[dict[str, Any]]) -> None:
    [ctx] = [each for each in exported if each["id"] == "osteo-fhir-ctx" and "qualifiedInterval" in each]
    aged = [each["age"] for each in ctx["qualifiedInterval"] if "age" in each]
    assert {"low": 50, "high": 59} in [{end: value["value"] for end, value in age.items()} for age in aged]
    assert any("after menopause; assay: Mayo" in each["condition"] for each in ctx["qualifiedInterval"])


def test_the_version_names_the_fingerprint(exported: list[dict[str, Any]], knowledge: Knowledge) -> None:
    versions = {each["version"] for each in exported if "version" in each}
    assert versions == {f"{knowledge.version}+{knowledge.fingerprint[:12]}"}


def test_local_codes_are_exported_too(shipped_files: dict[str, bytes]) -> None:
    local = {
        "resourceType": "ConceptMap",
        "status": "active",
        "group": [
            {
                "source": "urn:oid:1.2.156.1",
                "target": "urn:osteo-fhir:marker",
                "element": [{"code": "TR5B", "target": [{"code": "tracp-5b", "equivalence": "equal"}]}],
            }
        ],
    }
    known = load_layers([shipped_files, {"lab.json": json.dumps(local).encode()}])
    [tracp] = [each for each in of_type(resources(known), "ValueSet") if each["id"] == "osteo-fhir-tracp-5b"]
    assert tracp["compose"]["include"] == [{"system": "urn:oid:1.2.156.1", "concept": [{"code": "TR5B"}]}]


def test_merging_one_layer_with_itself_changes_nothing(shipped_files: dict[str, bytes]) -> None:
    once, _ = merged([shipped_files], [])
    twice, clashes = merged([shipped_files, shipped_files], [])
    assert (once.facts, clashes) == (twice.facts, ())
