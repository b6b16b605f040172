"""Whether what we wrote is valid FHIR; asked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from adapter.fhir.decoding import encode
from adapter.fhir.identity import IS_ID, IS_REFERENCE
from adapter.fhir.releases import Release
from adapter.fhir.structure import element_problem, structure_problems
from adapter.problems import Problem

# Where, below the element at hand, and what.
_Fault = tuple[str, str]
_URN = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PERCENT = {"system": "http://unitsofmeasure.org", "code": "%"}
_OBSERVATION_STATUS = "registered preliminary final amended corrected cancelled entered-in-error unknown"
# fhir.resources checks no code against its list, not even where the binding is "required". These are the elements we
# write that have such a binding (R4 definitions; the R5 lists differ in nothing that we use).
_REQUIRED_BINDINGS: Mapping[str, frozenset[str]] = {
    path: frozenset(codes.split())
    for path, codes in {
        "RiskAssessment.status": _OBSERVATION_STATUS,
        "RiskAssessment.text.status": "generated extensions additional empty",
        "Device.status": "active inactive entered-in-error unknown",
        "Device.text.status": "generated extensions additional empty",
        "Device.deviceName.type": "user-friendly-name manufacturer-name model-name other",
        "Device.name.type": "registered-name user-friendly-name patient-reported-name",
        "Provenance.text.status": "generated extensions additional empty",
        "Provenance.entity.role": "derivation revision quotation source removal",
        "Bundle.type": "transaction batch collection",
        "Bundle.entry.request.method": "GET HEAD POST PUT DELETE PATCH",
    }.items()
}


# Elements in which we write neither a reference nor a code of a required binding.
_WITHOUT_EITHER = frozenset({"coding", "note", "identifier", "extension", "meta", "whenRange", "probabilityRange"})
_BOUND = frozenset(path.rpartition(".")[2] for path in _REQUIRED_BINDINGS)


def validate(resource: Mapping[str, Any], release: Release) -> list[Problem]:
    """Everything wrong with a resource, or with a Bundle and each resource in it; an empty list if it may be sent.

    fhir.resources judges the structure. It passes over wrong codes, ras-1, ras-2, ids and references of any shape, so
    those are judged here.
    """
    if resource["resourceType"] == "Device":
        # It is the same in every run.
        return list(_validated(encode(resource), release))
    return _faults(resource, release)


@lru_cache(maxsize=16)
def _validated(json: bytes, release: Release) -> tuple[Problem, ...]:
    return tuple(_faults(msgspec.json.decode(json), release))


def _faults(resource: Mapping[str, Any], release: Release) -> list[Problem]:
    name = resource["resourceType"]
    below = [element_problem(f"{name}{where}", what) for where, what in _nodes_checked(resource, name)]
    return [*structure_problems(resource, release), *_identity(resource), *below]


def _identity(resource: Mapping[str, Any]) -> Iterator[Problem]:
    """The id of a resource, its narrative (dom-6); the URNs of a Bundle and the references to them."""
    name = resource["resourceType"]
    if name != "Bundle":
        if not IS_ID.fullmatch(resource.get("id", "")):
            yield element_problem(f"{name}.id", "an id is 1 to 64 letters, digits, hyphens and points")
        if not resource.get("text", {}).get("div"):
            yield element_problem(f"{name}.text", "dom-6: a resource should have a narrative")
        return
    urls = [entry.get("fullUrl", "") for entry in resource.get("entry", ())]
    for index, entry in enumerate(resource.get("entry", ())):
        where = f"Bundle.entry[{index}]"
        if not _URN.fullmatch(urls[index]) or urls.count(urls[index]) > 1:
            yield element_problem(f"{where}.fullUrl", "a new entry has its own urn:uuid in lower case")
        if entry.get("request", {}).get("url", "").partition("/")[0] != entry["resource"]["resourceType"]:
            yield element_problem(f"{where}.request.url", "the type of the resource was expected")
        yield from _identity(entry["resource"])


def _nodes_checked(node: Mapping[str, Any], path: str) -> list[_Fault]:
    """Walk through a JSON object: ``path`` names the element for the tables; each fault tells where it lies below."""
    found: list[_Fault] = [*_invariants(node)] if path == "RiskAssessment.prediction" else []
    for name, part in node.items():
        if name in _WITHOUT_EITHER:
            continue
        if isinstance(part, dict):
            inner = part["resourceType"] if name == "resource" else f"{path}.{name}"
            found += [(f".{name}{where}", what) for where, what in _nodes_checked(part, inner)]
        elif isinstance(part, list):
            inner = f"{path}.{name}"
            for index, each in enumerate(part):
                if isinstance(each, dict):
                    found += [(f".{name}[{index}]{where}", what) for where, what in _nodes_checked(each, inner)]
        elif (name == "reference" or name in _BOUND) and (what := _fault_of(part, name, path)):
            found.append((f".{name}", what))
    return found


def _fault_of(value: object, name: str, path: str) -> str:
    """What is wrong with a reference or a code; empty if nothing is."""
    if name == "reference":
        return "" if IS_REFERENCE.fullmatch(str(value)) else "a relative, absolute or urn reference was expected"
    is_wrong = value not in _REQUIRED_BINDINGS.get(f"{path}.{name}", (value,))
    return "the code is not in the value set that is required here" if is_wrong else ""


def _invariants(node: Mapping[str, Any]) -> Iterator[_Fault]:
    """RiskAssessment's own rules, ras-1 and ras-2."""
    probability = node.get("probabilityDecimal", Decimal(0))
    if not 0 <= probability <= 100:
        yield ".probabilityDecimal", "ras-2: a percentage from 0 to 100 was expected"
    for end in map(node.get("probabilityRange", {}).get, ("low", "high")):
        if end and {name: end.get(name) for name in _PERCENT} != _PERCENT:
            yield ".probabilityRange", "ras-1: percentages were expected"
