"""What the bulk door is held against: a loop that only parses, and the two scripts one would write first.

Run as ``python bulk_peers.py parse|json|models FOLDER [FILE]``; each reads the Observations of an export, and the
scripts write one RiskAssessment a patient. They believe everything they are told, know one unit per marker, and keep
all in memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LOINC = "http://loinc.org"
_MARKERS = {
    "77370-5": "P1NP", "41171-0": "CTX", "62292-8": "25OHD", "2731-8": "PTH", "2000-8": "Ca", "1751-7": "albumin",
    "14879-1": "phosphate", "14682-9": "creatinine", "90265-0": "FRAX MOF", "90266-8": "FRAX hip",
    "38267-1": "T spine", "38263-0": "T femur",
}  # fmt: skip
Latest = dict[str, tuple[str, float, str]]


def parse(folder: Path) -> None:
    """Nothing but ``orjson.loads``, line by line."""
    import orjson

    for path in sorted(folder.glob("Observation.*")):
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)


def with_json(folder: Path) -> Iterator[str]:
    """With ``json`` and dicts."""
    latest: dict[str, Latest] = {}
    for path in sorted(folder.glob("Observation.*")):
        with path.open() as file:
            for line in file:
                _take(latest, json.loads(line))
    for patient, found in latest.items():
        yield json.dumps(_assessed(patient, found))


def with_models(folder: Path) -> Iterator[str]:
    """With ``fhir.resources`` both ways."""
    from fhir.resources.R4B.observation import Observation
    from fhir.resources.R4B.riskassessment import RiskAssessment

    latest: dict[str, Latest] = {}
    for path in sorted(folder.glob("Observation.*")):
        with path.open() as file:
            for line in file:
                _take(latest, json.loads(Observation.model_validate_json(line).model_dump_json()))
    for patient, found in latest.items():
        yield RiskAssessment.model_validate(_assessed(patient, found)).model_dump_json()


def _take(latest: dict[str, Latest], observation: dict[str, Any]) -> None:
    for coding in observation["code"]["coding"]:
        marker = _MARKERS.get(coding["code"]) if coding["system"] == _LOINC else None
        if marker is not None and observation["status"] in ("final", "amended"):
            found = latest.setdefault(observation["subject"]["reference"], {})
            when, value = observation["effectiveDateTime"], float(observation["valueQuantity"]["value"])
            if marker not in found or found[marker][0] < when:
                found[marker] = (when, value, observation["id"])


def _assessed(patient: str, latest: Latest) -> dict[str, Any]:
    lowest = min((latest[marker][1] for marker in ("T spine", "T femur") if marker in latest), default=0)
    mof = latest["FRAX MOF"][1] if "FRAX MOF" in latest else 0
    risk = "high" if lowest <= -2.5 or mof >= 20 else "moderate" if lowest < -1 or mof >= 10 else "low"
    return {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": patient},
        "occurrenceDateTime": "2026-06-15T23:59:59Z",
        "basis": [{"reference": f"Observation/{id_}"} for _, _, id_ in latest.values()],
        "prediction": [{"outcome": {"text": "Osteoporotic fracture"}, "qualitativeRisk": {"text": risk}}],
    }


if __name__ == "__main__":
    how, where = sys.argv[1], Path(sys.argv[2])
    if how == "parse":
        parse(where)
    else:
        with Path(sys.argv[3]).open("w") as out:
            out.writelines(f"{line}\n" for line in (with_json if how == "json" else with_models)(where))
