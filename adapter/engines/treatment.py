"""Bone medicines in the record: whether the patient is under their effect, and since when."""

from __future__ import annotations

from datetime import datetime

from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import RiskFactor
from adapter.clinical.time import ClinicalTime
from adapter.engines.answers import Answer, any_of
from adapter.engines.spans import lies_within
from adapter.knowledge.model import Knowledge

ANABOLIC = ("anabolic",)
DUAL = ("dual-action",)
ANTIRESORPTIVE = ("antiresorptive", "zoledronate", "denosumab")
BONE_MEDICINES = (*ANTIRESORPTIVE, *ANABOLIC, *DUAL)
# Oestrogens hold back resorption and count as antiresorptives here, yet a fracture under them is no failed treatment.
CHANGING_TURNOVER = (*BONE_MEDICINES, "estrogen")


def is_current(factor: RiskFactor, moment: datetime) -> Answer:
    """Whether a recorded factor still holds; what has no end and is not said to be over holds."""
    if factor.until is not None:
        return factor.until.is_after(moment)
    return not factor.ended


def under_effect(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """Whether the patient takes a bone medicine, or stopped so recently that it still works (N7)."""
    return any_of(_works(medicine, profile.as_of, knowledge) for medicine in profile.having(*CHANGING_TURNOVER))


def medicines_at_work(profile: PatientProfile, knowledge: Knowledge) -> tuple[RiskFactor, ...]:
    """The bone medicines that are known to be at work."""
    return tuple(m for m in profile.having(*CHANGING_TURNOVER) if _works(m, profile.as_of, knowledge))


def began(medicines: tuple[RiskFactor, ...]) -> ClinicalTime | None:
    """When the earliest of these medicines was begun; ``None`` unless that is known of each."""
    starts = [medicine.since for medicine in medicines if medicine.since is not None]
    return min(starts, key=lambda start: start.earliest) if starts and len(starts) == len(medicines) else None


def _works(medicine: RiskFactor, moment: datetime, knowledge: Knowledge) -> Answer:
    of_zoledronate = medicine.kind == "zoledronate"
    months = int(knowledge.number("monitoring_months_zoledronate" if of_zoledronate else "monitoring_months"))
    if medicine.until is not None:
        return lies_within(medicine.until, months, moment)
    if not medicine.ended:
        return True
    # Over, but nobody says since when: it ended after it began, so a recent beginning decides and an old one does not.
    return lies_within(medicine.since, months, moment) or None
