"""Walk through a resource as decoded: every step knows its path, and what is not as FHIR says is noted there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from adapter.clinical.time import ClinicalTime, clinical_time
from adapter.fhir.decoding import Json
from adapter.problems import NO_VALUES, Problem, ProblemCode

_CODE = re.compile(r"\S{1,40}")
_DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


class Element:
    """One JSON object of a resource, its place, and the faults found in the elements that were asked for.

    Only what is asked for is judged: "strict about every element we use, indifferent to those we do not". A faulty
    element reads as absent, and whoever reads the resource looks at ``faults`` in the end. ``null`` and ``""`` are no
    FHIR, but say nothing either, so they too read as absent.
    """

    __slots__ = ("_parent", "_step", "faults", "json")

    def __init__(self, json: Json, step: str, parent: Element | None = None, *, apart: bool = False) -> None:
        self.json = json
        self.faults: list[Problem] = [] if apart or parent is None else parent.faults
        self._parent = parent
        self._step = step
        if json.get("modifierExtension"):
            # "applications SHALL NOT process the resource" unless they know it (extensibility.html#modifierExtension)
            what = "it may change the meaning, and is not known here"
            self.fault("modifierExtension", ProblemCode.MODIFIER_UNKNOWN, what)

    @property
    def where(self) -> str:
        """The path of this element in the input."""
        return f"{self._parent.where}.{self._step}" if self._parent else self._step

    def fault(self, name: str, code: ProblemCode, sentence: str, values: Mapping[str, str] = NO_VALUES) -> None:
        """Note that a child element is not usable."""
        self.faults.append(Problem(code, f"{self.where}.{name}" if name else self.where, sentence, values=values))

    def distinct_faults(self) -> list[Problem]:
        """The faults found so far, each once: an element may have been asked for twice."""
        return [fault for index, fault in enumerate(self.faults) if fault not in self.faults[:index]]

    def has(self, name: str) -> bool:
        """Whether the child holds anything."""
        return self.json.get(name) not in (None, "", [], {})

    def text(self, name: str) -> str:
        """A child that is a string; empty if absent."""
        found = self.json.get(name)
        if found.__class__ is str:
            return str(found)
        if found is not None:
            self._wrong(name, found, "a text")
        return ""

    def flag(self, name: str) -> bool | None:
        """A child that is a boolean."""
        found = self.json.get(name)
        if found is None or found is True or found is False:
            return found
        self._wrong(name, found, "true or false")
        return None

    def number(self, name: str) -> Decimal | None:
        """A child that is a number, with all its digits."""
        found = self.json.get(name)
        if isinstance(found, Decimal) or found is None:
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return Decimal(found)
        self._wrong(name, found, "a number")
        return None

    def time(self, name: str) -> ClinicalTime | None:
        """A child that is a date, dateTime or instant, as precise as it was given."""
        text = self.text(name)
        if not text:
            return None
        time = clinical_time(text)
        if time is None:
            self.fault(name, ProblemCode.TIME_INVALID, "this is no date or time of FHIR")
        return time

    def one(self, name: str) -> Element | None:
        """A child that is an object."""
        found = self.json.get(name)
        if found.__class__ is dict:
            return Element(found, name, self)
        if found is not None:
            self._wrong(name, found, "an object")
        return None

    def many(self, name: str, *, apart: bool = False) -> list[Element]:
        """The children that are objects in a list.

        Args:
            name: The list.
            apart: Whether each child notes its faults for itself, so that one of them costs no other.
        """
        found = self.json.get(name)
        if found.__class__ is not list:
            if found is not None:
                self._wrong(name, found, "a list")
            return []
        children: list[Element] = []
        for index, each in enumerate(found):
            step = f"{name}[{index}]"
            if each.__class__ is dict:
                children.append(Element(each, step, self, apart=apart))
            else:
                self._wrong(step, each, "an object")
        return children

    def choice(self, stem: str) -> str:
        """The name under which a choice such as ``value[x]`` is given; empty if it is absent or given twice."""
        names = [name for name in self.json if name.startswith(stem) and _is_choice(name, stem) and self.has(name)]
        if len(names) > 1:
            given = {"names": ", ".join(sorted(names))}
            self.fault(f"{stem}[x]", ProblemCode.ELEMENT_INVALID, "given more than once: {names}", given)
            return ""
        return names[0] if names else ""

    def absence(self, name: str) -> str:
        """Why a child is absent, where an extension says so: on a primitive (``_name``) or within an object."""
        return _absence(self.json.get(f"_{name}")) or _absence(self.json.get(name))

    def own_absence(self) -> str:
        """Why this element itself holds nothing, where an extension says so."""
        return _absence(self.json)

    def _wrong(self, name: str, found: object, expected: str) -> None:
        values = {"expected": expected, "found": _KINDS.get(type(found), "a number")}
        self.fault(name, ProblemCode.ELEMENT_INVALID, "expected {expected}, found {found}", values)


_KINDS = {str: "a text", bool: "true or false", dict: "an object", list: "a list"}


def _is_choice(name: str, stem: str) -> bool:
    return len(name) > len(stem) and name[len(stem)].isupper()


def _absence(holder: object) -> str:
    extensions = holder.get("extension") if isinstance(holder, dict) else None
    for each in extensions if isinstance(extensions, list) else ():
        if isinstance(each, dict) and each.get("url") == _DATA_ABSENT:
            reason = each.get("valueCode")
            return reason if isinstance(reason, str) else "unknown"
    return ""


def shown(code: str) -> str:
    """A code as it may stand in a problem; what is no code is not repeated, for it may be anything."""
    return repr(code) if _CODE.fullmatch(code) else "a text that is no code"
