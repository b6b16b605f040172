"""Patients with two results each, made with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Sequence

from tests.servers.sekmet import Json, Sekmet

VALUES = {"47255-5": 80.5, "38267-1": -3.7}
_UNITS = {"47255-5": "ug/L", "38267-1": "{T-score}"}


def patient(number: int) -> Json:
    """A woman."""
    return {"resourceType": "Patient", "id": f"p{number}", "gender": "female", "birthDate": f"19{50 + number}-03-14"}


def result(number: int, code: str, value: float) -> Json:
    """A result of hers."""
    return {
        "resourceType": "Observation",
        "id": f"o{number}-{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/p{number}"},
        "effectiveDateTime": "2026-06-01",
        "valueQuantity": {
            "value": value,
            "unit": _UNITS[code],
            "system": "http://unitsofmeasure.org",
            "code": _UNITS[code],
        },
    }


def load(server: Sekmet, number: int) -> None:
    """Put so many patients and their results on a server."""
    server.load([patient(each) for each in range(number)])
    server.load([result(each, code, value + each / 10) for each in range(number) for code, value in VALUES.items()])


def current(server: Sekmet) -> list[tuple[str, int]]:
    """Whose assessments hold on a server, and on how much each rests."""
    return [(each["subject"]["reference"], len(each["basis"])) for each in _standing(server)]


def outdated(server: Sekmet) -> set[str]:
    """What assessments that hold rest on, in versions that are not the newest."""
    rested_on = {basis["reference"] for each in _standing(server) for basis in each["basis"]}
    newest = server.found("Observation?_count=500")
    return rested_on - {f"Observation/{each['id']}/_history/{each['meta']['versionId']}" for each in newest}


def _standing(server: Sekmet) -> list[Json]:
    """The assessments that were neither taken back nor replaced."""
    found = server.found("RiskAssessment?_count=200")
    past = replaced(found)
    return [
        each for each in found if each["status"] != "entered-in-error" and f"RiskAssessment/{each['id']}" not in past
    ]


def replaced(assessments: Sequence[Json]) -> set[str]:
    """Those that another one names as what it took the place of, and that are still there."""
    there = {f"RiskAssessment/{each['id']}" for each in assessments}
    return there & {each["parent"]["reference"].partition("/_history/")[0] for each in assessments if "parent" in each}
