"""The shapes that the fast lane reads: only what is used, and what may stand beside it without changing what it means.

What is read can be written again as the same JSON, member by member; that is how the fast lane proves that it read all.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from adapter.clinical.results import LabResult, ReportedQuantity
from adapter.clinical.time import ClinicalTime

_Raw = msgspec.Raw
_NOT_GIVEN = _Raw()
JsonBytes = bytes | memoryview | _Raw
ENCODER = msgspec.json.Encoder()


class Part(msgspec.Struct, gc=False, omit_defaults=True):
    """A JSON object that is read and written again."""


class _Coding(Part):
    system: str = ""
    version: str = ""
    code: str = ""
    display: str = ""


class Meta(Part, kw_only=True):
    """What may stand in ``meta``: no security label."""

    versionId: str = ""  # noqa: N815 - the names are FHIR's, here and below
    lastUpdated: str = ""  # noqa: N815
    source: str = ""
    profile: tuple[str, ...] = ()
    tag: tuple[_Coding, ...] = ()


class _Narrative(Part, kw_only=True):
    status: str
    div: str


class _Concept(Part):
    coding: tuple[_Coding, ...] = ()
    text: str = ""


class _Identifier(Part, kw_only=True):
    use: str = ""
    type: _Concept | None = None
    system: str = ""
    value: str = ""


class _Reference(Part, kw_only=True):
    reference: str
    type: str = ""
    display: str = ""


class _Quantity(Part, kw_only=True):
    value: _Raw
    comparator: _Raw = _NOT_GIVEN
    unit: _Raw = _NOT_GIVEN
    system: _Raw = _NOT_GIVEN
    code: _Raw = _NOT_GIVEN


class ReadObservation(Part, kw_only=True):
    """An Observation that reports one Quantity at one time; what is the same in many stands last, behind the number."""

    resourceType: Literal["Observation"]  # noqa: N815
    id: str
    meta: Meta | None = None
    text: _Narrative | None = None
    identifier: tuple[_Identifier, ...] = ()
    basedOn: tuple[_Reference, ...] = ()  # noqa: N815
    subject: _Reference
    encounter: _Reference | None = None
    specimen: _Reference | None = None
    effectiveDateTime: str  # noqa: N815
    issued: str = ""
    valueQuantity: _Quantity  # noqa: N815
    status: _Raw
    category: _Raw = _NOT_GIVEN
    code: _Raw
    performer: _Raw = _NOT_GIVEN
    interpretation: _Raw = _NOT_GIVEN
    bodySite: _Raw = _NOT_GIVEN  # noqa: N815
    method: _Raw = _NOT_GIVEN
    referenceRange: _Raw = _NOT_GIVEN  # noqa: N815
    extension: _Raw = _NOT_GIVEN


class _Search(Part):
    mode: str


class ReadEntry(Part, kw_only=True):
    """An entry of a Bundle, not looked into."""

    link: _Raw = _NOT_GIVEN
    fullUrl: str = ""  # noqa: N815
    resource: _Raw = _NOT_GIVEN
    search: _Search | None = None
    request: _Raw = _NOT_GIVEN
    response: _Raw = _NOT_GIVEN

    @property
    def is_alone(self) -> bool:
        """Whether the resource is all there is, but for its address and how it was found."""
        return self.link is self.request is self.response is _NOT_GIVEN

    @property
    def beside(self) -> list[bytes]:
        """What stands beside the resource, and was not looked into."""
        return [bytes(each) for each in (self.link, self.request, self.response) if each is not _NOT_GIVEN]

    def json(self) -> bytes:
        """The entry as it came, but for the order of its members."""
        return ENCODER.encode(self)


class _Link(Part):
    relation: str
    url: str


class ReadBundle(Part, kw_only=True):
    """A Bundle, its entries not looked into."""

    resourceType: Literal["Bundle"]  # noqa: N815
    id: str = ""
    meta: Meta | None = None
    type: str = ""
    timestamp: str = ""
    total: _Raw = _NOT_GIVEN
    link: tuple[_Link, ...] = ()
    entry: list[ReadEntry]

    @property
    def is_plain(self) -> bool:
        """Whether what was not looked into is the number it should be."""
        return self.total is _NOT_GIVEN or bytes(self.total).isdigit()


NO_META = Meta()
LOOKED_UP = frozenset({"Specimen", "Organization"})
_NO_UNIT = ReportedQuantity(None)


class Common(msgspec.Struct, frozen=True, gc=False):
    """What Observations report that are the same but for what is their own.

    Attributes:
        result: What they report.
        looks_up: Whether an Organization, did it come, would say who measured it.
    """

    result: LabResult
    looks_up: bool


class PlainObservation(msgspec.Struct, frozen=True, gc=False):
    """An Observation that the fast lane has read.

    Attributes:
        common: All it reports but for what is its own; the same in many.
        id, version, number, effective, issued, last_updated, identifiers: What is its own.
        subject: The reference to its patient.
        raw: The JSON it was read from.
        looks_up: Whether it is read so only where none of ``LOOKED_UP`` came: one of them might say more about it.
    """

    common: LabResult
    id: str
    version: str
    subject: str
    number: Decimal
    effective: ClinicalTime
    issued: str
    last_updated: str
    identifiers: tuple[str, ...]
    raw: JsonBytes
    looks_up: bool = False

    def result(self, where: str, resource: str, patient: str) -> LabResult:
        """The result it reports.

        Args:
            where: The path of its entry.
            resource: Its identity.
            patient: The key of its patient.
        """
        unit = self.common.test.unit or _NO_UNIT
        return msgspec.structs.replace(
            self.common,
            where=where,
            entry=where,
            resource=resource,
            patient=patient,
            value=ReportedQuantity(self.number, unit.comparator, unit.unit, unit.system, unit.code),
            version=self.version,
            effective=self.effective,
            issued=self.issued,
            last_updated=self.last_updated,
            identifiers=self.identifiers,
        )
