"""Whether what we wrote is valid FHIR; asked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from adapter.fhir.identity import IS_ID, IS_REFERENCE
from adapter.fhir.releases import WRITTEN, Release
from adapter.problems import Problem, ProblemCode

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


def validate(resource: Mapping[str, Any], release: Release) -> list[Problem]:
    """Everything wrong with a resource, or with a Bundle and each resource in it; an empty list if it may be sent.

    fhir.resources judges the structure. It passes over wrong codes, ras-1, ras-2, ids and references of any shape, so
    those are judged here.
    """
    return [
        *_structure(resource, release),
        *_identity(resource),
        *_nodes_checked(resource, resource["resourceType"], resource["resourceType"]),
    ]


def _problem(where: str, what: str) -> Problem:
    return Problem(ProblemCode.ELEMENT_INVALID, where, what, then="the resource must not be sent")


def _structure(resource: Mapping[str, Any], release: Release) -> Iterator[Problem]:
    """What fhir.resources says; imported only here, for it costs a sixth of a second."""
    name = resource["resourceType"]
    model = getattr(import_module(f"{WRITTEN[release].models}.{name.lower()}"), name)
    try:
        model.model_validate(resource)
    except ValidationError as error:
        # Without the input: a problem's text never carries a patient's data.
        for issue in error.errors(include_url=False, include_input=False, include_context=False):
            yield _problem(".".join([name, *map(str, issue["loc"])]), issue["msg"])


def _identity(resource: Mapping[str, Any]) -> Iterator[Problem]:
    """The id of a resource, its narrative (dom-6); the URNs of a Bundle and the references to them."""
    name = resource["resourceType"]
    if name != "Bundle":
        if not IS_ID.fullmatch(resource.get("id", "")):
            yield _problem(f"{name}.id", "an id is 1 to 64 letters, digits, hyphens and points")
        if not resource.get("text", {}).get("div"):
            yield _problem(f"{name}.text", "dom-6: a resource should have a narrative")
        return
    urls = [entry.get("fullUrl", "") for entry in resource.get("entry", ())]
    for index, entry in enumerate(resource.get("entry", ())):
        where = f"Bundle.entry[{index}]"
        if not _URN.fullmatch(urls[index]) or urls.count(urls[index]) > 1:
            yield _problem(f"{where}.fullUrl", "a new entry has its own urn:uuid in lower case")
        if entry.get("request", {}).get("url", "").partition("/")[0] != entry["resource"]["resourceType"]:
            yield _problem(f"{where}.request.url", "the type of the resource was expected")
        yield from _identity(entry["resource"])


def _nodes_checked(node: object, path: str, where: str) -> Iterator[Problem]:
    """Walk through a JSON value: ``path`` names the element for the tables, ``where`` counts the repetitions too."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from _nodes_checked(part, path, f"{where}[{index}]")
    elif isinstance(node, dict):
        yield from _invariants(node, path, where)
        for name, part in node.items():
            inner = part["resourceType"] if name == "resource" and isinstance(part, dict) else f"{path}.{name}"
            yield from _nodes_checked(part, inner, f"{where}.{name}")
    elif path in _REQUIRED_BINDINGS and node not in _REQUIRED_BINDINGS[path]:
        yield _problem(where, "the code is not in the value set that is required here")
    elif path.endswith(".reference") and not IS_REFERENCE.fullmatch(str(node)):
        yield _problem(where, "a relative, absolute or urn reference was expected")


def _invariants(node: Mapping[str, Any], path: str, where: str) -> Iterator[Problem]:
    """RiskAssessment's own rules, ras-1 and ras-2."""
    if path != "RiskAssessment.prediction":
        return
    probability = node.get("probabilityDecimal", Decimal(0))
    if not 0 <= probability <= 100:
        yield _problem(f"{where}.probabilityDecimal", "ras-2: a percentage from 0 to 100 was expected")
    for end in map(node.get("probabilityRange", {}).get, ("low", "high")):
        if end and {name: end.get(name) for name in _PERCENT} != _PERCENT:
            yield _problem(f"{where}.probabilityRange", "ras-1: percentages were expected")
