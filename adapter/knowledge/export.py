"""What is known as FHIR R4 resources for a terminology server: markers, their codes, value sets and limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from adapter.knowledge.concept_maps import PRODUCT
from adapter.knowledge.facts import Cited, Limit, MappedCode, Marker
from adapter.knowledge.model import MARKER_SYSTEM, Knowledge

Resource = dict[str, Any]
_URN = "urn:osteo-fhir"
_UCUM = "http://unitsofmeasure.org"
_INTERVAL_CATEGORIES = {"reference": "reference"}
_LOINC_NOTICE = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. "
    "and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the "
    "license at http://loinc.org/license. LOINC® is a registered United States trademark of Regenstrief Institute, Inc."
)


def resources(knowledge: Knowledge) -> list[Resource]:
    """Everything a terminology server can hold: the markers, their codes, and per marker a value set and its limits."""
    with_codes = [marker for marker in knowledge.markers.values() if any(_codes_of(marker, knowledge))]
    return [
        code_system(knowledge),
        concept_map(knowledge),
        *(value_set(marker, knowledge) for marker in with_codes),
        *(observation_definition(marker, knowledge) for marker in with_codes),
    ]


def code_system(knowledge: Knowledge) -> Resource:
    """The markers as a code system of our own."""
    return {
        **_head("CodeSystem", "marker", "Markers", knowledge),
        "url": MARKER_SYSTEM,
        "content": "complete",
        "caseSensitive": True,
        "concept": [
            {"code": marker.id, "display": marker.name["en"], "designation": _designations(marker)}
            for marker in knowledge.markers.values()
        ],
    }


def concept_map(knowledge: Knowledge) -> Resource:
    """Every code that is known and the marker it means, with all that our own mapping files say about it."""
    systems = dict.fromkeys(code.system for code in knowledge.codes.values())
    return {
        **_head("ConceptMap", "markers", "Codes to markers", knowledge),
        "copyright": _LOINC_NOTICE,
        "group": [
            {
                "source": system,
                "target": MARKER_SYSTEM,
                "element": [_element(code) for code in knowledge.codes.values() if code.system == system],
            }
            for system in systems
        ],
    }


def value_set(marker: Marker, knowledge: Knowledge) -> Resource:
    """The codes of one marker."""
    by_system: dict[str, list[Resource]] = {}
    for code in _codes_of(marker, knowledge):
        by_system.setdefault(code.system, []).append(_coding(code, system=False))
    return {
        **_head("ValueSet", marker.id, f"Codes of {marker.name['en']}", knowledge),
        "copyright": _LOINC_NOTICE,
        "compose": {"include": [{"system": system, "concept": concepts} for system, concepts in by_system.items()]},
    }


def observation_definition(marker: Marker, knowledge: Knowledge) -> Resource:
    """One marker with its unit, its limits per group and its plausible range."""
    codings = [_coding(code, system=True) for code in _codes_of(marker, knowledge)]
    definition: Resource = {
        "resourceType": "ObservationDefinition",
        "id": f"osteo-fhir-{marker.id}",
        "identifier": [{"system": MARKER_SYSTEM, "value": marker.id}],
        "code": {
            "coding": [{"system": MARKER_SYSTEM, "code": marker.id, "display": marker.name["en"]}, *codings],
            "text": marker.name["en"],
        },
        "permittedDataType": ["Quantity"],
        "quantitativeDetails": {"unit": {"coding": [{"system": _UCUM, "code": marker.unit}]}},
    }
    intervals = [_interval(limit, marker) for limit in knowledge.limits.get(marker.id, ())]
    intervals += _plausible(marker)
    return {**definition, "qualifiedInterval": intervals} if intervals else definition


def _head(kind: str, name: str, title: str, knowledge: Knowledge) -> Resource:
    return {
        "resourceType": kind,
        "id": f"osteo-fhir-{name}",
        "url": f"{_URN}:{kind}:{name}",
        "version": f"{knowledge.version}+{knowledge.fingerprint[:12]}",
        "name": "OsteoFhir" + "".join(part.capitalize() for part in name.split("-")),
        "title": title,
        "status": "active",
        "experimental": False,
        "publisher": "osteo-fhir-adapter",
    }


def _designations(marker: Marker) -> list[Resource]:
    return [{"language": language, "value": name} for language, name in marker.name.items() if language != "en"]


def _codes_of(marker: Marker, knowledge: Knowledge) -> Iterator[MappedCode]:
    return (code for code in knowledge.codes.values() if code.marker == marker.id)


def _coding(code: MappedCode, *, system: bool) -> Resource:
    coding = {"system": code.system} if system else {}
    return {**coding, "code": code.code, **({"display": code.display} if code.display else {})}


def _element(code: MappedCode) -> Resource:
    target = {"code": code.marker, "equivalence": "wider", "product": [*_products(code)]}
    return {**_coding(code, system=False), "target": [target]}


def _products(code: MappedCode) -> Iterator[Resource]:
    stated: Iterable[tuple[str, str]] = (
        ("property", code.property),
        *(("unit", unit) for unit in code.units),
        ("specimen", code.specimen),
        ("site", code.site),
        *(("flag", flag) for flag in code.flags),
        ("rank", str(code.rank) if code.rank else ""),
        ("source", code.source),
        ("sureness", code.sureness.value),
    )
    return ({"property": PRODUCT + name, "value": value} for name, value in stated if value)


def _interval(limit: Limit, marker: Marker) -> Resource:
    category = _INTERVAL_CATEGORIES.get(limit.purpose)
    age = _range(limit.age_low, limit.age_high, "a")
    return {
        **({"category": category} if category else {}),
        "range": _range(limit.low, limit.high, marker.unit),
        **({"gender": limit.sex} if limit.sex else {}),
        **({"age": age} if age else {}),
        "condition": _condition(limit),
    }


def _condition(limit: Limit) -> str:
    """For whom and why, in words: R4 has no element for menopause, assay or source."""
    menopause = {"post": "after menopause", "pre": "before menopause", "": ""}[limit.menopause]
    said = (
        "" if limit.purpose in _INTERVAL_CATEGORIES else f"purpose: {limit.purpose}",
        menopause,
        f"assay: {limit.assay}" if limit.assay else "",
        limit.note,
        _citation(limit),
    )
    return "; ".join(part for part in said if part)


def _citation(fact: Cited) -> str:
    return f"source: {fact.source} ({fact.sureness.value})"


def _plausible(marker: Marker) -> list[Resource]:
    limits = _range(marker.plausible_low, marker.plausible_high, marker.unit)
    return [{"category": "absolute", "range": limits, "condition": _citation(marker)}] if limits else []


def _range(low: Decimal | int | None, high: Decimal | int | None, unit: str) -> Resource:
    ends = (("low", low), ("high", high))
    return {
        name: {"value": value, "unit": unit, "system": _UCUM, "code": unit} for name, value in ends if value is not None
    }
