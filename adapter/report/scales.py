"""Where a value lies among its limits: one line to look at."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.clinical.assessment import AppliedLimits, Evidence
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.knowledge.model import Knowledge

# UCUM's unit of a number without dimension, such as a T-score.
NO_UNIT = "1"
# What is read against lines of the decision table: the ends of its scale, the parameters of its lines, and whether the
# side above the first line, or below it, is the one to be in.
_LINED = {
    "dxa-t-score": ((Decimal(-5), Decimal(2)), ("t_low", "t_op"), True),
    "dxa-z-score": ((Decimal(-5), Decimal(2)), ("z_low",), True),
    "frax-mof": ((Decimal(0), Decimal(40)), ("mof_mod", "mof_high", "mof_vh"), False),
    "frax-hip": ((Decimal(0), Decimal(8)), ("hip_high", "hip_vh"), False),
}
# How much room a scale has beside its limits, as a share of what lies between them.
_BESIDE = Decimal("0.75")
_A_LITTLE_MORE = Decimal("1.05")


class Scale(msgspec.Struct, frozen=True):
    """One value on one scale, in the marker's canonical unit.

    Attributes:
        ends: The least and the greatest number on it.
        value: All the numbers that the result may stand for.
        lines: The limits.
        band: Between which numbers all is well; an end of the scale where there is no limit.
        unit: The unit of all of them; empty where they have none.
    """

    ends: tuple[Decimal, Decimal]
    value: Interval
    lines: tuple[Decimal, ...]
    band: tuple[Decimal, Decimal]
    unit: str

    def share(self, number: Decimal) -> Decimal:
        """How far along the scale a number lies, from 0 to 1."""
        low, high = self.ends
        return (number - low) / (high - low)


def scale_of(evidence: Evidence, knowledge: Knowledge) -> Scale | None:
    """The scale of one input in use; ``None`` where it was read against nothing."""
    result = evidence.result
    if not isinstance(result, MarkerResult):
        return None
    if result.marker in _LINED:
        return _lined(result, knowledge)
    return None if evidence.limits is None else _within(result, evidence.limits)


def _lined(result: MarkerResult, knowledge: Knowledge) -> Scale:
    ends, parameters, is_well_above = _LINED[result.marker]
    lines = tuple(sorted(knowledge.number(name) for name in parameters))
    low, high = _reaching(ends, result.value)
    band = (lines[-1], high) if is_well_above else (low, lines[0])
    return Scale((low, high), result.value, lines, band, _unit(result))


def _within(result: MarkerResult, limits: AppliedLimits) -> Scale | None:
    if limits.low is not None and limits.high is not None:
        room = (limits.high - limits.low) * _BESIDE
        ends = (max(limits.low - room, min(limits.low, Decimal(0))), limits.high + room)
    elif (limit := limits.low if limits.low is not None else limits.high) is not None:
        ends = (min(Decimal(0), limit * 2), max(Decimal(0), limit * 2))
    else:
        return None
    low, high = _reaching(ends, result.value)
    if low == high:
        return None
    lines = tuple(line for line in (limits.low, limits.high) if line is not None)
    band = (_or(limits.low, low), _or(limits.high, high))
    return Scale((low, high), result.value, lines, band, _unit(result))


def _or(limit: Decimal | None, end: Decimal) -> Decimal:
    return end if limit is None else limit


def _reaching(ends: tuple[Decimal, Decimal], value: Interval) -> tuple[Decimal, Decimal]:
    """The ends, moved outwards where the value lies beyond them."""
    known = [number for number in (value.low, value.high) if number is not None]
    low, high = min([ends[0], *known]), max([ends[1], *known])
    span = high - low
    return (
        low if low == ends[0] else high - span * _A_LITTLE_MORE,
        high if high == ends[1] else low + span * _A_LITTLE_MORE,
    )


def _unit(result: MarkerResult) -> str:
    return "" if result.unit == NO_UNIT else result.unit
