"""FRAX as it came: read, checked against itself, never computed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from adapter.clinical.assessment import Score
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.engines.answers import Answer, all_of, any_of
from adapter.engines.precision import as_reported
from adapter.engines.spans import days_apart
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode

_HUNDRED = Decimal(100)
_OUTCOMES: Mapping[str, str] = {"frax-mof": "major-osteoporotic-fracture", "frax-hip": "hip-fracture"}


class Frax(msgspec.Struct, frozen=True):
    """The two ten-year probabilities in percent, at clinical precision.

    Attributes:
        mof, hip: ``None`` where that half did not come.
        with_bmd: Yes only where both halves are known to include bone density.
        results: The results in use.
    """

    mof: Interval | None = None
    hip: Interval | None = None
    with_bmd: Answer = None
    results: tuple[MarkerResult, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether both halves came."""
        return self.mof is not None and self.hip is not None

    def exceeds(self, mof: Decimal, hip: Decimal) -> Answer:
        """Whether one half is above its threshold."""
        return any_of((self.mof is not None and self.mof.exceeds(mof), self.hip is not None and self.hip.exceeds(hip)))

    def reaches(self, mof: Decimal, hip: Decimal) -> Answer:
        """Whether one half is at or above its threshold."""
        return any_of((self.mof_reaches(mof), self.hip is not None and self.hip.reaches(hip)))

    def mof_reaches(self, mof: Decimal) -> Answer:
        """Whether the probability of a major osteoporotic fracture is at or above the threshold."""
        return self.mof is not None and self.mof.reaches(mof)

    def is_below(self, mof: Decimal, hip: Decimal) -> Answer:
        """Whether both halves came and both are below their thresholds."""
        if self.mof is None or self.hip is None:
            return False
        return all_of((self.mof.is_below(mof), self.hip.is_below(hip)))


def frax_of(profile: PatientProfile) -> Frax:
    """FRAX as recorded in the profile."""
    mof, hip = profile.results.get("frax-mof"), profile.results.get("frax-hip")
    results = tuple(result for result in (mof, hip) if result is not None)
    return Frax(
        mof=as_reported(mof.value) if mof else None,
        hip=as_reported(hip.value) if hip else None,
        with_bmd=all_of(_with_bmd(result, profile) for result in results) if results else None,
        results=results,
    )


def contradictions_in(frax: Frax, knowledge: Knowledge) -> tuple[Problem, ...]:
    """Why the two halves cannot both be right (N10), said of each; none where nothing speaks against them."""
    days = knowledge.number("frax_dates_days")
    what = _contradiction(frax, days)
    return tuple(
        Problem(
            ProblemCode.SCORES_CONTRADICT, result.where, what, resource=result.resource, values={"number": str(days)}
        )
        for result in (frax.results if what else ())
    )


def _contradiction(frax: Frax, days: Decimal) -> str:
    if any(value is not None and _is_no_percentage(value) for value in (frax.mof, frax.hip)):
        return "a FRAX probability lies outside 0 to 100 %"
    if frax.mof is None or frax.hip is None:
        return ""
    if frax.hip.low is not None and frax.mof.high is not None and frax.hip.low > frax.mof.high:
        return "the FRAX probability of a hip fracture exceeds that of any major osteoporotic fracture"
    times = [result.effective for result in frax.results if result.effective is not None]
    if len(times) == 2 and days_apart(*times) > days:
        return "the two FRAX probabilities are more than {number} days apart"
    return ""


def frax_scores(frax: Frax) -> list[Score]:
    """The probabilities as they came, to be shown with their source; a probability that is only a bound has none."""
    return [
        Score(
            engine="FRAX-external",
            outcome=_OUTCOMES[result.marker],
            value=result.value.exact,
            text=result.digits,
            unit="%",
            horizon_years=10,
            informs=False,
            caveats=("caveat.frax-bmd-unknown",) if frax.with_bmd is None else (),
            rests_on=(result.resource,),
            inputs=_inputs(result, frax.with_bmd),
        )
        for result in frax.results
        if result.value.exact is not None
    ]


def _inputs(result: MarkerResult, with_bmd: Answer) -> Mapping[str, str]:
    said = {True: "yes", False: "no", None: "unknown"}[with_bmd]
    return {"BMD": said, "country": result.country or "unknown"}


def _with_bmd(result: MarkerResult, profile: PatientProfile) -> Answer:
    """What the result says of itself, else whether it is derived from a bone density in the record."""
    if result.with_bmd is not None:
        return result.with_bmd
    measured = {density.resource for density in profile.dxa}
    return True if measured.intersection(result.related) else None


def _is_no_percentage(value: Interval) -> bool:
    return value.is_below(Decimal(0)) is True or value.exceeds(_HUNDRED) is True
