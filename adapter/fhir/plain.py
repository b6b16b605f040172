"""The fast lane: take from an Observation just what is used, where its bytes prove that both lanes read the same.

The proof is to write again what was read: if that is as long as what came in, then no key was unknown or came twice,
and there was no white space and no escape that another reader might see otherwise. For nothing that is read here can
become longer by being written: texts are written as short as JSON allows, and everything else word for word.

What is written word for word is the same bytes in every report of a laboratory: the code, the unit, the reference
range. It is read by the careful lane's own functions, once for each different spelling.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from adapter.clinical.results import LabResult, LabTest
from adapter.clinical.time import clinical_time
from adapter.errors import InputUnreadable
from adapter.fhir.addresses import may_be_patient
from adapter.fhir.datatypes import concept_of, name_of, quantity_of
from adapter.fhir.decoding import NO_JSON, decode
from adapter.fhir.element import Element
from adapter.fhir.observations import codings_of_interpretation, is_called_organization, ranges_of
from adapter.fhir.plain_shapes import (
    ENCODER,
    NO_META,
    Common,
    JsonBytes,
    Meta,
    PlainObservation,
    ReadBundle,
    ReadObservation,
)
from adapter.fhir.record import SUBSETTED

_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?")
_STATUSES = frozenset({"final", "amended", "corrected"})
# A profile of the specification that names a version proves a release (see detection).
_VERSIONED = re.compile(r"hl7\.org/fhir/\d")
# Below the depth that the careful lane allows.
_MOST_BRACKETS = 60
_KEPT = 8192
_NUMBER_BEGINS = b'"valueQuantity":{"value":'
_NUMBER_UNKNOWN = b"{" + _NUMBER_BEGINS + b"0"
_DECODER = msgspec.json.Decoder(ReadObservation)
_BUNDLE = msgspec.json.Decoder(ReadBundle)


def plain_observation(raw: JsonBytes, *, by_itself: bool = True) -> PlainObservation | None:
    """The Observation in these bytes, if they prove that nothing in it needs the careful lane.

    Args:
        raw: One JSON value.
        by_itself: Whether to take it only if nothing else that may have come could say more about it.
    """
    try:
        read = _DECODER.decode(raw)
    except NO_JSON:
        return None
    written = ENCODER.encode(read)
    plain = _plain(read, raw, written, 0) if _is_proved(written, len(raw)) else None
    return None if plain is not None and plain.looks_up and by_itself else plain


def plain_observations(raws: Sequence[JsonBytes], *, by_itself: bool = True) -> list[PlainObservation | None]:
    """For each of several JSON values the Observation in it, if its bytes prove that nothing needs the careful lane."""
    read: list[ReadObservation | None] = []
    for raw in raws:
        try:
            read.append(_DECODER.decode(raw))
        except NO_JSON:
            read.append(None)
    pairs = [(each, raw) for each, raw in zip(read, raws, strict=True) if each is not None]
    written = ENCODER.encode_lines([each for each, _ in pairs])
    # None of them has grown, so all are proved if together they are as long; else each is asked alone.
    if not _is_proved(written, sum([len(raw) + 1 for _, raw in pairs])):
        return [plain_observation(raw, by_itself=by_itself) for raw in raws]
    plain: list[PlainObservation | None] = []
    begin = 0
    for each, raw in zip(read, raws, strict=True):
        if each is None:
            plain.append(None)
        else:
            plain.append(_plain(each, raw, written, begin))
            begin += len(raw) + 1
    return [each and (None if each.looks_up else each) for each in plain] if by_itself else plain


def opened_bundle(data: bytes) -> ReadBundle | None:
    """A Bundle, its entries not looked into; ``None`` unless its bytes prove that it holds nothing else."""
    try:
        opened = _BUNDLE.decode(data)
    except NO_JSON:
        return None
    written = ENCODER.encode(opened)
    return opened if _is_proved(written, len(data)) and opened.is_plain else None


@lru_cache(maxsize=_KEPT)
def says_nothing(beside: bytes) -> bool:
    """Whether what stands beside a resource in an entry is sound, and no request to delete it."""
    if beside.count(b"{") + beside.count(b"[") > _MOST_BRACKETS:
        return False
    try:
        decoded = decode(beside, where="")
    except InputUnreadable:
        return False
    return not isinstance(decoded, dict) or decoded.get("method") != "DELETE"


def _is_proved(written: bytes, length: int) -> bool:
    """Whether what was read and written again is as long as it came, and holds no NUL, which no text of FHIR may."""
    # A single byte is searched for at the speed of memory, and hardly ever found.
    return len(written) == length and not (b"\\" in written and b"\\u0000" in written)


def _plain(read: ReadObservation, raw: JsonBytes, written: bytes, begin: int) -> PlainObservation | None:
    digits, meta, subject = bytes(read.valueQuantity.value), read.meta or NO_META, read.subject.reference
    # Nothing but texts stands before it, and in a text its quotation marks would be escaped.
    behind = written.index(_NUMBER_BEGINS, begin) + len(_NUMBER_BEGINS) + len(digits)
    common, number = _common(written[behind : begin + len(raw)]), _number(digits)
    effective = clinical_time(read.effectiveDateTime)
    # A contained Patient needs its resource, and a conditional reference the kind of its Bundle.
    is_named = read.id and subject and subject[0] != "#" and "?" not in subject and may_be_patient(read.subject.type)
    if common is None or number is None or effective is None or not is_named:
        return None
    if (meta.profile and _VERSIONED.search(" ".join(meta.profile))) or (meta.tag and _is_cut(meta)):
        return None
    names = tuple([f"{each.system}|{each.value}" for each in read.identifier if each.system and each.value])
    return PlainObservation(
        common.result,
        read.id,
        meta.versionId,
        subject,
        number,
        effective,
        read.issued,
        meta.lastUpdated,
        names,
        raw,
        common.looks_up or read.specimen is not None,
    )


def _is_cut(meta: Meta) -> bool:
    """Whether the server says that it left something out."""
    return any([tag.code == SUBSETTED for tag in meta.tag])


@lru_cache(maxsize=_KEPT)
def _number(digits: bytes) -> Decimal | None:
    return Decimal(digits.decode()) if _NUMBER.fullmatch(digits) and digits != b"-0" else None


@lru_cache(maxsize=_KEPT)
def _common(behind_number: bytes) -> Common | None:
    """What Observations report that are the same behind their number; ``None`` where that needs the careful lane."""
    json = _NUMBER_UNKNOWN + behind_number
    if json.count(b"{") + json.count(b"[") > _MOST_BRACKETS:
        return None
    try:
        decoded = decode(json, where="")
    except InputUnreadable:
        return None
    root = Element(decoded, "") if isinstance(decoded, dict) else Element({}, "")
    quantity = quantity_of(root.one("valueQuantity"))
    reference_ranges, cautions = ranges_of(root)
    performer, looks_up = _laboratory(root)
    common = LabResult(
        where="",
        entry="",
        resource="",
        patient="",
        status=root.text("status"),
        test=LabTest(
            code=concept_of(root.one("code")),
            unit=quantity and msgspec.structs.replace(quantity, value=None),
            body_site=concept_of(root.one("bodySite")),
            method=concept_of(root.one("method")),
            performer=performer,
        ),
        interpretation=codings_of_interpretation(root, repeats=True),
        reference_ranges=reference_ranges,
    )
    # That interpretation is a list tells the release, even where it is empty.
    is_told = "interpretation" not in root.json or common.interpretation
    is_plain = not (root.faults or cautions) and common.status in _STATUSES and is_told
    return Common(common, looks_up) if is_plain else None


def _laboratory(root: Element) -> tuple[str, bool]:
    """The organization among the performers by what they are called, and whether others came before it.

    What a reference to those means is for the index to say: it may be an organization, too.
    """
    for index, performer in enumerate(root.many("performer")):
        if is_called_organization(performer):
            return name_of(performer), index > 0
    return "", root.has("performer")
