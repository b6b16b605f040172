"""One entry on its way from the scan to the patient it belongs to, as compact as what it says allows."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.bulk.layout import hashed
from adapter.bulk.routing import owner_named
from adapter.clinical.results import LabResult
from adapter.clinical.time import clinical_time
from adapter.errors import InputUnreadable
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
_ENCODER = msgspec.json.Encoder()


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

    @property
    def size(self) -> int:
        """About how much memory it takes."""
        return 1000 + len(self.raw)


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A plain Observation as the fast lane read it, which need not be read again.

    Attributes:
        shape: The name of what it has in common with many others; see Shapes.
        key: By what others may mean it, hashed.
        place, is_visitor: As of a Frame.
        id, version, subject, number, effective, issued, last_updated, identifiers: As of a PlainObservation.
    """

    place: Place
    key: int
    shape: bytes
    id: str
    version: str
    subject: str
    number: Decimal
    effective: str
    issued: str
    last_updated: str
    identifiers: tuple[str, ...]
    is_visitor: bool = False

    @property
    def keys(self) -> tuple[int, ...]:
        """By what others may mean it."""
        return (self.key,)

    @property
    def owner(self) -> str:
        """Whose it is, without any service base."""
        return owner_named(self.subject).name

    def plain(self, common: LabResult) -> PlainObservation:
        """What the fast lane read; of its JSON no more than says which resource it is, in which version, and whose."""
        effective = clinical_time(self.effective)
        if effective is None:
            raise InputUnreadable("a temporary file is damaged")
        return PlainObservation(
            common=common,
            id=self.id,
            version=self.version,
            subject=self.subject,
            number=self.number,
            effective=effective,
            issued=self.issued,
            last_updated=self.last_updated,
            identifiers=self.identifiers,
            raw=_ENCODER.encode(_outline("Observation", self.id, self.version, self.last_updated, self.subject)),
        )


class Idle(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An entry that says nothing to us, yet may replace another, or be the only sign of a patient.

    Attributes:
        owner, place, is_visitor: As of a Frame.
        key: By what others may mean it, hashed.
        type, id, version, updated: ``resourceType``, ``id``, ``meta.versionId`` and ``meta.lastUpdated``.
        subject: The reference to whose it is, as written.
        is_withdrawn: Whether it says that it was entered in error.
    """

    owner: str
    place: Place
    key: int
    type: str
    id: str
    version: str
    updated: str
    subject: str
    is_withdrawn: bool = False
    is_visitor: bool = False

    @property
    def keys(self) -> tuple[int, ...]:
        """By what others may mean it."""
        return (self.key,)


Item = Frame | Row | Idle
frames_in = msgspec.msgpack.Decoder(list[Frame]).decode
rows_in = msgspec.msgpack.Decoder(list[Row]).decode
idles_in = msgspec.msgpack.Decoder(list[Idle]).decode


def key_of(type_: str, id_: str) -> int:
    """By what others may mean a resource, hashed."""
    return hashed(f"{type_}/{id_}")


def entry_of(frame: Frame | Idle, at: str) -> Entry:
    """The entry as it came.

    Args:
        frame: What the scan set down.
        at: The file and line it came from.
    """
    if isinstance(frame, Idle):
        return _idle_entry(frame, at)
    plain = plain_observation(frame.raw) if frame.is_plain else None
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
    resource = _outline(idle.type, idle.id, idle.version, idle.updated, idle.subject)
    if idle.is_withdrawn:
        resource["status"] = "entered-in-error"
    if idle.type == "Observation":
        resource |= _IDLE_OBSERVATION
    return holding(Entry(at), resource)


def _outline(type_: str, id_: str, version: str, updated: str, subject: str) -> Json:
    """A resource of which is only said which one it is, in which version, and whose."""
    resource: Json = {"resourceType": type_, "id": id_}
    meta = {name: text for name, text in (("versionId", version), ("lastUpdated", updated)) if text}
    if meta:
        resource["meta"] = meta
    if subject:
        resource["subject"] = {"reference": subject}
    return resource
