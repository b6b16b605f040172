"""The script one would write first: fhir.resources in, latest value per marker, three thresholds, fhir.resources out.

It knows one code and one unit per marker, believes everything it is told, and says nothing about what it left out.
Run as ``python naive.py BUNDLE.json``, it is the cold peer; imported, the warm one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.riskassessment import RiskAssessment

_MARKERS = {
    "77370-5": "P1NP",
    "41171-0": "CTX",
    "62292-8": "25OHD",
    "2731-8": "PTH",
    "2000-8": "Ca",
    "1751-7": "albumin",
    "14879-1": "phosphate",
    "14682-9": "creatinine",
    "90265-0": "FRAX MOF",
    "90266-8": "FRAX hip",
    "38267-1": "T spine",
    "38263-0": "T femur",
}


def converted(data: bytes) -> bytes:
    """A RiskAssessment for the one patient of a Bundle."""
    bundle = Bundle.model_validate_json(data)
    resources: list[Any] = [entry.resource for entry in bundle.entry or []]
    patient = next(resource for resource in resources if isinstance(resource, Patient))
    latest = _latest([resource for resource in resources if isinstance(resource, Observation)])
    assessment = RiskAssessment.model_validate(
        {
            "status": "final",
            "subject": {"reference": f"Patient/{patient.id}"},
            "occurrenceDateTime": "2026-06-15T23:59:59Z",
            "basis": [{"reference": f"Observation/{observation.id}"} for observation in latest.values()],
            "prediction": [
                {"outcome": {"text": "Osteoporotic fracture"}, "qualitativeRisk": {"text": _risk(latest)}},
                *(
                    {"outcome": {"text": marker}, "probabilityDecimal": latest[marker].valueQuantity.value}
                    for marker in ("FRAX MOF", "FRAX hip")
                ),
            ],
        }
    )
    return assessment.model_dump_json().encode()


def _latest(observations: list[Any]) -> dict[str, Any]:
    latest: dict[str, Any] = {}
    for observation in observations:
        for coding in observation.code.coding:
            marker = _MARKERS.get(coding.code)
            if marker is None or coding.system != "http://loinc.org" or observation.status != "final":
                continue
            if marker not in latest or latest[marker].effectiveDateTime < observation.effectiveDateTime:
                latest[marker] = observation
    return latest


def _risk(latest: dict[str, Any]) -> str:
    value = {marker: observation.valueQuantity.value for marker, observation in latest.items()}
    lowest = min(value["T spine"], value["T femur"])
    if lowest <= -2.5 or value["FRAX MOF"] >= 20 or value["FRAX hip"] >= 3:
        return "high"
    if lowest < -1 or value["FRAX MOF"] >= 10:
        return "moderate, turnover raised" if value["CTX"] > 646 or value["P1NP"] > 76 else "moderate"
    return "low"


if __name__ == "__main__":
    sys.stdout.buffer.write(converted(Path(sys.argv[1]).read_bytes()))
