"""The adapter itself as a FHIR Device, so that every assessment names who made it."""

from __future__ import annotations

from typing import Any

from adapter.fhir.identity import device_id, identifier
from adapter.fhir.releases import WRITTEN, Release

NAME = "osteo-fhir-adapter"
VERSION = "0.1.0"
DEVICE_ID = device_id(VERSION)


def device(release: Release) -> dict[str, Any]:
    """This version of the adapter as a Device; the same in every run."""
    shape = WRITTEN[release]
    software = {"text": "software"}
    return {
        "resourceType": "Device",
        "id": DEVICE_ID,
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{NAME} {VERSION}</p></div>',
        },
        "identifier": [identifier(DEVICE_ID)],
        "status": "active",
        shape.device_names: [{shape.device_name: NAME, "type": "user-friendly-name"}],
        "type": [software] if shape.device_types_repeat else software,
        "version": [{"value": VERSION}],
    }
