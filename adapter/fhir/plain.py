"""The fast lane: take from an Observation just what is used, where its bytes prove that both lanes read the same.

An Observation is plain when its JSON is compact, no key of it occurs twice, and it holds no element that needs care
(components, contained resources, a specimen, modifiers, extensions on primitives …). Everything else is left to the
careful lane. The parts that are used are read by the careful lane's own functions, once for each different spelling:
the code, the unit and the reference range of a test are the same bytes in every report of a laboratory.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

import msgspec

from adapter.clinical.results import Coding, Concept, LabResult, ReferenceRange, ReportedQuantity
from adapter.clinical.time import ClinicalTime, clinical_time
from adapter.errors import InputUnreadable
from adapter.fhir.compact import unique_parts
from adapter.fhir.datatypes import concept_of, identifiers_of, name_of, quantity_of
from adapter.fhir.decoding import decode
from adapter.fhir.element import Element
from adapter.fhir.entry import PlainObservation
from adapter.fhir.observations import codings_of_interpretation, ranges_of

_NEEDED = frozenset({"resourceType", "id", "status", "code", "subject", "effectiveDateTime", "valueQuantity"})
# Read or passed over, but in any case proved to be unambiguous JSON.
_ALLOWED = _NEEDED | {
    "meta",
    "identifier",
    "category",
    "encounter",
    "issued",
    "performer",
    "interpretation",
    "referenceRange",
    "method",
    "bodySite",
    "text",
    "basedOn",
    "extension",
}
_STATUSES = {b'"final"': "final", b'"amended"': "amended", b'"corrected"': "corrected"}
_NUMBER_FIRST = re.compile(rb'\{"value":(-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?)(?:,(.*))?\}', re.DOTALL)
_META = re.compile(
    rb'\{"versionId":"([^"\\\x00-\x1f\x7f-\xff]+)","lastUpdated":"([^"\\\x00-\x1f\x7f-\xff]+)"'
    rb'(?:,"source":"[^"\\\x00-\x1f\x7f-\xff]*")?(?:,"profile":\["([^"\\\x00-\x1f\x7f-\xff]*)"\])?\}'
)
_ONE_IDENTIFIER = re.compile(rb'\[\{"system":"([^"\\\x00-\x1f\x7f-\xff]+)","value":"([^"\\\x00-\x1f\x7f-\xff]+)"\}\]')
# A profile of the specification that names a version proves a release (see detection).
_VERSIONED = re.compile(rb"hl7\.org/fhir/\d")
# Far below the depth that the careful lane allows, wherever the part stands.
_MOST_BRACKETS = 48


class Meta(msgspec.Struct, frozen=True, gc=False):
    """What is used of ``meta``."""

    version: str = ""
    last_updated: ClinicalTime | None = None


def plain_observation(raw: bytes) -> PlainObservation | None:
    """The Observation in these bytes, if they prove that nothing in it needs the careful lane."""
    if not raw.startswith(b'{"resourceType":"Observation"') or b"\\u" in raw:
        return None
    parts = unique_parts(raw)
    if parts is None or not _NEEDED <= parts.keys() <= _ALLOWED:
        return None
    try:
        return _read({name: bytes(part) for name, part in parts.items()})
    except (_NotPlain, InputUnreadable):
        return None


_Read = TypeVar("_Read")


class _NotPlain(Exception):
    """Something here needs the careful lane."""


def _read(parts: dict[str, bytes]) -> PlainObservation:
    status = _STATUSES.get(parts["status"])
    effective = clinical_time(_text(parts["effectiveDateTime"]))
    if status is None or effective is None:
        raise _NotPlain
    for name in ("category", "encounter", "text", "basedOn", "extension"):
        if name in parts:
            _proved(parts[name])
    meta = _meta(parts["meta"]) if "meta" in parts else Meta()
    result = LabResult(
        where="",
        entry="",
        resource="",
        patient="",
        status=status,
        code=_concept(parts["code"]),
        value=_quantity(parts["valueQuantity"]),
        version=meta.version,
        effective=effective,
        issued=clinical_time(_text(parts["issued"])) if "issued" in parts else None,
        last_updated=meta.last_updated,
        body_site=_concept(parts["bodySite"]) if "bodySite" in parts else Concept(),
        method=_concept(parts["method"]) if "method" in parts else Concept(),
        performer=_laboratory(parts["performer"]) if "performer" in parts else "",
        interpretation=_interpretation(parts["interpretation"]) if "interpretation" in parts else (),
        reference_ranges=_ranges(parts["referenceRange"]) if "referenceRange" in parts else (),
        identifiers=_identifiers(parts["identifier"]) if "identifier" in parts else (),
    )
    return PlainObservation(_text(parts["id"]), meta.version, _subject(parts["subject"]), result)


def _text(part: bytes) -> str:
    """A JSON string without escapes, in ASCII; msgspec has proved that the bytes are JSON."""
    text = part[1:-1]
    if part[:1] != b'"' or not text or b"\\" in text or not text.isascii():
        raise _NotPlain
    return text.decode()


def _quantity(part: bytes) -> ReportedQuantity:
    """The number apart from its unit: units are few, numbers are many."""
    match = _NUMBER_FIRST.fullmatch(part)
    if match is None or match[1] == b"-0":
        raise _NotPlain
    unit = _unit(match[2] or b"")
    return ReportedQuantity(Decimal(match[1].decode()), unit.comparator, unit.unit, unit.system, unit.code)


def _meta(part: bytes) -> Meta:
    match = _META.fullmatch(part)
    if match is None:
        return _careful_meta(part)
    if match[3] and _VERSIONED.search(match[3]):
        raise _NotPlain
    return Meta(match[1].decode(), clinical_time(match[2].decode()))


def _identifiers(part: bytes) -> tuple[str, ...]:
    match = _ONE_IDENTIFIER.fullmatch(part)
    if match is not None:
        return (f"{match[1].decode()}|{match[2].decode()}",)
    return _careful_identifiers(part)


@lru_cache(maxsize=4096)
def _proved(part: bytes) -> None:
    """Refuse what the careful lane would refuse as JSON."""
    _decoded(part)


@lru_cache(maxsize=4096)
def _subject(part: bytes) -> str:
    subject = _decoded(part)
    if not isinstance(subject, dict) or not subject.keys() <= {"reference", "display"}:
        raise _NotPlain
    reference = subject.get("reference")
    # A contained Patient needs its resource, and a conditional reference the kind of its Bundle.
    if not isinstance(reference, str) or not reference or reference.startswith("#") or "?" in reference:
        raise _NotPlain
    return reference


@lru_cache(maxsize=4096)
def _careful_meta(part: bytes) -> Meta:
    meta = _decoded(part)
    if not isinstance(meta, dict) or not meta.keys() <= {"versionId", "lastUpdated", "source", "profile"}:
        raise _NotPlain
    version, updated = meta.get("versionId", ""), meta.get("lastUpdated", "")
    if not isinstance(version, str) or not isinstance(updated, str) or _VERSIONED.search(part):
        raise _NotPlain
    return Meta(version, clinical_time(updated) if updated else None)


@lru_cache(maxsize=4096)
def _careful_identifiers(part: bytes) -> tuple[str, ...]:
    element = _element("identifier", part)
    return _faultless(element, identifiers_of(element))


@lru_cache(maxsize=4096)
def _concept(part: bytes) -> Concept:
    element = _element("concept", part)
    return _faultless(element, concept_of(element.one("concept")))


@lru_cache(maxsize=4096)
def _unit(part: bytes) -> ReportedQuantity:
    element = _element("quantity", b"{%s}" % part)
    quantity = element.one("quantity")
    read = quantity_of(quantity)
    if read is None or quantity is None or not quantity.json.keys() <= {"unit", "system", "code", "comparator"}:
        raise _NotPlain
    return _faultless(element, read)


@lru_cache(maxsize=4096)
def _interpretation(part: bytes) -> tuple[Coding, ...]:
    element = _element("interpretation", part)
    codings = codings_of_interpretation(element, repeats=True)
    if not codings:
        # Be it empty, that it is a list still tells the release.
        raise _NotPlain
    return _faultless(element, codings)


@lru_cache(maxsize=4096)
def _ranges(part: bytes) -> tuple[ReferenceRange, ...]:
    element = _element("referenceRange", part)
    ranges, cautions = ranges_of(element)
    if cautions:
        raise _NotPlain
    return _faultless(element, ranges)


@lru_cache(maxsize=4096)
def _laboratory(part: bytes) -> str:
    element = _element("performer", part)
    for performer in element.many("performer"):
        if performer.text("type") == "Organization" or "Organization/" in performer.text("reference"):
            return _faultless(element, name_of(performer))
        # What a reference to anybody else means is for the index to say.
        raise _NotPlain
    return _faultless(element, "")


def _element(name: str, part: bytes) -> Element:
    return Element({name: _decoded(part)}, "")


def _decoded(part: bytes) -> object:
    if part.count(b"{") + part.count(b"[") > _MOST_BRACKETS:
        raise _NotPlain
    return decode(part, where="")


def _faultless(element: Element, read: _Read) -> _Read:
    if element.faults:
        raise _NotPlain
    return read
