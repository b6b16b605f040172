"""The stratum: rows B1 to B10 of the decision table, the first that is true wins."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from adapter.clinical.assessment import Stratum
from adapter.engines.answers import Answer, all_of, any_of, negated
from adapter.engines.case import Case
from adapter.engines.fractures import has_fragility_fracture, very_high_triggers


class Row(msgspec.Struct, frozen=True):
    """One row of the table."""

    rule: str
    stratum: Stratum
    holds: Callable[[Case], Answer]


class Placing(msgspec.Struct, frozen=True):
    """The row that decided, and the more severe rows that may hold but cannot be shown to."""

    rule: str
    stratum: Stratum
    undetermined: tuple[str, ...] = ()


def place(case: Case) -> Placing:
    """The first row that is true.

    A row that is not recorded to hold does not hold. A row about something that *is* recorded, but too coarsely to say
    (a fracture without its cause, a T-score without menopause, a bound instead of a number), is undetermined: it is
    named, and no patient is placed at low risk over it.
    """
    undetermined: list[str] = []
    for row in TABLE:
        answer = row.holds(case)
        if answer and not (row.stratum is Stratum.LOW and undetermined):
            return Placing(row.rule, row.stratum, tuple(undetermined))
        if answer is None:
            undetermined.append(row.rule)
    return Placing("B10", Stratum.INDETERMINATE, tuple(undetermined))


def _b1(case: Case) -> Answer:
    triggers = very_high_triggers(case.profile, case.density, case.knowledge)
    return all_of((case.osteoporosis, any_of(triggers.values())))


def _b2(case: Case) -> Answer:
    return case.frax.exceeds(case.knowledge.number("mof_vh"), case.knowledge.number("hip_vh"))


def _b3(case: Case) -> Answer:
    return case.osteoporosis


def _b4(case: Case) -> Answer:
    return case.frax.reaches(case.knowledge.number("mof_high"), case.knowledge.number("hip_high"))


def _b5(case: Case) -> Answer:
    return has_fragility_fracture(case.profile)


def _b6(case: Case) -> Answer:
    """MOF of 10 % or more; a site may add a line for the hip ("hip 1.5-2.9 % lands in low: a known soft spot")."""
    hip_mod = case.knowledge.parameters.get("hip_mod")
    hip = case.frax.hip.reaches(hip_mod.value) if hip_mod and case.frax.hip else False
    return any_of((case.frax.mof_reaches(case.knowledge.number("mof_mod")), hip))


def _b7(case: Case) -> Answer:
    return all_of((case.frax.with_bmd is not True, _frax_is_low(case), _has_low_density(case)))


def _b8(case: Case) -> Answer:
    """Both probabilities low, and density in them, normal, or absent: nowhere a low density that they do not know."""
    unknown_to_frax = all_of((case.frax.with_bmd is not True, _has_low_density(case)))
    return all_of((_frax_is_low(case), negated(unknown_to_frax)))


def _b9(case: Case) -> Answer:
    return all_of((not case.frax.results, _has_low_density(case)))


def _has_low_density(case: Case) -> Answer:
    """T below -1.0; that it is above -2.5 needs no asking, for otherwise row B3 came first."""
    return case.density.is_below(case.knowledge.number("t_low"))


def _frax_is_low(case: Case) -> Answer:
    return case.frax.is_below(case.knowledge.number("mof_mod"), case.knowledge.number("hip_high"))


TABLE = (
    Row("B1", Stratum.VERY_HIGH, _b1),
    Row("B2", Stratum.VERY_HIGH, _b2),
    Row("B3", Stratum.HIGH, _b3),
    Row("B4", Stratum.HIGH, _b4),
    Row("B5", Stratum.MODERATE, _b5),
    Row("B6", Stratum.MODERATE, _b6),
    Row("B7", Stratum.MODERATE, _b7),
    Row("B8", Stratum.LOW, _b8),
    Row("B9", Stratum.MODERATE, _b9),
)
