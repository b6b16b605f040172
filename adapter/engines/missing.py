"""What would be needed and is not recorded: unknown, never "no"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapter.clinical.assessment import Stratum, Turnover
from adapter.clinical.patient import Sex
from adapter.clinical.profile import Menopause
from adapter.clinical.results import RiskFactor
from adapter.engines.case import Case
from adapter.engines.corrections import CalciumKind
from adapter.engines.fractures import fractures
from adapter.engines.frax import Frax
from adapter.engines.monitoring import Course
from adapter.engines.turnover import Markers

# Risk factors that the pathway asks of every record, and what to say where it does not answer.
_QUESTIONS: Mapping[str, str] = {
    "fracture": "missing.fractures",
    "falls": "missing.falls",
    "glucocorticoid": "missing.glucocorticoid",
    "parent-hip-fracture": "missing.parent-hip-fracture",
    "smoking-current": "missing.smoking",
    "alcohol": "missing.alcohol",
    "rheumatoid-arthritis": "missing.rheumatoid-arthritis",
}
# Plans that ask for secondary causes, or for calcium and vitamin D to be put right first.
_CORRECT_FIRST = frozenset({"P2", "P3", "P8", "P9", "P10", "P11"})
_UNREAD = (Turnover.UNUSABLE, Turnover.UNDETERMINED)


def missing_of(case: Case, stratum: Stratum, turnover: Turnover, plan: str | None, markers: Markers) -> tuple[str, ...]:
    """Text keys of what is missing, each once, what matters most first."""
    if stratum is Stratum.NOT_APPLICABLE:
        return tuple(_about_the_person(case))
    keys = (
        *_about_the_person(case),
        *_about_risk(case),
        *_about_fractures(case),
        *_about_turnover(case, turnover, markers),
        *_about_minerals(case, plan),
        *_unanswered(case),
    )
    return tuple(dict.fromkeys(keys))


def missing_for_monitoring(course: Course) -> tuple[str, ...]:
    """What keeps the response to treatment from being told."""
    return () if course.changes else ("missing.earlier-markers", "missing.assay")


def _about_the_person(case: Case) -> Iterator[str]:
    profile = case.profile
    if profile.age is None:
        yield "missing.birth-date"
    if profile.patient.sex not in (Sex.FEMALE, Sex.MALE):
        yield "missing.sex"
    if profile.menopause is Menopause.UNKNOWN:
        yield "missing.menopause"


def _about_risk(case: Case) -> Iterator[str]:
    """FRAX is asked for where it applies: within its ages, and before treatment."""
    is_adult_enough = case.profile.age is not None and case.profile.age >= case.knowledge.number("frax_age_low")
    if is_adult_enough and not case.treated and not case.frax.is_complete:
        yield _half_without(case.frax)
    has_low_density = case.density.is_below(case.knowledge.number("t_low")) is not False
    if case.frax.is_complete and case.frax.with_bmd is not True and has_low_density:
        yield "missing.frax-with-bmd"
    if case.density.lowest is None and case.density.applies is not False:
        yield "missing.dxa"
    if not any(result.marker == "dxa-z-score" for result in case.profile.dxa) and not is_adult_enough:
        yield "missing.z-score"
    if case.kidney.egfr is None:
        yield "missing.egfr"
    if case.treated is None:
        yield "missing.treatment-end"


def _half_without(frax: Frax) -> str:
    """What to ask for of a FRAX that is not complete: the half that did not come, or all of it."""
    if frax.mof is not None:
        return "missing.frax-hip"
    return "missing.frax-mof" if frax.hip is not None else "missing.frax"


def _about_fractures(case: Case) -> Iterator[str]:
    """What is open about fractures and glucocorticoids that are recorded."""
    recorded = fractures(case.profile)
    if any(fracture.fragility is None for fracture in recorded):
        yield "missing.fracture-fragility"
    if any(fracture.since is None for fracture in recorded):
        yield "missing.fracture-date"
    if any(not fracture.site for fracture in recorded):
        yield "missing.fracture-site"
    if any(_dose_or_start_is_open(taken) for taken in case.profile.having("glucocorticoid")):
        yield "missing.glucocorticoid-dose"


def _about_turnover(case: Case, turnover: Turnover, markers: Markers) -> Iterator[str]:
    if turnover is Turnover.NOT_AVAILABLE or (turnover in _UNREAD and len(markers.used) < 2):
        yield "missing.turnover-markers"
    if "fasting-unknown" in markers.doubts:
        yield "missing.fasting"
    reads = ((markers.resorption, markers.resorption_reads), (markers.formation, markers.formation_reads))
    if any(result is not None and reading.limits is None for result, reading in reads):
        yield "missing.limits"


def _about_minerals(case: Case, plan: str | None) -> Iterator[str]:
    calcium = case.ionized or case.calcium
    if calcium is not None and calcium.kind is CalciumKind.UNCORRECTED:
        yield "missing.albumin"
    if case.spot_urine is not None and case.day_urine is None:
        yield "missing.24h-urine"
    if plan not in _CORRECT_FIRST:
        return
    if calcium is None:
        yield "missing.calcium"
    if "vitamin-d" not in case.profile.results:
        yield "missing.vitamin-d"
    if "pth" not in case.profile.results:
        yield "missing.pth"


def _unanswered(case: Case) -> Iterator[str]:
    answered = {factor.kind for factor in case.profile.factors}
    yield from (key for kind, key in _QUESTIONS.items() if kind not in answered)


def _dose_or_start_is_open(taken: RiskFactor) -> bool:
    return taken.amount is None or taken.since is None
