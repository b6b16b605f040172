"""What of ours stands on a server, read out of the server's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from adapter.errors import InputUnreadable
from adapter.fhir.decoding import decode
from adapter.fhir.identity import IS_ID, PROVENANCE_TAG, identifier

_PLACE = re.compile(
    r"(?:^|/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[^/?#]+))?/?$", re.ASCII
)
_ETAG = re.compile(r'^(?:W/)?"([^"]+)"$')


class Standing(msgspec.Struct, frozen=True):
    """One resource that stands on the server.

    Attributes:
        place: Type and id, as the server knows it.
        version: Its version; empty where the server does not say.
        is_retracted: Whether it is marked as entered in error.
    """

    place: str
    version: str = ""
    is_retracted: bool = False

    @property
    def reference(self) -> str:
        """The place with the version, where there is one."""
        return f"{self.place}/_history/{self.version}" if self.version else self.place


def standing_from(reference: str) -> Standing:
    """The resource that a reference of ours names, with the version if it has one."""
    place, _, version = reference.partition("/_history/")
    return Standing(place, version)


def standing_at(location: str, *, etag: str, body: object, resource_type: str) -> Standing | None:
    """Where a resource stands by an answer's location, else by the body; ``None`` if neither says, or says otherwise.

    The location may be absolute or relative, with or without the version (hl7.org/fhir/R4/http.html#create).
    """
    found = body if isinstance(body, dict) and body.get("resourceType") == resource_type else {}
    meta = _meta(found)
    tagged = _ETAG.fullmatch(etag.strip())
    version = str(meta.get("versionId", "")) or (tagged[1] if tagged else "")
    if told := _PLACE.search(location):
        if told["type"] != resource_type:
            return None
        return Standing(f"{told['type']}/{told['id']}", _usable(told["version"] or version), _is_retracted(found))
    if not IS_ID.fullmatch(str(found.get("id", ""))):
        return None
    return Standing(f"{resource_type}/{found['id']}", _usable(version), _is_retracted(found))


def standing_in(body: bytes, resource: Mapping[str, Any]) -> tuple[Standing, ...] | None:
    """Every resource in a search's answer that is this one; ``None`` if the server did not search by what was asked.

    A server may ignore a parameter that it does not know (hl7.org/fhir/R4/search.html#errors); then its answer holds
    what was not asked for, and that ours is not among it says nothing.
    """
    bundle = object_in(body)
    if bundle.get("resourceType") != "Bundle":
        return None
    kind = resource["resourceType"]
    candidates = [found for found in map(resource_of, entries_of(bundle)) if found.get("resourceType") == kind]
    if not all(is_same(found, resource) for found in candidates):
        return None
    places = [standing_at("", etag="", body=found, resource_type=kind) for found in candidates]
    return tuple(sorted((place for place in places if place is not None), key=lambda each: each.place))


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object in an answer; an empty one where there is none."""
    try:
        found = decode(body, where="the answer") if body.strip() else None
    except InputUnreadable:
        return {}
    return found if isinstance(found, dict) else {}


def entries_of(bundle: Mapping[str, Any]) -> list[Any]:
    """The entries of a Bundle."""
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else []


def resource_of(entry: object) -> Mapping[str, Any]:
    """The resource in an entry; an empty object where there is none."""
    found = entry.get("resource") if isinstance(entry, dict) else None
    return found if isinstance(found, dict) else {}


def is_same(found: Mapping[str, Any], resource: Mapping[str, Any]) -> bool:
    """Whether what was found is this resource of ours, at whatever id the server gave it."""
    if found.get("resourceType") != resource["resourceType"]:
        return False
    if resource["resourceType"] == "Provenance":
        return _holds(_meta(found).get("tag"), {"system": PROVENANCE_TAG, "code": resource["id"]})
    return _holds(found.get("identifier"), identifier(resource["id"]))


def _holds(listed: object, wanted: Mapping[str, str]) -> bool:
    each = listed if isinstance(listed, list) else []
    return any(isinstance(one, dict) and wanted.items() <= one.items() for one in each)


def _meta(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = resource.get("meta")
    return meta if isinstance(meta, dict) else {}


def _usable(version: str) -> str:
    return version if IS_ID.fullmatch(version) else ""


def _is_retracted(resource: Mapping[str, Any]) -> bool:
    return resource.get("status") == "entered-in-error"
