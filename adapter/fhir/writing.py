"""From an assessment to the FHIR resources that say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapter.clinical.assessment import Assessment
from adapter.fhir.device import device
from adapter.fhir.identity import assessment_id
from adapter.fhir.provenance import provenance
from adapter.fhir.releases import Release
from adapter.fhir.risk_assessment import risk_assessment
from adapter.fhir.wording import teller_of
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem

_AI_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}


def write(
    assessment: Assessment,
    knowledge: Knowledge,
    *,
    release: Release,
    language: str,
    set_aside: Sequence[Problem],
    label_as_ai: bool = False,
) -> list[dict[str, Any]]:
    """The RiskAssessment, the Device that made it and its Provenance; nothing where a gate forbids writing.

    Args:
        release: The release to write in.
        language: Language of every text: a key of ``knowledge.texts``.
        set_aside: The inputs that were not used, or only with a caution, and why; told in the notes.
        label_as_ai: Label the RiskAssessment as asserted by an algorithm. The pathway is a table of rules, so whether
            that counts as "AI" is for the site to say.
    """
    if not assessment.writes:
        return []
    teller = knowledge.remembered(teller_of)(language)
    id_ = assessment_id(assessment, knowledge, release=release)
    assessed = risk_assessment(assessment, teller.account(assessment, set_aside), teller, id_=id_)
    if label_as_ai:
        assessed["meta"] = {"security": [*assessed.get("meta", {}).get("security", ()), _AI_ASSERTED]}
    return [assessed, device(release), provenance(assessed)]
