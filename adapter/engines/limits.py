"""Which limits a result is read against: the site's own, else those that came with it, else the literature's.

The three are never mixed in one marker: the first authority that has limits for this result is the only one.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.clinical.assessment import AppliedLimits, Authority, interval_text
from adapter.clinical.patient import Sex
from adapter.clinical.profile import Menopause, PatientProfile
from adapter.clinical.results import Concept, MarkerResult, ReferenceRange, ReportedQuantity, ReportedRange
from adapter.clinical.values import Interval
from adapter.engines.answers import Answer
from adapter.knowledge.model import Knowledge, Limit, Sureness

REFERENCE = "reference"
_UCUM = "http://unitsofmeasure.org"
# hl7.org/fhir/R4/valueset-referencerange-meaning.html
_NORMAL = "normal"
# The ways in which FHIR servers say for whom a range is: administrative-gender, SNOMED CT and HL7 v3.
_SEXES = {
    "female": Sex.FEMALE, "248152002": Sex.FEMALE, "F": Sex.FEMALE,
    "male": Sex.MALE, "248153007": Sex.MALE, "M": Sex.MALE,
}  # fmt: skip
_MENOPAUSE = {"post": Menopause.POST, "pre": Menopause.PRE}
_YEARS = frozenset({"a", "years", "year", "yr"})


class Reading(msgspec.Struct, frozen=True):
    """A value read against limits; each answer is open where value or limits leave it open."""

    is_low: Answer = None
    is_high: Answer = None
    limits: AppliedLimits | None = None

    @property
    def letter(self) -> str:
        """``L``, ``H`` or ``N``; empty where that cannot be said."""
        if self.is_high:
            return "H"
        if self.is_low:
            return "L"
        return "N" if self.is_high is False and self.is_low is False else ""


def read_against(value: Interval, limits: AppliedLimits | None) -> Reading:
    """Read a value against limits; an authority that gives one limit calls everything on the other side normal."""
    if limits is None:
        return Reading()
    is_low = limits.low is not None and value.is_below(limits.low)
    is_high = limits.high is not None and value.exceeds(limits.high)
    return Reading(is_low, is_high, limits)


def limits_for(result: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> AppliedLimits | None:
    """The limits of the strongest authority that has any for this result and this patient."""
    known = _from_mappings(result, profile, knowledge)
    if known is not None and known.authority is Authority.SITE:
        return known
    return _reported(result, profile, knowledge) or known


def young_adult_limits(
    result: MarkerResult, profile: PatientProfile, knowledge: Knowledge
) -> tuple[Decimal, Decimal] | None:
    """The young-adult (premenopausal) interval in the mappings for this marker; a report's own range may be another."""
    known = _from_mappings(result, profile, knowledge)
    if known is None or known.low is None or known.high is None:
        return None
    return known.low, known.high


def threshold(marker: str, purpose: str, profile: PatientProfile, knowledge: Knowledge) -> AppliedLimits | None:
    """A named threshold of the decision table for this patient; the site's own before the literature's."""
    known = knowledge.limits_of(marker, purpose)
    return next((shown for limit, shown in known if not limit.assay and _is_for(limit, profile)), None)


def _from_mappings(result: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> AppliedLimits | None:
    """The first reference limits, the site's own before the literature's, that are for this patient and this assay."""
    assay = result.assay.lower()
    known = knowledge.limits_of(result.marker, REFERENCE)
    return next((shown for limit, shown in known if limit.assay.lower() in assay and _is_for(limit, profile)), None)


def _is_for(limit: Limit, profile: PatientProfile) -> bool:
    if limit.sex and limit.sex != profile.patient.sex:
        return False
    if limit.menopause and _MENOPAUSE[limit.menopause] is not profile.menopause:
        return False
    return _age_within(profile.age, limit.age_low, limit.age_high)


def _age_within(age: int | None, low: Decimal | int | None, high: Decimal | int | None) -> bool:
    if low is None and high is None:
        return True
    return age is not None and (low is None or age >= low) and (high is None or age <= high)


def _reported(result: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> AppliedLimits | None:
    """The result's own range; none where several that fit say different things."""
    fitting = [found for r in result.reference_ranges if (found := _reported_range(r, result, profile, knowledge))]
    narrow = [limits for limits, is_specific in fitting if is_specific] or [limits for limits, _ in fitting]
    different = {(limits.low, limits.high) for limits in narrow}
    return narrow[0] if len(different) == 1 else None


def _reported_range(
    given: ReferenceRange, result: MarkerResult, profile: PatientProfile, knowledge: Knowledge
) -> tuple[AppliedLimits, bool] | None:
    """One referenceRange as limits, and whether it names this patient's group; ``None`` where it cannot be used."""
    if not _is_normal(given.type) or not _is_about(given, profile):
        return None
    low, high = _amount(given.low, result, knowledge), _amount(given.high, result, knowledge)
    # "low or high or text" (obs-3); a range with an end we cannot read is not used at all.
    ends_lost = (low is None) != (given.low is None) or (high is None) != (given.high is None)
    if ends_lost or (low is None and high is None) or (low is not None and high is not None and low > high):
        return None
    limits = AppliedLimits(
        low=low,
        high=high,
        unit=result.unit,
        authority=Authority.REPORT,
        source=f"referenceRange of {result.resource}",
        sureness=Sureness.VERIFIED.value,
        text=interval_text(_value(given.low), _value(given.high), _unit(given.low) or _unit(given.high)),
    )
    return limits, bool(given.applies_to or given.age)


def _is_normal(meaning: Concept) -> bool:
    if not meaning.codings:
        return not meaning.text
    return any(coding.code == _NORMAL for coding in meaning.codings)


def _is_about(given: ReferenceRange, profile: PatientProfile) -> bool:
    """Whether the range says it is for a group this patient is known to belong to, or is for everybody."""
    for group in given.applies_to:
        sexes = {_SEXES[coding.code] for coding in group.codings if coding.code in _SEXES}
        if sexes != {profile.patient.sex}:
            return False
    return given.age is None or _is_of_age(given.age, profile.age)


def _is_of_age(given: ReportedRange, age: int | None) -> bool:
    ends = [end for end in (given.low, given.high) if end is not None]
    if any(_unit(end) not in _YEARS or end.value is None for end in ends):
        return False
    return _age_within(age, _value(given.low), _value(given.high))


def _amount(given: ReportedQuantity | None, result: MarkerResult, knowledge: Knowledge) -> Decimal | None:
    if given is None or given.value is None or given.comparator:
        return None
    unit = _unit(given)
    alias = knowledge.unit_aliases.get(unit)
    factor = knowledge.unit_factors.get(result.marker, {}).get(alias.unit if alias else unit)
    return None if factor is None else given.value * factor.factor


def _unit(given: ReportedQuantity | None) -> str:
    if given is None:
        return ""
    return given.code if given.code and given.system.rstrip("/") == _UCUM else given.unit


def _value(given: ReportedQuantity | None) -> Decimal | None:
    return None if given is None else given.value
