"""A site brings its own codes as a plain ConceptMap: local code to marker, or local code to LOINC."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.knowledge.checking import check
from adapter.knowledge.facts import Sureness
from adapter.knowledge.loading import load_layers
from adapter.knowledge.model import LOINC, MARKER_SYSTEM, Knowledge
from tests.knowledge.conftest import small

HOSPITAL = "urn:oid:1.2.156.1"


def concept_map(target: str = MARKER_SYSTEM, code: str = "ctx", **element: Any) -> dict[str, Any]:
    """A map of one local code; ``element`` changes what it says."""
    said = {"code": "XGJ01", "display": "β-CTX", "target": [{"code": code, "equivalence": "equivalent"}]}
    return {
        "resourceType": "ConceptMap",
        "title": "Codes of our laboratory",
        "status": "active",
        "group": [{"source": HOSPITAL, "target": target, "element": [said | element]}],
    }


def laid_over(shipped_files: dict[str, bytes], *maps: dict[str, Any]) -> Knowledge:
    """The shipped knowledge with these maps over it."""
    return load_layers([shipped_files, {f"map{n}.json": json.dumps(each).encode() for n, each in enumerate(maps)}])


def findings(concept_map: Any) -> list[str]:
    """What is wrong with one ConceptMap."""
    return [str(finding) for finding in check([small(), {"map.json": json.dumps(concept_map).encode()}]).findings]


def test_a_local_code_can_mean_a_marker(shipped_files: dict[str, bytes]) -> None:
    row = laid_over(shipped_files, concept_map()).codes[HOSPITAL, "XGJ01"]
    assert (row.marker, row.display, row.source) == ("ctx", "β-CTX", "Codes of our laboratory")
    assert (row.units, row.sureness) == ((), Sureness.DECISION)


def test_a_local_code_can_mean_what_a_loinc_code_means(shipped_files: dict[str, bytes]) -> None:
    known = laid_over(shipped_files, concept_map(LOINC, "41171-0"))
    row, loinc = known.codes[HOSPITAL, "XGJ01"], known.codes[LOINC, "41171-0"]
    assert (row.marker, row.units, row.property) == (loinc.marker, loinc.units, loinc.property)
    assert row.source == "Codes of our laboratory (means LOINC 41171-0)"


def test_a_local_code_can_ask_what_a_loinc_question_asks(shipped_files: dict[str, bytes]) -> None:
    answer = laid_over(shipped_files, concept_map(LOINC, "75856-5")).factor_answers[HOSPITAL, "XGJ01"]
    assert (answer.factor, answer.reads, answer.code) == ("falls", "count", "XGJ01")


def test_a_map_may_say_units_specimen_and_source(shipped_files: dict[str, bytes]) -> None:
    said = {
        "unit": "ng/mL",
        "specimen": "serum",
        "flag": "d3-only",
        "rank": "2",
        "source": "our handbook",
        "sureness": "V",
    }
    product = [{"property": f"urn:osteo-fhir:{name}", "value": value} for name, value in said.items()]
    target = [{"code": "ctx", "equivalence": "wider", "product": product}]
    row = laid_over(shipped_files, concept_map(target=MARKER_SYSTEM) | concept_map_with(target)).codes[
        HOSPITAL, "XGJ01"
    ]
    assert (row.units, row.specimen, row.flags, row.rank) == (("ng/mL",), "serum", ("d3-only",), 2)
    assert (row.source, row.sureness) == ("our handbook", Sureness.VERIFIED)


def concept_map_with(target: list[Any]) -> dict[str, Any]:
    """A map whose one element has these targets."""
    return concept_map(**{"target": MARKER_SYSTEM}) | {
        "group": [{"source": HOSPITAL, "target": MARKER_SYSTEM, "element": [{"code": "XGJ01", "target": target}]}]
    }


@pytest.mark.parametrize("equivalence", ["unmatched", "disjoint"])
def test_a_code_that_is_said_to_match_nothing_is_left_out(equivalence: str) -> None:
    skeleton = concept_map_with([{"equivalence": equivalence, "comment": "met 3 times"}])
    assert findings(skeleton) == []
    assert findings(concept_map_with([])) == []


@pytest.mark.parametrize(
    ("spoiled", "expected"),
    [
        (
            concept_map_with([{"code": "ctx", "equivalence": "narrower"}]),
            "target[0].equivalence (XGJ01): expected one of",
        ),
        (concept_map_with([{"code": "ctx"}]), "target[0].equivalence (XGJ01): expected one of"),
        (
            concept_map_with([{"code": "ctx", "equivalence": "equal"}, {"code": "p1np", "equivalence": "equal"}]),
            "group[0].element[0] (XGJ01): expected one target: a code means one marker",
        ),
        (concept_map_with([{"equivalence": "equal"}]), "group[0].element[0].target[0].code: expected a text"),
        (concept_map(code="ctz"), f"code {HOSPITAL}|XGJ01: expected a known marker, not 'ctz'"),
        (concept_map(LOINC, "2731-8"), "expected a LOINC code that is mapped here, not 2731-8"),
        (concept_map("http://snomed.info/sct"), f"group[0].target: expected {MARKER_SYSTEM} or {LOINC}"),
        (concept_map(code=""), "target[0].code: expected a text"),
        (concept_map() | {"resourceType": "ValueSet"}, "map.json: resourceType: expected a FHIR R4 ConceptMap"),
        (
            concept_map_with(
                [
                    {
                        "code": "ctx",
                        "equivalence": "wider",
                        "product": [{"property": "urn:osteo-fhir:colour", "value": "x"}],
                    }
                ]
            ),
            "target[0].product (XGJ01) colour: ",
        ),
        (
            concept_map_with(
                [
                    {
                        "code": "ctx",
                        "equivalence": "wider",
                        "product": [{"property": "urn:osteo-fhir:unit", "value": "kg"}],
                    }
                ]
            ),
            f"code {HOSPITAL}|XGJ01: expected units that ctx has a factor for, not 'kg'",
        ),
        ([], "map.json: syntax: expected readable TOML or JSON"),
    ],
)
def test_what_is_wrong_with_a_map_is_said(spoiled: Any, expected: str) -> None:
    [said] = findings(spoiled)
    assert expected in said
    assert said.startswith("map.json: ")


@pytest.mark.parametrize("group", [None, "x", ["x"], [{"source": HOSPITAL, "target": MARKER_SYSTEM}]])
def test_a_map_without_elements_maps_nothing(group: Any) -> None:
    assert findings(concept_map() | {"group": group}) == []


def test_a_denied_code_cannot_be_mapped_by_a_site(shipped_files: dict[str, bytes]) -> None:
    lifted = concept_map() | {
        "group": [
            {
                "source": LOINC,
                "target": MARKER_SYSTEM,
                "element": [{"code": "14905-4", "target": [{"code": "vitamin-d", "equivalence": "equal"}]}],
            }
        ]
    }
    [finding] = check([shipped_files, {"map.json": json.dumps(lifted).encode()}]).findings
    assert str(finding) == f"map.json: code {LOINC}|14905-4: expected a code that is not on the deny-list"


def test_a_map_is_named_by_what_it_has() -> None:
    files = {"lab/map.json": json.dumps({k: v for k, v in concept_map().items() if k != "title"}).encode()}
    assert load_layers([small(), files]).codes[HOSPITAL, "XGJ01"].source == "lab/map.json"
