"""Osteoporosis as the decision table defines it, and what makes it very high risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from operator import itemgetter

from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import RiskFactor
from adapter.clinical.time import months_before
from adapter.engines.answers import Answer, all_of, any_of, negated
from adapter.engines.density import Density
from adapter.engines.spans import lasts_for, lies_within
from adapter.engines.treatment import BONE_MEDICINES, is_current
from adapter.knowledge.model import Knowledge

_MAJOR = frozenset({"hip", "vertebra"})
_WITH_LOW_DENSITY = frozenset({"proximal-humerus", "pelvis", "distal-forearm"})
_FALLS_MONTHS = 12


def has_osteoporosis(profile: PatientProfile, density: Density, knowledge: Knowledge) -> Answer:
    """OP of the decision table: by density, by a hip or vertebral fragility fracture, or by low density with another.

    A diagnosis on record without a usable T-score leaves the answer open: it rests on something that we were not given.
    """
    t_op, t_low = knowledge.number("t_op"), knowledge.number("t_low")
    known = any_of(
        (
            density.is_at_most(t_op),
            has_fragility_fracture(profile, _MAJOR),
            all_of((density.lies_between(t_op, t_low), has_fragility_fracture(profile, _WITH_LOW_DENSITY))),
        )
    )
    unseen = density.lowest is None or density.applies is not True
    return None if known is False and unseen and profile.having("osteoporosis") else known


def has_fragility_fracture(profile: PatientProfile, sites: frozenset[str] | None = None) -> Answer:
    """Whether a fragility fracture is recorded, at one of these sites if any are given."""
    return any_of(
        all_of((fracture.fragility, sites is None or _is_at(fracture, sites))) for fracture in fractures(profile)
    )


def fractures(profile: PatientProfile) -> tuple[RiskFactor, ...]:
    """Every fracture on record."""
    return profile.having("fracture")


def very_high_triggers(profile: PatientProfile, density: Density, knowledge: Knowledge) -> Mapping[str, Answer]:
    """What makes osteoporosis very high risk (B1), each by its name."""
    return {
        "recent-fracture": _fractured_recently(profile, knowledge),
        "several-fractures": _several_fractures(profile, knowledge),
        "fracture-on-treatment": _fractured_on_treatment(profile),
        "glucocorticoid": high_glucocorticoid(profile, knowledge),
        "very-low-t": density.is_below(knowledge.number("t_vh")),
        "falls": high_fall_risk(profile, knowledge),
    }


def high_glucocorticoid(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """Whether a glucocorticoid is taken in a high dose for long enough; open where dose or start is not known."""
    dose, months = knowledge.number("gc_high_mg"), int(knowledge.number("gc_months"))
    return any_of(
        all_of(
            (
                is_current(taken, profile.as_of),
                None if taken.amount is None else taken.amount >= dose,
                lasts_for(taken.since, months, profile.as_of),
            )
        )
        for taken in profile.having("glucocorticoid")
    )


def high_fall_risk(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """Whether the falls recorded in the last year are many; open where falls are recorded but not counted."""
    many = knowledge.number("falls_high")
    return any_of(
        all_of(
            (
                lies_within(falls.since, _FALLS_MONTHS, profile.as_of),
                None if falls.amount is None else falls.amount >= many,
            )
        )
        for falls in profile.having("falls")
    )


def _fractured_recently(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    months = int(knowledge.number("recent_fracture_months"))
    return any_of(all_of((f.fragility, lies_within(f.since, months, profile.as_of))) for f in fractures(profile))


def _several_fractures(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """Whether there were several fragility fractures; two records may be of one fracture, so that is open at first."""
    many, healing = int(knowledge.number("fractures_many")), int(knowledge.number("btm_fracture_block_months"))
    possible = [fracture for fracture in fractures(profile) if fracture.fragility is not False]
    if len(possible) < many:
        return False
    proven = [fracture for fracture in possible if fracture.fragility]
    if many == 2:
        return _are_of_two(proven, healing) or None
    groups = combinations(proven, many)
    return any(all(_are_of_two(pair, healing) for pair in combinations(group, 2)) for group in groups) or None


def _are_of_two(records: Sequence[RiskFactor], healing: int) -> bool:
    """Whether records are certainly of two fractures: at two sites, or coded differently and a healing time apart.

    One fracture is often recorded more than once: as diagnosis and as operation, at the first visit and at a later one.
    """
    if len({fracture.site for fracture in records if fracture.site}) > 1:
        return True
    dated = [(fracture.code, fracture.since) for fracture in records if fracture.since is not None]
    ends: dict[str, datetime] = {}
    for code, time in dated:
        ends[code] = min(time.latest, ends.get(code, time.latest))
    # Of two codes at least one is not the record's own, so none but the first two need be looked at.
    first_two = sorted(ends.items(), key=itemgetter(1))[:2]
    return any(
        code != other and end < months_before(time.earliest, healing)
        for code, time in dated
        for other, end in first_two
    )


def _fractured_on_treatment(profile: PatientProfile) -> Answer:
    medicines = profile.having(*BONE_MEDICINES)
    return any_of(all_of((f.fragility, _during(f, m))) for f in fractures(profile) for m in medicines)


def _during(fracture: RiskFactor, medicine: RiskFactor) -> Answer:
    """Whether a fracture happened between the beginning and the end of a medicine."""
    if fracture.since is None or medicine.since is None:
        return None
    had_begun = medicine.since.is_before(fracture.since)
    if medicine.until is not None:
        return all_of((had_begun, negated(medicine.until.is_before(fracture.since))))
    return all_of((had_begun, None if medicine.ended else True))


def _is_at(fracture: RiskFactor, sites: frozenset[str]) -> Answer:
    return fracture.site in sites if fracture.site else None
