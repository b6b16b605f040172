"""Where an assessment comes from: which inputs, by which device, when."""

from __future__ import annotations

from typing import Any

from adapter.fhir.identity import PROVENANCE_TAG, provenance_id

_CREATE = {"system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation", "code": "CREATE", "display": "create"}
# "A device that operates independently of an author on custodian's algorithms for data extraction of existing
# information for purpose of generating a new artifact." (terminology.hl7.org, provenance-participant-type)
_ASSEMBLER = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "assembler",
    "display": "Assembler",
}


def provenance(risk_assessment: dict[str, Any]) -> dict[str, Any]:
    """The Provenance of one RiskAssessment that we wrote; its elements are the same in R4, R4B and R5."""
    id_ = provenance_id(risk_assessment["id"])
    written: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": id_,
        "meta": {**risk_assessment.get("meta", {}), "tag": [{"system": PROVENANCE_TAG, "code": id_}]},
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{risk_assessment["occurrenceDateTime"]}</p></div>',
        },
        "target": [{"reference": f"RiskAssessment/{risk_assessment['id']}"}],
        "recorded": risk_assessment["occurrenceDateTime"],
        "activity": {"coding": [_CREATE]},
        "agent": [{"type": {"coding": [_ASSEMBLER]}, "who": risk_assessment["performer"]}],
    }
    if "basis" in risk_assessment:
        written["entity"] = [{"role": "source", "what": basis} for basis in risk_assessment["basis"]]
    return written
