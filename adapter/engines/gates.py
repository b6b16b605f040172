"""The gates N1 to N10: who the pathway is not for, and what it must not say about the others."""

from __future__ import annotations

import msgspec

from adapter.clinical.assessment import Stratum
from adapter.clinical.patient import Sex
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import RiskFactor
from adapter.engines.answers import Answer, any_of
from adapter.engines.case import Case
from adapter.engines.spans import lies_within
from adapter.engines.treatment import is_current
from adapter.knowledge.model import Knowledge

OTHER_BONE_DISEASE = (
    "paget",
    "osteomalacia",
    "osteogenesis-imperfecta",
    "multiple-myeloma",
    "bone-metastasis",
    "hypophosphatasia",
)
_PREGNANCY_MONTHS = 10


class Gates(msgspec.Struct, frozen=True):
    """The gates that fired, in order, and where they end the pathway.

    Attributes:
        ends: The stratum with which the pathway ends here; ``None`` where it goes on.
        writes: False where not even a RiskAssessment may be written.
        open_: Gates that may hold but cannot be shown to.
    """

    fired: tuple[str, ...]
    ends: Stratum | None = None
    writes: bool = True
    open_: tuple[str, ...] = ()


def gates_of(case: Case) -> Gates:
    """Which gates fire: N1 to N3 end the pathway at once, N4 and N5 end it by what they find, the rest restrict it.

    N8 (unusable inputs) was decided before, result by result.
    """
    profile, knowledge = case.profile, case.knowledge
    age = profile.age
    if age is None or age < knowledge.number("adult_age"):
        return Gates(("N1",), Stratum.NOT_APPLICABLE, writes=False)
    if _is_pregnant_or_nursing(profile, knowledge):
        return Gates(("N2",), Stratum.NOT_APPLICABLE)
    if profile.patient.sex not in (Sex.FEMALE, Sex.MALE):
        return Gates(("N3",), Stratum.INDETERMINATE)
    answers: dict[str, Answer] = {
        "N4": age < knowledge.number("frax_age_low"),
        "N5": any_of(is_current(f, profile.as_of) for f in profile.having(*OTHER_BONE_DISEASE)),
        "N6": case.kidney.forbids_advice(knowledge),
        "N7": case.treated,
        "N9": age > knowledge.number("frax_age_high"),
        "N10": bool(case.contradictions),
    }
    fired = tuple(gate for gate, answer in answers.items() if answer)
    open_ = tuple(gate for gate, answer in answers.items() if answer is None)
    return Gates(fired, _ends(fired), open_=open_)


def _ends(fired: tuple[str, ...]) -> Stratum | None:
    if "N5" in fired:
        return Stratum.NOT_APPLICABLE
    return Stratum.INDETERMINATE if "N4" in fired else None


def _is_pregnant_or_nursing(profile: PatientProfile, knowledge: Knowledge) -> bool:
    """Whether pregnancy, the months after it, or lactation may hold; where dates leave that open, they are taken to."""
    after_birth, lactation = int(knowledge.number("postpartum_months")), int(knowledge.number("lactation_months"))
    pregnant = (_may_hold(f, profile, _PREGNANCY_MONTHS, after_birth) for f in profile.having("pregnancy"))
    nursing = (_may_hold(f, profile, lactation, 0) for f in profile.having("lactation"))
    return any((*pregnant, *nursing))


def _may_hold(factor: RiskFactor, profile: PatientProfile, lasts: int, afterwards: int) -> bool:
    """Whether a state that ends by itself may hold, or ended so recently; records of it are often never closed."""
    if factor.until is not None:
        return lies_within(factor.until, afterwards, profile.as_of) is not False
    if factor.since is None:
        return not factor.ended
    return lies_within(factor.since, lasts + afterwards, profile.as_of) is not False
