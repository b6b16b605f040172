"""To whom an entry belongs, before any other is known, and by what it and others may mean each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import parse_qs

import msgspec

from adapter.fhir.addresses import literal
from adapter.fhir.decoding import Json
from adapter.fhir.element import Element
from adapter.fhir.entry import Entry, object_at, text_at
from adapter.fhir.references import contained, identifiers

# What the reader follows a reference to, besides a patient; and what several Bundles may call by one id.
_FOLLOWED = frozenset({"Specimen", "Medication", "Observation", "RiskAssessment"})
_REFERENCE = re.compile(rb'"reference":\s*"([^"\\]{1,512})"')


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Whose an entry is.

    Attributes:
        name: ``Patient/1`` without any service base, or what else names the patient; the entry's own name if nobody's.
        wanted: What names the patient, where only the Patients can tell who that is.
        type: The resource type that a literal reference names.
        reference: The reference as written.
    """

    name: str
    wanted: tuple[str, ...] = ()
    type: str = ""
    reference: str = ""


def owner_of(entry: Entry, fallback: str) -> Owner:
    """Whose an entry is, as far as it says so itself.

    Args:
        entry: One that holds a resource or deletes one.
        fallback: What to call it if it says nothing of itself.
    """
    own = next(own_names(entry), fallback)
    if entry.plain is not None:
        return owner_named(entry.plain.subject)
    resource = entry.resource or {}
    if entry.type == "Patient" or not resource:
        return Owner(own)
    subject = object_at(resource, "subject" if "subject" in resource else "patient")
    reference = text_at(subject, "reference")
    if not reference:
        identifier = object_at(subject, "identifier")
        name = f"{text_at(identifier, 'system')}|{text_at(identifier, 'value')}"
        return Owner(name, (name,)) if identifier else Owner(own)
    if reference.startswith("#"):
        return _named(tuple(identifiers(contained(entry, reference) or {})), own, reference)
    if reference.startswith("Patient?"):
        return _named(tuple(parse_qs(reference.partition("?")[2]).get("identifier", ())), own, reference)
    return owner_named(reference)


@lru_cache(maxsize=4096)
def owner_named(reference: str) -> Owner:
    """Whom a reference means that leads to another resource."""
    found = literal(reference)
    if found is None:
        return Owner(reference.lower(), (reference.lower(),), reference=reference)
    return Owner(found.local, type=found.type, reference=reference)


def _named(names: tuple[str, ...], own: str, reference: str) -> Owner:
    return Owner(names[0] if names else own, names, reference=reference)


def own_names(entry: Entry) -> Iterator[str]:
    """By what others may mean this entry: its address, its ``Type/id``, its URN."""
    url = entry.full_url or entry.deletes
    named = literal(url) if url else None
    if named is not None:
        yield named.local
    if entry.type and entry.id:
        yield f"{entry.type}/{entry.id}"
    if url and named is None:
        yield url.lower()


def callable_by(entry: Entry) -> Iterator[str]:
    """By what other entries may name this one as their patient, besides by a literal reference."""
    url = entry.full_url
    if url and literal(url) is None:
        yield url.lower()
    if entry.type == "Patient":
        yield from identifiers(entry.resource or {})


def followed(raw: bytes) -> Iterator[str]:
    """By what the entry in these bytes means others that the reader looks up."""
    for match in _REFERENCE.finditer(raw):
        reference = match[1].decode("utf-8", "replace")
        named = literal(reference)
        if named is None and reference.startswith("urn:"):
            yield reference.lower()
        elif named is not None and named.type in _FOLLOWED:
            yield named.local


def replaced_by(patient: Json) -> Iterator[str]:
    """The Patients that stand for this one, as ``Patient/1``."""
    for link in Element(patient, "").many("link"):
        other = link.one("other")
        named = literal(other.text("reference")) if other else None
        if named is not None and link.text("type") in ("replaced-by", "replace"):
            yield named.local
