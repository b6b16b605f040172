"""One resource that came in: decoded by the careful lane, or read by the fast lane."""

from __future__ import annotations

import msgspec

from adapter.fhir.decoding import Json, decode
from adapter.fhir.plain_shapes import PlainObservation
from adapter.problems import Problem


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One resource that came in, or what came in its stead.

    Attributes:
        where: ``a.json`` for a resource on its own, ``b.ndjson:17``, ``a.json#Bundle.entry[3].resource``.
        type, id, version: ``resourceType``, ``id`` and ``meta.versionId``; empty where they are not given.
        decoded: The resource as decoded by the careful lane; ``None`` where the entry holds none.
        plain: What the fast lane read.
        full_url: ``Bundle.entry.fullUrl`` as written.
        bundle: Path of the Bundle it came in; empty outside of one.
        bundle_type: That Bundle's type.
        deletes: For a deletion: the URL of the resource that is gone.
        deleted_at: For a deletion: when, as written.
        problem: Why the entry cannot be read; then there is no resource.
    """

    where: str
    type: str = ""
    id: str = ""
    version: str = ""
    decoded: Json | None = None
    plain: PlainObservation | None = None
    full_url: str = ""
    bundle: str = ""
    bundle_type: str = ""
    deletes: str = ""
    deleted_at: str = ""
    problem: Problem | None = None

    @property
    def resource(self) -> Json | None:
        """The resource as decoded; ``None`` where the entry holds none. What the fast lane read is decoded if asked."""
        if self.plain is None:
            return self.decoded
        again = decode(bytes(self.plain.raw), where=self.where)
        return again if isinstance(again, dict) else None

    @property
    def people(self) -> tuple[str, ...]:
        """The references that say whose the resource is, as written."""
        if self.plain is not None:
            return (self.plain.subject,)
        return tuple(text_at(object_at(self.decoded or {}, name), "reference") for name in ("subject", "patient"))


def holding(around: Entry, resource: Json) -> Entry:
    """The entry with its resource, as the careful lane decoded it."""
    return msgspec.structs.replace(
        around,
        type=text_at(resource, "resourceType"),
        id=text_at(resource, "id"),
        version=text_at(object_at(resource, "meta"), "versionId"),
        decoded=resource,
    )


def holding_plain(
    where: str, plain: PlainObservation, full_url: str = "", bundle: str = "", bundle_type: str = ""
) -> Entry:
    """The entry with what the fast lane read."""
    return Entry(where, "Observation", plain.id, plain.version, None, plain, full_url, bundle, bundle_type)


def object_at(element: Json, name: str) -> Json:
    """A child that is an object, else an empty one."""
    found = element.get(name)
    return found if isinstance(found, dict) else {}


def text_at(element: Json, name: str) -> str:
    """A child that is a string, else an empty one."""
    found = element.get(name)
    return found if isinstance(found, str) else ""
