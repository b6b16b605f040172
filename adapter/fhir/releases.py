"""The releases of FHIR that are read and written, and everything in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Release(StrEnum):
    """A release of FHIR; STU3 is read but never written."""

    STU3 = "3.0.2"
    R4 = "4.0.1"
    R4B = "4.3.0"
    R5 = "5.0.0"


class WrittenShape(msgspec.Struct, frozen=True, kw_only=True):
    """In which elements the resources we write differ between releases; all else is the same in R4, R4B and R5.

    Attributes:
        models: Package of fhir.resources that knows these shapes. It has none for R4 itself, but RiskAssessment,
            Device, Provenance and Bundle have the same elements in R4 and R4B.
        device_names, device_name: The list of a Device's names, and the name within one of them.
        device_types_repeat: True where a Device has several types.
    """

    models: str
    device_names: str
    device_name: str
    device_types_repeat: bool


_R4 = WrittenShape(
    models="fhir.resources.R4B", device_names="deviceName", device_name="name", device_types_repeat=False
)
_R5 = WrittenShape(models="fhir.resources", device_names="name", device_name="value", device_types_repeat=True)

# What was read in STU3 is written in R4, the first release that lasts: "normative content" begins with it
# (hl7.org/fhir/R4/history.html), and STU3's RiskAssessment cannot hold several notes.
WRITTEN: Mapping[Release, WrittenShape] = {Release.STU3: _R4, Release.R4: _R4, Release.R4B: _R4, Release.R5: _R5}
