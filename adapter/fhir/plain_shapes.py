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
ENCODER = msgspec.json.Encoder()


class Part(msgspec.Struct, gc=False, omit_defaults=True):
    """A JSON object that is read and written again; its members stand in the order of the specification."""


class Meta(Part, kw_only=True):
    """What may stand in ``meta``: no label and no tag."""

    versionId: str = ""  # noqa: N815 - the names are FHIR's, here and below
    lastUpdated: str = ""  # noqa: N815
    source: str = ""
    profile: _Raw = _NOT_GIVEN


class _Narrative(Part, kw_only=True):
    status: str
    div: str


class _Identifier(Part, kw_only=True):
    use: str = ""
    type: _Raw = _NOT_GIVEN
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
    """An Observation that reports one Quantity at one time."""

    resourceType: Literal["Observation"]  # noqa: N815
    id: str
    meta: Meta | None = None
    text: _Narrative | None = None
    extension: _Raw = _NOT_GIVEN
    identifier: tuple[_Identifier, ...] = ()
    basedOn: tuple[_Reference, ...] = ()  # noqa: N815
    status: _Raw
    category: _Raw = _NOT_GIVEN
    code: _Raw
    subject: _Reference
    encounter: _Reference | None = None
    effectiveDateTime: str  # noqa: N815
    issued: str = ""
    performer: _Raw = _NOT_GIVEN
    valueQuantity: _Quantity  # noqa: N815
    interpretation: _Raw = _NOT_GIVEN
    bodySite: _Raw = _NOT_GIVEN  # noqa: N815
    method: _Raw = _NOT_GIVEN
    referenceRange: _Raw = _NOT_GIVEN  # noqa: N815


class ReadEntry(Part, kw_only=True):
    """An entry of a Bundle, not looked into."""

    link: _Raw = _NOT_GIVEN
    fullUrl: str = ""  # noqa: N815
    resource: _Raw = _NOT_GIVEN
    search: _Raw = _NOT_GIVEN
    request: _Raw = _NOT_GIVEN
    response: _Raw = _NOT_GIVEN

    @property
    def is_about_nothing_else(self) -> bool:
        """Whether there is a resource, and neither a request nor a response nor a link that concerns it."""
        return bool(len(self.resource)) and not (len(self.request) or len(self.response) or len(self.link))

    def json(self) -> bytes:
        """The entry as it came, but for the order of its members."""
        return ENCODER.encode(self)


NO_META = Meta()


class Common(msgspec.Struct, frozen=True, gc=False):
    """What many Observations have in common: all they report but for what is each one's own, and the unit."""

    result: LabResult
    unit: ReportedQuantity


class PlainObservation(msgspec.Struct, frozen=True, gc=False):
    """An Observation that the fast lane has read.

    Attributes:
        read_: The JSON itself.
        common: What its code, unit, ranges and the like mean.
        number, effective, version: Its own value, time and version.
    """

    read_: ReadObservation
    common: Common
    number: Decimal
    effective: ClinicalTime
    version: str

    @property
    def id(self) -> str:
        """Its ``id``."""
        return self.read_.id

    @property
    def subject(self) -> str:
        """The reference to its patient."""
        return self.read_.subject.reference

    def result(self, where: str, resource: str, patient: str) -> LabResult:
        """The result it reports.

        Args:
            where: The path of its entry.
            resource: Its identity.
            patient: The key of its patient.
        """
        read, unit = self.read_, self.common.unit
        return msgspec.structs.replace(
            self.common.result,
            where=where,
            entry=where,
            resource=resource,
            patient=patient,
            value=ReportedQuantity(self.number, unit.comparator, unit.unit, unit.system, unit.code),
            version=self.version,
            effective=self.effective,
            issued=read.issued,
            last_updated=(read.meta or NO_META).lastUpdated,
            identifiers=tuple(
                [f"{each.system}|{each.value}" for each in read.identifier if each.system and each.value]
            ),
        )

    def json(self) -> bytes:
        """The Observation as it came, but for the order of its members."""
        return ENCODER.encode(self.read_)
