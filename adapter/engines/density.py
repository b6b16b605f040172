"""Bone density as the pathway uses it: the lowest T-score, where the T-score rule holds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from adapter.clinical.profile import Menopause, PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.engines.answers import Answer, all_of, negated
from adapter.engines.precision import as_reported
from adapter.knowledge.model import Knowledge


class Density(msgspec.Struct, frozen=True):
    """The lowest T-score of all valid sites, and whether it may be used.

    Attributes:
        lowest: At clinical precision; ``None`` where there is no T-score.
        applies: Whether the T-score rule holds (women after menopause, men from 50); open where menopause is unknown.
        results: The T-scores, lowest first.
    """

    lowest: Interval | None
    applies: Answer
    results: tuple[MarkerResult, ...] = ()

    def is_at_most(self, limit: Decimal) -> Answer:
        """Whether a usable T-score is at or below the limit; no without one."""
        return False if self.lowest is None else all_of((self.applies, self.lowest.is_at_most(limit)))

    def is_below(self, limit: Decimal) -> Answer:
        """Whether a usable T-score is below the limit; no without one."""
        return False if self.lowest is None else all_of((self.applies, self.lowest.is_below(limit)))

    def lies_between(self, low: Decimal, high: Decimal) -> Answer:
        """Whether a usable T-score lies between the two limits, both excluded."""
        return all_of((self.is_below(high), negated(self.is_at_most(low))))


def density_of(profile: PatientProfile, knowledge: Knowledge) -> Density:
    """The lowest T-score among the sites in the profile: "T used = lowest valid region"."""
    scores = sorted((r for r in profile.dxa if r.marker == "dxa-t-score"), key=_upper_end)
    lowest = _lowest([as_reported(score.value) for score in scores]) if scores else None
    return Density(lowest, _t_score_rule_applies(profile, knowledge), tuple(scores))


def _t_score_rule_applies(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    match profile.menopause:
        case Menopause.POST:
            return True
        case Menopause.PRE:
            return False
        case Menopause.UNKNOWN:
            return None
    return profile.age is not None and profile.age >= knowledge.number("t_score_age_men")


def _lowest(values: Sequence[Interval]) -> Interval:
    """What the lowest of several values may be."""
    tops = [(value.high, not value.high_open) for value in values if value.high is not None]
    high, high_closed = min(tops) if tops else (None, True)
    if any(value.low is None for value in values):
        return Interval(None, high, high_open=not high_closed)
    low, low_open = min((value.low, value.low_open) for value in values if value.low is not None)
    return Interval(low, high, low_open, not high_closed)


def _upper_end(result: MarkerResult) -> Decimal:
    return result.value.high if result.value.high is not None else Decimal("Infinity")
