"""Who the results are about, without a name."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from adapter.clinical.results import Coding
from adapter.clinical.time import ClinicalTime


class Sex(StrEnum):
    """Administrative gender as FHIR says it; only the first two are usable for limits."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Patient(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The patient as far as the assessment needs: no name, no address, no identifier.

    Attributes:
        key: Identity within this input: resolved absolute or relative reference.
        reference: What a RiskAssessment.subject says: ``Patient/id`` or the absolute or urn reference.
        where: Path in the input; empty where the patient is only referred to.
        known: False where results name the patient but no Patient resource came.
    """

    key: str
    reference: str
    where: str = ""
    version: str = ""
    known: bool = True
    sex: Sex | None = None
    birth_date: ClinicalTime | None = None
    deceased: bool | None = None
    deceased_at: ClinicalTime | None = None
    active: bool | None = None
    replaced_by: str = ""
    ethnicity: tuple[Coding, ...] = ()
