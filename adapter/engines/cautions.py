"""What makes the answer doubtful though it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter.clinical.assessment import Finding, Turnover
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.engines.case import Case
from adapter.engines.corrections import body_mass_index_of, vitamin_d_of
from adapter.engines.flags import calcium_is_high, pth_is_suppressed
from adapter.engines.limits import read_against, threshold
from adapter.engines.treatment import is_current
from adapter.engines.turnover import TOTAL_OR_INTACT, Markers, says_kind
from adapter.engines.wording import finding
from adapter.knowledge.model import Knowledge
from adapter.problems import ProblemCode

_NOT_READ = (Turnover.NOT_AVAILABLE, Turnover.UNUSABLE)
_PROBLEM_CODES = frozenset(code.value for code in ProblemCode)


def cautions_of(case: Case, turnover: Turnover, markers: Markers, open_gates: Sequence[str]) -> Iterator[Finding]:
    """One sentence per reason for doubt, about the person first, then the markers, the minerals and single results."""
    if open_gates:
        yield finding("gate-open", "caution.gate-open", case.knowledge, {"gates": ", ".join(open_gates)})
    words = (
        *_about_the_record(case.profile),
        *_about_the_person(case),
        *_about_turnover(case, turnover, markers),
        *_about_minerals(case),
    )
    yield from (caution(word, case.knowledge) for word in words)
    yield from _about_results(case)


def caution(word: str, knowledge: Knowledge, *results: MarkerResult) -> Finding:
    """One caution by its word, and the results it is about."""
    return finding(word, f"caution.{word}", knowledge, rests_on=results)


def _about_the_record(profile: PatientProfile) -> Iterator[str]:
    """Whether the person lived at that moment, and whether the record is in use."""
    died_at = profile.patient.deceased_at
    if profile.patient.deceased and (died_at is None or not died_at.is_after(profile.as_of)):
        yield "patient-deceased"
    if profile.patient.active is False:
        yield "patient-inactive"


def _about_the_person(case: Case) -> Iterator[str]:
    profile, knowledge = case.profile, case.knowledge
    if profile.menopause_assumed:
        yield "menopause-assumed"
    if profile.age is not None and profile.age > knowledge.number("frax_age_high") and case.frax.results:
        yield "age-beyond-frax"
    if profile.having("osteoporosis") and case.osteoporosis is not True:
        yield "osteoporosis-recorded"
    z_low = knowledge.number("z_low")
    z_scores = [result for result in profile.dxa if result.marker == "dxa-z-score"]
    if case.density.applies is False and any(score.value.is_at_most(z_low) for score in z_scores):
        yield "low-z-score"
    if _body_mass_indices_differ(case):
        yield "bmi-differs"
    if any(medicine.kind == "denosumab" and not is_current(medicine, profile.as_of) for medicine in case.medicines):
        yield "injection-stopped"


def _about_turnover(case: Case, turnover: Turnover, markers: Markers) -> Iterator[str]:
    if turnover in _NOT_READ:
        return
    if turnover is Turnover.MONITORING:
        yield from (word for word in markers.doubts if word == "fasting-unknown")
        return
    yield from markers.doubts
    if len(markers.used) == 1:
        yield "one-marker-only"
    limits = threshold("p1np", "look-for-cause", case.profile, case.knowledge)
    if any(result.marker == "p1np" and read_against(result.value, limits).is_high for result in markers.used):
        yield "look-for-cause"


def _about_minerals(case: Case) -> Iterator[str]:
    if calcium_is_high(case) and pth_is_suppressed(case):
        yield "high-calcium-low-pth"
    ionized = case.profile.results.get("calcium-ionized")
    if ionized is not None and case.readings[ionized.where].limits is None:
        yield "ionized-without-limits"
    vitamin_d = vitamin_d_of(case.profile)
    deficient = threshold("vitamin-d", "deficient", case.profile, case.knowledge)
    if vitamin_d is not None and read_against(vitamin_d[0], deficient).is_low is None:
        yield "vitamin-d-open"
    if case.day_urine is not None and case.day_urine.is_complete is None:
        yield "collection-unproven"
    urine = case.day_urine or case.spot_urine
    if urine and any(is_current(taken, case.profile.as_of) for taken in case.profile.having("thiazide")):
        yield "thiazide"


def _about_results(case: Case) -> Iterator[Finding]:
    """What recognition said about single results; its problem codes are reported where they arose."""
    about: dict[str, list[MarkerResult]] = {}
    for result in (*case.profile.results.values(), *case.profile.dxa):
        for word in result.cautions:
            if word not in _PROBLEM_CODES and not (word == TOTAL_OR_INTACT and says_kind(result)):
                about.setdefault(word, []).append(result)
    yield from (caution(word, case.knowledge, *results) for word, results in about.items())


def _body_mass_indices_differ(case: Case) -> bool:
    reported, computed = case.profile.results.get("bmi"), body_mass_index_of(case.profile)
    if reported is None or reported.value.exact is None or computed is None:
        return False
    return abs(reported.value.exact - computed[0]) > case.knowledge.number("bmi_difference")
