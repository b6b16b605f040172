"""Whether what we wrote is valid FHIR; asked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from adapter.fhir.decoding import decode, encode
from adapter.fhir.device import device
from adapter.fhir.identity import IS_ID, IS_REFERENCE
from adapter.fhir.releases import Release
from adapter.fhir.skeleton import skeleton
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
        "AuditEvent.text.status": "generated extensions additional empty",
        "AuditEvent.action": "C R U D E",
        "AuditEvent.outcome": "0 4 8 12",
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

    Resources that differ only in what a rule allows are judged once. A Bundle is not, for no two of its entries may
    be the same.
    """
    # The Device is the same in every run; that it is valid, the tests have seen.
    if resource == device(release):
        return []
    if resource["resourceType"] != "Bundle" and _is_sound(encode(skeleton(resource)), release):
        return []
    return validate_anew(resource, release)


def validate_anew(resource: Mapping[str, Any], release: Release) -> list[Problem]:
    """The same, with nothing taken as judged already.

    fhir.resources judges the structure. It passes over wrong codes, ras-1, ras-2, ids and references of any shape, so
    those are judged here.
    """
    name = resource["resourceType"]
    below = [element_problem(f"{name}{where}", what) for where, what in _nodes_checked(resource, name)]
    return [*structure_problems(resource, release), *_identity(resource), *below]


@lru_cache(maxsize=1024)
def _is_sound(json: bytes, release: Release) -> bool:
    """Whether nothing is wrong with the resource that this is the skeleton of."""
    return not validate_anew(cast("dict[str, Any]", decode(json, where="")), release)


def _identity(resource: Mapping[str, Any]) -> Iterator[Problem]:
    """The id of a resource, its narrative (dom-6); the URNs of a Bundle and the references to them."""
    name = resource["resourceType"]
    if name != "Bundle":
        id_, narrative = resource.get("id"), resource.get("text")
        if not (isinstance(id_, str) and IS_ID.fullmatch(id_)):
            yield element_problem(f"{name}.id", "an id is 1 to 64 letters, digits, hyphens and points")
        if not (isinstance(narrative, dict) and narrative.get("div")):
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
    """RiskAssessment's own rules, ras-1 and ras-2; what is no number or no range is a matter of structure."""
    probability, given = node.get("probabilityDecimal"), node.get("probabilityRange")
    if isinstance(probability, Decimal | int) and not 0 <= probability <= 100:
        yield ".probabilityDecimal", "ras-2: a percentage from 0 to 100 was expected"
    for end in (given.get("low"), given.get("high")) if isinstance(given, dict) else ():
        if isinstance(end, dict) and {name: end.get(name) for name in _PERCENT} != _PERCENT:
            yield ".probabilityRange", "ras-1: percentages were expected"
