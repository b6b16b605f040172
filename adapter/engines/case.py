"""One patient's record made ready for the decision table: each question it asks has its answer here."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import RiskFactor
from adapter.engines.answers import Answer
from adapter.engines.corrections import Calcium, calcium_of, ionized_calcium_of
from adapter.engines.density import Density, density_of
from adapter.engines.fractures import has_osteoporosis
from adapter.engines.frax import Frax, contradictions_in, frax_of
from adapter.engines.kidney import Kidney, kidney_of
from adapter.engines.limits import Reading, readings_of
from adapter.engines.treatment import medicines_at_work, under_effect
from adapter.engines.urine import UrineCalcium, day_amount_of, spot_ratio_of
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem


class Case(msgspec.Struct, frozen=True):
    """What the decision table asks about.

    Attributes:
        frax: FRAX where it counts: empty under treatment (it is for the untreated) and where it contradicts itself.
        reported_frax: FRAX as it came.
        contradictions: Why its halves cannot both be right, said of each; none where they can.
        osteoporosis: OP of the decision table.
        treated: Whether a bone medicine is at work; open where its end is not known.
        medicines: Those that are known to be.
        readings: How every result in use reads against its limits, by where it came from.
        calcium: Total calcium as it may be read; ``ionized`` wins over it where it came with limits.
        day_urine, spot_urine: ``None`` where not recorded, or not of one sample.
    """

    profile: PatientProfile
    knowledge: Knowledge
    frax: Frax
    reported_frax: Frax
    contradictions: tuple[Problem, ...]
    density: Density
    osteoporosis: Answer
    kidney: Kidney
    treated: Answer
    medicines: tuple[RiskFactor, ...]
    readings: Mapping[str, Reading]
    calcium: Calcium | None
    ionized: Calcium | None
    day_urine: UrineCalcium | None
    spot_urine: UrineCalcium | None


def case_of(profile: PatientProfile, knowledge: Knowledge) -> Case:
    """Answer every question of the decision table that the record answers."""
    readings = readings_of(profile, knowledge)
    reported, density = frax_of(profile), density_of(profile, knowledge)
    contradictions, treated = contradictions_in(reported, knowledge), under_effect(profile, knowledge)
    return Case(
        profile=profile,
        knowledge=knowledge,
        frax=Frax() if contradictions or treated else reported,
        reported_frax=reported,
        contradictions=contradictions,
        density=density,
        osteoporosis=has_osteoporosis(profile, density, knowledge),
        kidney=kidney_of(profile, knowledge),
        treated=treated,
        medicines=medicines_at_work(profile, knowledge),
        readings=readings,
        calcium=calcium_of(profile, readings, knowledge),
        ionized=ionized_calcium_of(profile, readings),
        day_urine=day_amount_of(profile, knowledge),
        spot_urine=spot_ratio_of(profile),
    )
