"""What is left of a resource when whatever differs from patient to patient is replaced by an example.

Resources of one skeleton are equally valid, so one judgement serves all of them. For an example stands only for what
keeps a rule at least as strict as FHIR's and our own; what breaks it stays, and so makes a skeleton of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from adapter.fhir.identity import IS_ID, IS_REFERENCE

# hl7.org/fhir/R4/datatypes.html#instant; whether such a day and time exist, Python knows.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))", re.ASCII)


def _is_instant(text: str) -> bool:
    try:
        return bool(_INSTANT.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False


_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# By the name of an element, which means the same wherever it stands: the rule of its texts, and one that keeps it.
_EXAMPLES: Mapping[str, tuple[Callable[[str], object], str]] = {
    **dict.fromkeys(("div", "text", "rationale", "mitigation"), (str.strip, "text")),
    **dict.fromkeys(("occurrenceDateTime", "recorded"), (_is_instant, "2026-01-01T00:00:00Z")),
    "id": (IS_ID.fullmatch, "1"),
    "reference": (IS_REFERENCE.fullmatch, "Observation/1"),
    # Our own ids, in an identifier and in a tag. Any value or code that looks like one is judged like any other.
    "value": (re.compile(f"urn:uuid:{_UUID}").fullmatch, "urn:uuid:00000000-0000-4000-8000-000000000000"),
    "code": (re.compile(_UUID).fullmatch, "00000000-0000-4000-8000-000000000000"),
}
_PERCENT = Decimal(1)


def skeleton(element: Mapping[str, Any]) -> dict[str, Any]:
    """The element with its texts, ids and references replaced, and of list items that are then the same only one."""
    bare: dict[str, Any] = {}
    for name, part in element.items():
        if isinstance(part, str):
            known = _EXAMPLES.get(name)
            bare[name] = known[1] if known and known[0](part) else part
        elif isinstance(part, dict):
            bare[name] = skeleton(part)
        elif isinstance(part, list):
            bare[name] = _different(part)
        else:
            bare[name] = _PERCENT if name == "probabilityDecimal" and _is_percentage(part) else part
    return bare


def _different(items: Sequence[Any]) -> list[Any]:
    """The skeletons that differ: FHIR lets an element occur any number of times, or once."""
    found: list[Any] = []
    for item in items:
        if not isinstance(item, dict):
            found.append(item)
        elif (bare := skeleton(item)) not in found:
            found.append(bare)
    return found


def _is_percentage(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and 0 <= value <= 100
