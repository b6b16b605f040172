"""What fhir.resources says of a resource that we wrote; it is asked once about what recurs in every assessment.

It is imported only here and only when asked, for that costs a sixth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from adapter.fhir.decoding import decode, encode
from adapter.fhir.releases import WRITTEN, Release
from adapter.problems import Problem, ProblemCode

# The elements that are the same in many assessments, by the resource or element they stand in: module and type.
_CONCEPT = ("codeableconcept", "CodeableConcept")
_RANGE = ("range", "Range")
_RECURRING: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "RiskAssessment": {"method": _CONCEPT, "code": _CONCEPT},
    "prediction": {
        "outcome": _CONCEPT,
        "qualitativeRisk": _CONCEPT,
        "whenRange": _RANGE,
        "probabilityRange": _RANGE,
    },
    "Provenance": {"activity": _CONCEPT, "agent": ("provenance", "ProvenanceAgent")},
}
_NOTHING: Mapping[str, tuple[str, str]] = {}


def element_problem(where: str, what: str) -> Problem:
    """Something wrong with an element that we wrote."""
    return Problem(ProblemCode.ELEMENT_INVALID, where, what, then="the resource must not be sent")


def structure_problems(resource: Mapping[str, Any], release: Release) -> Iterator[Problem]:
    """Everything that fhir.resources finds wrong; the binding of a code, ids and references are not its business."""
    name = resource["resourceType"]
    try:
        _model(name.lower(), name, release).model_validate(_with_known_parts(resource, release))
    except ValidationError as error:
        # Without the input: a problem's text never carries a patient's data.
        for issue in error.errors(include_url=False, include_input=False, include_context=False):
            yield element_problem(".".join([name, *map(str, issue["loc"])]), issue["msg"])


@cache
def _model(module: str, name: str, release: Release) -> type[BaseModel]:
    found: type[BaseModel] = getattr(import_module(f"{WRITTEN[release].models}.{module}"), name)
    return found


def _with_known_parts(resource: Mapping[str, Any], release: Release) -> Mapping[str, Any]:
    """The resource with its recurring parts as models, and one in place of many bare references."""
    known = _known_among(resource, _RECURRING.get(resource["resourceType"], _NOTHING), release)
    predictions = known.get("prediction")
    if isinstance(predictions, list):
        parts = _RECURRING["prediction"]
        known["prediction"] = [
            _known_among(each, parts, release) if isinstance(each, dict) else each for each in predictions
        ]
    for name, (is_bare, example, type_) in _REFERENCES.items():
        found = known.get(name)
        if is_bare(found):
            known[name] = _known(example, type_, release)
        elif isinstance(found, list) and found and all(map(is_bare, found)):
            known[name] = [_known(example, type_, release)]
    return known


def _known_among(element: Mapping[str, Any], parts: Mapping[str, tuple[str, str]], release: Release) -> dict[str, Any]:
    known = dict(element)
    for name, type_ in parts.items():
        part = known.get(name)
        if isinstance(part, dict):
            known[name] = _known(part, type_, release)
        elif isinstance(part, list):
            known[name] = [_known(each, type_, release) if isinstance(each, dict) else each for each in part]
    return known


def _known(part: Mapping[str, Any], type_: tuple[str, str], release: Release) -> object:
    """The part as a model; as it was where it is not valid, so that the whole resource tells where."""
    try:
        return _part(encode(part), type_, release)
    except ValidationError:
        return part


@lru_cache(maxsize=1024)
def _part(json: bytes, type_: tuple[str, str], release: Release) -> BaseModel:
    return _model(*type_, release).model_validate(decode(json, where=""))


def _is_bare_reference(element: object) -> bool:
    return isinstance(element, dict) and element.keys() == {"reference"} and isinstance(element["reference"], str)


def _is_bare_source(element: object) -> bool:
    return (
        isinstance(element, dict)
        and element.keys() == {"role", "what"}
        and element["role"] == "source"
        and _is_bare_reference(element["what"])
    )


_REFERENCE = (_is_bare_reference, {"reference": "Observation/1"}, ("reference", "Reference"))
_SOURCE = (
    _is_bare_source,
    {"role": "source", "what": {"reference": "Observation/1"}},
    ("provenance", "ProvenanceEntity"),
)
# Bare references differ in nothing but the text of the reference. ``validate`` holds each against a rule that is
# stricter than that of fhir.resources, so here one stands for all of them.
_REFERENCES: Mapping[str, tuple[Callable[[object], bool], Mapping[str, Any], tuple[str, str]]] = {
    **dict.fromkeys(("subject", "performer", "basis", "target"), _REFERENCE),
    "entity": _SOURCE,
}
