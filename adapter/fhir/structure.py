"""What fhir.resources says of a resource that we wrote.

It is imported only here and only when asked, for that costs a sixth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from adapter.fhir.releases import WRITTEN, Release
from adapter.problems import Problem, ProblemCode


def element_problem(where: str, what: str) -> Problem:
    """Something wrong with an element that we wrote."""
    return Problem(ProblemCode.ELEMENT_INVALID, where, what, then="the resource must not be sent")


def structure_problems(resource: Mapping[str, Any], release: Release) -> Iterator[Problem]:
    """Everything that fhir.resources finds wrong; the binding of a code, ids and references are not its business."""
    name = resource["resourceType"]
    model: type[BaseModel] = getattr(import_module(f"{WRITTEN[release].models}.{name.lower()}"), name)
    try:
        model.model_validate(resource)
    except ValidationError as error:
        # Without the input: a problem's text never carries a patient's data.
        for issue in error.errors(include_url=False, include_input=False, include_context=False):
            yield element_problem(".".join([name, *map(str, issue["loc"])]), issue["msg"])
