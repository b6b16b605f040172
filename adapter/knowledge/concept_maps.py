"""Codes and the markers they mean, written as FHIR R4 ConceptMap, so that a site can bring its own.

A plain ConceptMap is enough: local code to marker, or local code to a LOINC code that is known here. What ours say
besides (units, specimen, source …) stands in ``target.product`` and may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from adapter.clinical.values import Value
from adapter.knowledge.facts import MappedCode
from adapter.knowledge.file_format import Fact
from adapter.knowledge.findings import Finding
from adapter.knowledge.model import LOINC, MARKER_SYSTEM

PRODUCT = "urn:osteo-fhir:"
_MANY = {"unit": "units", "flag": "flags"}
# "The target mapping is wider in meaning than the source concept"
# (hl7.org/fhir/R4/valueset-concept-map-equivalence.html).
# A narrower or inexact target would claim more than the source said, so it is refused.
_SAFE = ("equal", "equivalent", "wider", "subsumes")
_LEFT_OUT = ("unmatched", "disjoint")


class CodeLink(Value):
    """A local code that means the same as a LOINC code."""

    system: str
    code: str
    display: str
    loinc: str
    source: str


class _Refused(Exception):
    """A place in the ConceptMap is not as it must be."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(key, expected)
        self.key, self.expected = key, expected


def facts_of_concept_map(file: str, resource: Mapping[str, Any], findings: list[Finding]) -> Iterator[Fact]:
    """The codes a ConceptMap maps; what is wrong with an element costs that element and is added to the findings."""
    if resource.get("resourceType") != "ConceptMap":
        findings.append(Finding(file, "resourceType", "expected a FHIR R4 ConceptMap"))
        return
    source = str(resource.get("title") or resource.get("name") or resource.get("url") or file)
    for place, group in _listed(resource, "group", ""):
        for where, element in _listed(group, "element", place):
            try:
                row = _row(group, element, place=place, where=where, source=source)
            except _Refused as refused:
                findings.append(Finding(file, refused.key, refused.expected))
                continue
            if row is not None:
                yield ("code", row.system, row.code), row


def _listed(parent: Mapping[str, Any], name: str, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    rows = parent.get(name)
    dot = f"{where}." if where else ""
    return [
        (f"{dot}{name}[{i}]", row)
        for i, row in enumerate(rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    ]


def _row(
    group: Mapping[str, Any], element: Mapping[str, Any], *, place: str, where: str, source: str
) -> MappedCode | CodeLink | None:
    system, code = _text(group, "source", place), _text(element, "code", where)
    targets = [
        (place, target)
        for place, target in _listed(element, "target", where)
        if target.get("equivalence") not in _LEFT_OUT
    ]
    if not targets:
        return None
    if len(targets) > 1:
        raise _Refused(f"{where} ({code})", "expected one target: a code means one marker")
    at, target = targets[0]
    if target.get("equivalence") not in _SAFE:
        raise _Refused(f"{at}.equivalence ({code})", f"expected one of {', '.join(_SAFE + _LEFT_OUT)}")
    meant, target_system = _text(target, "code", at), _text(group, "target", place)
    display = str(element.get("display") or "")
    if target_system == LOINC:
        return CodeLink(system=system, code=code, display=display, loinc=meant, source=source)
    if target_system != MARKER_SYSTEM:
        raise _Refused(f"{place}.target", f"expected {MARKER_SYSTEM} or {LOINC}")
    return _mapped(at, target, {"system": system, "code": code, "display": display, "marker": meant, "source": source})


def _mapped(at: str, target: Mapping[str, Any], stated: dict[str, Any]) -> MappedCode:
    stated["sureness"] = "D"
    for where, product in _listed(target, "product", at):
        name = _text(product, "property", where).removeprefix(PRODUCT)
        value = _text(product, "value", where)
        if name in _MANY:
            stated[_MANY[name]] = (*stated.get(_MANY[name], ()), value)
        else:
            stated[name] = value
    try:
        return MappedCode.model_validate(stated, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise _Refused(f"{at}.product ({stated['code']}) {'.'.join(map(str, first['loc']))}", first["msg"]) from None


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise _Refused(f"{where}.{name}", "expected a text")
    return value


_object_in = msgspec.json.Decoder(dict[str, Any]).decode


def decode_json(content: bytes) -> Mapping[str, Any]:
    """The JSON object of a file; raises ``msgspec.DecodeError`` where it is none."""
    return _object_in(content)
