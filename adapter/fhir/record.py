"""One resource on its way from entry to rows: who it is, whose it is, and what forbids its use as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from adapter.clinical.results import Coding, LabResult, ReportedPrediction, Statement
from adapter.fhir.datatypes import coding_of
from adapter.fhir.element import Element, shown
from adapter.fhir.references import Placed, References
from adapter.fhir.releases import ReadShape
from adapter.problems import NO_VALUES, Problem, ProblemCode

Row = LabResult | Statement | ReportedPrediction | Problem
SUBSETTED = "SUBSETTED"


class Record(msgspec.Struct, frozen=True):
    """A resource that is being read.

    Attributes:
        root: The resource.
        placed: Its entry and identity.
        references: The index over everything that came in.
        shape: Where its release keeps what we read.
        allow_preliminary: Whether preliminary results are read.
        patient: Key of its patient; empty until that is known.
    """

    root: Element
    placed: Placed
    references: References
    shape: ReadShape
    allow_preliminary: bool = False
    patient: str = ""

    @property
    def where(self) -> str:
        """Path of the resource."""
        return self.root.where

    @property
    def entry(self) -> str:
        """Path of the entry; the resource may be contained in it."""
        return self.placed.entry.where

    @property
    def resource(self) -> str:
        """How the resource is referred to."""
        return self.placed.key

    @property
    def version(self) -> str:
        """``meta.versionId``, or empty."""
        return self.placed.entry.version

    def resolved(self, reference: Element | None, type_: str) -> Element | None:
        """The resource of this type that a reference means, if it came in."""
        text = reference.text("reference") if reference else ""
        found = self.references.resolve(text, self.placed) if text else None
        if found is None or found.get("resourceType") != type_:
            return None
        return Element(found, f"{self.where}.{type_}")

    def keys(self, references: Iterable[Element]) -> tuple[str, ...]:
        """The identities that literal references mean; what leads nowhere stays as written."""
        texts = [text for each in references if (text := each.text("reference"))]
        return tuple(self.references.key(text, self.placed) or text for text in texts)

    def security(self) -> tuple[Coding, ...]:
        """The security labels, to be passed on to what rests on this resource."""
        meta = self.root.one("meta")
        return tuple(map(coding_of, meta.many("security"))) if meta else ()

    def refused(self, code: ProblemCode, name: str, sentence: str, values: Mapping[str, str] = NO_VALUES) -> Problem:
        """Say why the resource is not used."""
        where = f"{self.where}.{name}" if name else self.where
        return Problem(code, where, sentence, resource=self.resource, values=values)


def refusal(record: Record) -> Problem | None:
    """Why a resource may not be used whatever it says: rules we do not know, or content left out by the server."""
    if record.root.has("implicitRules"):
        # "a processor SHALL understand the rules or refuse" (hl7.org/fhir/R4/resource.html#implicitRules)
        return record.refused(ProblemCode.IMPLICIT_RULES, "implicitRules", "it demands rules that are not known here")
    tags = record.root.json.get("meta")
    if isinstance(tags, dict) and _is_subsetted(tags.get("tag")):
        return record.refused(ProblemCode.SUBSETTED, "meta.tag", "the server left out elements (SUBSETTED)")
    return None


def status_problem(record: Record, usable: frozenset[str], name: str = "status") -> Problem | None:
    """Why the status forbids the use; only a status that is known to be usable is."""
    status = record.root.text(name)
    if status in usable:
        return None
    if status:
        return element_refused(record, name, status)
    absent = record.root.absence(name)
    sentence = "{element} is absent ({reason})" if absent else "{element} is absent"
    return record.refused(ProblemCode.STATUS_NOT_USABLE, name, sentence, {"element": name, "reason": absent})


def element_refused(record: Record, name: str, value: str) -> Problem:
    """Why the resource is not used: what one of its elements says."""
    values = {"element": name, "value": shown(value)}
    return record.refused(ProblemCode.STATUS_NOT_USABLE, name, "{element} is {value}", values)


def _is_subsetted(tags: object) -> bool:
    return isinstance(tags, list) and any(isinstance(tag, Mapping) and tag.get("code") == SUBSETTED for tag in tags)
