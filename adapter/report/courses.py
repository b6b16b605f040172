"""How one marker went over time: its usable results, with the limits it is read against today."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from adapter.clinical.assessment import AppliedLimits, Assessment
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import ClinicalTime
from adapter.engines.treatment import CHANGING_TURNOVER

_FEWEST = 2
# Room above and below the results, as a share of what lies between them.
_BESIDE = Decimal("0.1")


class Course(msgspec.Struct, frozen=True):
    """One marker, at one site, over time.

    Attributes:
        results: Oldest first, at least two, each with its day.
        limits: Those of the newest result; ``None`` where it is read against none.
        begins: Days on which a medicine was begun that changes the markers, within the time shown.
    """

    results: tuple[tuple[date, MarkerResult], ...]
    limits: AppliedLimits | None
    begins: tuple[tuple[date, str], ...]

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day."""
        return self.results[0][0], self.results[-1][0]

    @property
    def ends(self) -> tuple[Decimal, Decimal]:
        """The least and the greatest number to be shown: of results and limits."""
        shown = [number for _, each in self.results for number in (each.value.low, each.value.high)]
        shown += [self.limits.low, self.limits.high] if self.limits else []
        known = [number for number in shown if number is not None]
        low, high = min(known), max(known)
        room = (high - low) * _BESIDE or abs(high) * _BESIDE or Decimal(1)
        # A fall by half is to look like one; where all numbers lie close together it would hide the change.
        is_halved = 0 <= low * 2 < high
        return Decimal(0) if is_halved else low - room, high + room


def courses_of(assessment: Assessment, history: Mapping[str, tuple[MarkerResult, ...]]) -> Iterator[Course]:
    """The course of each marker that is in use and has more than one day's results."""
    for result, limits in _newest_in_use(assessment):
        region = result.site, result.side
        dated = [(_day(each), each) for each in history[result.marker] if (each.site, each.side) == region]
        known = tuple((day, each) for day, each in dated if day is not None)
        if len({day for day, _ in known}) >= _FEWEST:
            yield Course(known, limits, tuple(_begins(assessment, known[0][0], known[-1][0])))


def _newest_in_use(assessment: Assessment) -> Iterable[tuple[MarkerResult, AppliedLimits | None]]:
    """Per marker and region the newest result in use; an older one may be in use too, as a baseline."""
    newest: dict[tuple[str, str, str], tuple[MarkerResult, AppliedLimits | None]] = {}
    for evidence in assessment.evidence:
        result = evidence.result
        if isinstance(result, MarkerResult):
            newest.setdefault((result.marker, result.site, result.side), (result, evidence.limits))
    return newest.values()


def _begins(assessment: Assessment, first: date, last: date) -> Iterator[tuple[date, str]]:
    for evidence in assessment.evidence:
        match evidence.result:
            case RiskFactor(kind=kind, since=ClinicalTime() as since) if kind in CHANGING_TURNOVER:
                if first <= since.day <= last:
                    yield since.day, kind


def _day(result: MarkerResult) -> date | None:
    time = result.effective or result.issued_at
    return None if time is None else time.day
