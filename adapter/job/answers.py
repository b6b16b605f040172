"""Take a server's answers apart just far enough to see whose each entry is and where it leads; no digit is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from adapter.fhir.addresses import literal
from adapter.fhir.reading import Source

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LEADS = ("has_member", "derived_from", "specimen", "medication_reference", "medication")
_FOLLOWED = frozenset({"Observation", "Specimen", "Medication"})


class Delivered(msgspec.Struct, frozen=True):
    """One entry of an answer.

    Attributes:
        raw: Its resource, as it came.
        local: ``Type/id``; empty where it has none, so that only the pipeline can judge it.
        base: Service base of its fullUrl; empty where that names none.
        subject: The literal reference to its patient; empty where it has none.
        identifiers: ``system|value`` of a subject that is named by identifier alone.
        leads: The literal references to what is needed beside it.
    """

    raw: bytes
    local: str = ""
    base: str = ""
    subject: str = ""
    identifiers: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()


class _Page(msgspec.Struct):
    entry: list[msgspec.Raw] = []


class _Entry(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    full_url: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""
    subject: Any = None
    patient: Any = None
    has_member: Any = None
    derived_from: Any = None
    specimen: Any = None
    medication_reference: Any = None
    medication: Any = None


_page_in = msgspec.json.Decoder(_Page).decode
_entry_in = msgspec.json.Decoder(_Entry).decode
_resource_in = msgspec.json.Decoder(_Resource).decode


def delivered(page: Source) -> list[Delivered] | None:
    """The entries of one answer; ``None`` where its bytes cannot be taken apart."""
    try:
        found = _page_in(page.data.removeprefix(_BYTE_ORDER_MARK))
    except msgspec.MsgspecError:
        return None
    return [_delivered(bytes(raw)) for raw in found.entry]


def single(resource: bytes) -> Delivered:
    """A resource that was read by itself."""
    return _named(resource.removeprefix(_BYTE_ORDER_MARK), "")


def as_page(name: str, kept: Iterable[Delivered]) -> Source:
    """An answer with only these entries, every digit as it came.

    They are named without fullUrl: what was kept is all of the one server that was asked, whatever it calls itself.
    """
    entries = b",".join(b'{"resource":' + each.raw + b"}" for each in kept)
    return Source(name, b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}")


def bases(entries: Iterable[Delivered]) -> frozenset[str]:
    """Every service base that these entries speak of, by their own address or by their subject's."""
    found: set[str] = set()
    for each in entries:
        subject = literal(each.subject)
        found |= {each.base, subject.base if subject else ""}
    return frozenset(found - {""})


def undelivered(entries: Sequence[Delivered], own: frozenset[str]) -> list[str]:
    """The ``Type/id`` of what these entries lead to and do not hold themselves, each once, in the order met.

    Args:
        entries: Everything that was delivered.
        own: The bases of the server asked. What lies elsewhere is never asked for: it would get our credentials.
    """
    here = {each.local for each in entries}
    links = (link for each in entries for lead in each.leads if (link := literal(lead)) is not None)
    return list(dict.fromkeys(link.local for link in links if link.base in {"", *own} and link.local not in here))


def _delivered(raw: bytes) -> Delivered:
    try:
        entry = _entry_in(raw)
    except msgspec.MsgspecError:
        return Delivered(raw=raw)
    address = literal(entry.full_url)
    return _named(bytes(entry.resource), address.base if address else "")


def _named(raw: bytes, base: str) -> Delivered:
    try:
        resource = _resource_in(raw)
    except msgspec.MsgspecError:
        return Delivered(raw=raw, base=base)
    local = f"{resource.resource_type}/{resource.id}" if resource.resource_type and resource.id else ""
    subject = resource.subject if resource.subject is not None else resource.patient
    return Delivered(
        raw=raw,
        local=local,
        base=base,
        subject=_reference(subject),
        identifiers=tuple(_identifiers(subject)),
        leads=tuple(_leads(resource)),
    )


def _reference(element: object) -> str:
    reference = element.get("reference") if isinstance(element, dict) else None
    return reference if isinstance(reference, str) else ""


def _identifiers(subject: object) -> Iterator[str]:
    identifier = subject.get("identifier") if isinstance(subject, dict) and not _reference(subject) else None
    if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
        yield f"{identifier.get('system') or ''}|{identifier['value']}"


def _leads(resource: _Resource) -> Iterator[str]:
    """The literal references to what we read beside a resource."""
    for name in _LEADS:
        found = getattr(resource, name)
        for element in found if isinstance(found, list) else [found]:
            # In R5 ``medication`` is a CodeableReference, so its reference stands one level deeper.
            deeper = element.get("reference") if isinstance(element, dict) else None
            reference = _reference(deeper) or _reference(element)
            link = literal(reference)
            if link is not None and link.type in _FOLLOWED:
                yield reference
