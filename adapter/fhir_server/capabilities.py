"""What a server says it can do: a hint, since real servers do less, and more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from adapter.errors import ServerError
from adapter.fhir.releases import Release, release_named

# "5.0.0-ballot" is the longest kind there is; anything else is no version, and nobody's to read.
_VERSION = re.compile(r"\d[\w.\-]{0,29}", re.ASCII)


class TypeCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one resource type; ``None`` means that it is not said.

    Attributes:
        interactions: ``read``, ``search-type``, ``create``, ``update`` …
        update_create: Whether a PUT at an id of our choice creates.
        conditional_create, conditional_update: Whether ``If-None-Exist``, and a PUT by search, are taken.
        search_parameters, includes, reverse_includes: Names as the server writes them.
    """

    interactions: frozenset[str] = frozenset()
    update_create: bool | None = None
    conditional_create: bool | None = None
    conditional_update: bool | None = None
    versioning: str = ""
    search_parameters: frozenset[str] = frozenset()
    includes: frozenset[str] = frozenset()
    reverse_includes: frozenset[str] = frozenset()


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the CapabilityStatement says as a whole.

    Attributes:
        release: From ``fhirVersion``; ``None`` where it is not said or not one we know.
        fhir_version: As written; empty where it cannot be a version.
        transaction, batch: Whether a Bundle may be posted; ``None`` is not said.
        types: By resource type; a type that is missing is not said to be supported.
        oauth_uris: Endpoints of the ``oauth-uris`` extension, by name: ``token``.
    """

    release: Release | None = None
    fhir_version: str = ""
    software: str = ""
    transaction: bool | None = None
    batch: bool | None = None
    types: Mapping[str, TypeCapabilities] = {}
    operations: frozenset[str] = frozenset()
    oauth_uris: Mapping[str, str] = {}

    def of(self, resource_type: str) -> TypeCapabilities:
        """What is said of a type; nothing, where it is not named."""
        return self.types.get(resource_type, TypeCapabilities())


def capabilities_of(body: bytes) -> Capabilities:
    """Read a CapabilityStatement; what is missing or odd is taken as not said.

    Raises:
        ServerError: The body is no CapabilityStatement.
    """
    try:
        statement = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        statement = None
    if not isinstance(statement, dict) or statement.get("resourceType") not in ("CapabilityStatement", "Conformance"):
        raise ServerError("metadata is no CapabilityStatement; check the base address", code="unexpected-content")
    rest = next((each for each in _objects(statement, "rest") if each.get("mode") == "server"), {})
    interactions = _codes(rest, "interaction")
    version = _text(statement, "fhirVersion")
    return Capabilities(
        release=release_named(version),
        fhir_version=version if _VERSION.fullmatch(version) else "",
        software=_text(_object(statement, "software"), "name"),
        transaction="transaction" in interactions if interactions else None,
        batch="batch" in interactions if interactions else None,
        types={_text(each, "type"): _of_type(each) for each in _objects(rest, "resource")},
        operations=frozenset(_text(each, "name") for each in _objects(rest, "operation")),
        oauth_uris=_oauth_uris(rest),
    )


def _of_type(resource: Mapping[str, Any]) -> TypeCapabilities:
    return TypeCapabilities(
        interactions=_codes(resource, "interaction"),
        update_create=_flag(resource, "updateCreate"),
        conditional_create=_flag(resource, "conditionalCreate"),
        conditional_update=_flag(resource, "conditionalUpdate"),
        versioning=_text(resource, "versioning"),
        search_parameters=frozenset(_text(each, "name") for each in _objects(resource, "searchParam")),
        includes=_texts(resource, "searchInclude"),
        reverse_includes=_texts(resource, "searchRevInclude"),
    )


def _oauth_uris(rest: Mapping[str, Any]) -> dict[str, str]:
    extensions = _objects(_object(rest, "security"), "extension")
    inner = [
        part for each in extensions if _text(each, "url").endswith("oauth-uris") for part in _objects(each, "extension")
    ]
    return {_text(part, "url"): _text(part, "valueUri") for part in inner if _text(part, "valueUri")}


def _object(element: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = element.get(name)
    return found if isinstance(found, dict) else {}


def _objects(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = element.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(element: Mapping[str, Any], name: str) -> str:
    found = element.get(name)
    return found if isinstance(found, str) else ""


def _texts(element: Mapping[str, Any], name: str) -> frozenset[str]:
    found = element.get(name)
    return frozenset(each for each in found if isinstance(each, str)) if isinstance(found, list) else frozenset()


def _codes(element: Mapping[str, Any], name: str) -> frozenset[str]:
    return frozenset(_text(each, "code") for each in _objects(element, name))


def _flag(element: Mapping[str, Any], name: str) -> bool | None:
    found = element.get(name)
    return found if isinstance(found, bool) else None
