"""One entry on its way from the scan to the patient it belongs to, as compact as what it says allows."""

from __future__ import annotations

from collections.abc import Callable
from zlib import adler32, crc32

import msgspec

from adapter.fhir.decoding import Json, decode
from adapter.fhir.entry import Entry, holding, holding_plain
from adapter.fhir.plain import plain_observation
from adapter.fhir.plain_shapes import PlainObservation
from adapter.problems import Problem

# A code that nobody has ever given a meaning: what an idle Observation measured was found to be none of ours.
_IDLE_OBSERVATION = {
    "status": "final",
    "code": {"coding": [{"system": "urn:osteo-fhir:idle", "code": "idle"}]},
    "effectiveDateTime": "2000",
    "valueQuantity": {"value": 0},
}


class Place(msgspec.Struct, frozen=True, gc=False, array_like=True, order=True):
    """Where an entry came from: which range of which file, which line of it, and which entry of that line."""

    chunk: int
    line: int
    entry: int = 0


class Frame(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An entry that is read again when its patient's turn comes.

    Attributes:
        owner: Whose it is: ``Patient/1`` without any service base; else whatever names it.
        keys: By what others may mean it, hashed.
        raw: Its JSON; empty where the entry holds no resource.
        is_plain: Whether the fast lane reads it.
        path, bundle: What follows ``file:line`` in the paths of the entry and of its Bundle.
        is_visitor: Whether it belongs to another part, and is only here to be meant or compared.
    """

    owner: str
    place: Place
    keys: tuple[int, ...]
    raw: bytes
    is_plain: bool = False
    path: str = ""
    full_url: str = ""
    bundle: str = ""
    bundle_type: str = ""
    deletes: str = ""
    deleted_at: str = ""
    problem: Problem | None = None
    is_visitor: bool = False


class Idle(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An entry that says nothing to us, yet may replace another, or be the only sign of a patient.

    Attributes:
        owner, place, is_visitor: As of a Frame.
        type, id, version, updated: ``resourceType``, ``id``, ``meta.versionId`` and ``meta.lastUpdated``.
        subject: The reference to whose it is, as written.
        is_withdrawn: Whether it says that it was entered in error.
    """

    owner: str
    place: Place
    type: str
    id: str
    version: str
    updated: str
    subject: str
    is_withdrawn: bool = False
    is_visitor: bool = False

    @property
    def key(self) -> int:
        """By what others may mean it, hashed."""
        return hashed(f"{self.type}/{self.id}")


Either = Frame | Idle
_ENCODE = msgspec.msgpack.Encoder().encode
encoded: Callable[[Either], bytes] = _ENCODE
frames_in = msgspec.msgpack.Decoder(list[Frame]).decode
idles_in = msgspec.msgpack.Decoder(list[Idle]).decode


def hashed(name: str) -> int:
    """48 bits of a name, the same in every process: enough to tell millions of names apart, but for a handful."""
    data = name.encode("utf-8", "surrogatepass")
    return crc32(data) << 16 | adler32(data) >> 16


def entry_of(frame: Either, at: str, plain: PlainObservation | None = None) -> Entry:
    """The entry as it came.

    Args:
        frame: What the scan set down.
        at: The file and line it came from.
        plain: What the fast lane read of it, if that was asked already.
    """
    if isinstance(frame, Idle):
        return _idle_entry(frame, at)
    if frame.is_plain and plain is None:
        plain = plain_observation(frame.raw)
    if plain is not None and frame.problem is None:
        bundle = f"{at}{frame.bundle}" if frame.bundle else ""
        return holding_plain(f"{at}{frame.path}", plain, frame.full_url, bundle, frame.bundle_type)
    around = _around(frame, at)
    resource = decode(frame.raw, where=around.where) if frame.raw else None
    return holding(around, resource) if isinstance(resource, dict) else around


def _around(frame: Frame, at: str) -> Entry:
    problem = frame.problem
    return Entry(
        f"{at}{frame.path}",
        full_url=frame.full_url,
        bundle=f"{at}{frame.bundle}" if frame.bundle else "",
        bundle_type=frame.bundle_type,
        deletes=frame.deletes,
        deleted_at=frame.deleted_at,
        problem=problem and msgspec.structs.replace(problem, where=f"{at}{problem.where}"),
    )


def _idle_entry(idle: Idle, at: str) -> Entry:
    """As much of the entry as can matter: which resource it is, in which version, and whose."""
    resource: Json = {"resourceType": idle.type, "id": idle.id}
    meta = {name: text for name, text in (("versionId", idle.version), ("lastUpdated", idle.updated)) if text}
    if meta:
        resource["meta"] = meta
    if idle.subject:
        resource["subject"] = {"reference": idle.subject}
    if idle.is_withdrawn:
        resource["status"] = "entered-in-error"
    if idle.type == "Observation":
        resource |= _IDLE_OBSERVATION
    return holding(Entry(at), resource)
