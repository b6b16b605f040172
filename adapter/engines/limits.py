"""Which limits a result is read against: the site's own, else those that came with it, else the literature's.

The three are never mixed in one marker: the first authority that has limits for this result is the only one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from adapter.clinical.assessment import AppliedLimits, Authority, interval_text
from adapter.clinical.patient import Sex
from adapter.clinical.profile import Menopause, PatientProfile
from adapter.clinical.results import Concept, MarkerResult, ReferenceRange, ReportedQuantity, ReportedRange
from adapter.clinical.values import Interval
from adapter.engines.answers import Answer
from adapter.knowledge.facts import Limit, Sureness
from adapter.knowledge.model import Knowledge

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
# Ranges without a type whose text says that they are not the normal one: to be acted on, aimed at, or of a medicine.
_NOT_NORMAL = re.compile("critical|panic|alert|therap|treat|target|toxic|危急|警戒|治疗|目标|中毒", re.IGNORECASE)
_YEARS = frozenset({"a", "years", "year", "yr"})


class Reading(msgspec.Struct, frozen=True, gc=False):
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


def readings_of(profile: PatientProfile, knowledge: Knowledge) -> Mapping[str, Reading]:
    """How every result in use reads against its limits, by where it came from."""
    current = (*profile.results.values(), *profile.dxa)
    return {result.where: read_against(result.value, limits_for(result, profile, knowledge)) for result in current}


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """What the limits of a result depend on: the same in every result of one assay and every patient of one kind."""

    marker: str
    unit: str
    assay: str
    ranges: tuple[ReferenceRange, ...]
    sex: Sex | None
    age: int | None
    menopause: Menopause


def limits_for(result: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> AppliedLimits | None:
    """The limits of the strongest authority that has any for this result and this patient."""
    limits = knowledge.remembered(_limits)(_asked(result, profile))
    if limits is None or limits.authority is not Authority.REPORT:
        return limits
    return msgspec.structs.replace(limits, source=f"referenceRange of {result.resource}")


def young_adult_limits(
    result: MarkerResult, profile: PatientProfile, knowledge: Knowledge
) -> tuple[Decimal, Decimal] | None:
    """The young-adult (premenopausal) interval in the mappings for this marker; a report's own range may be another."""
    known = _from_mappings(_asked(result, profile), knowledge)
    if known is None or known.low is None or known.high is None:
        return None
    return known.low, known.high


def threshold(marker: str, purpose: str, profile: PatientProfile, knowledge: Knowledge) -> AppliedLimits | None:
    """A named threshold of the decision table for this patient; the site's own before the literature's."""
    return knowledge.remembered(_threshold)((marker, purpose, profile.patient.sex, profile.age, profile.menopause))


def _threshold(asked: tuple[str, str, Sex | None, int | None, Menopause], knowledge: Knowledge) -> AppliedLimits | None:
    marker, purpose, sex, age, menopause = asked
    known = knowledge.limits_of(marker, purpose)
    return next((shown for limit, shown in known if not limit.assay and _is_for(limit, sex, age, menopause)), None)


def _asked(result: MarkerResult, profile: PatientProfile) -> _Asked:
    return _Asked(
        result.marker,
        result.unit,
        result.assay,
        result.reference_ranges,
        profile.patient.sex,
        profile.age,
        profile.menopause,
    )


def _limits(asked: _Asked, knowledge: Knowledge) -> AppliedLimits | None:
    known = _from_mappings(asked, knowledge)
    if known is not None and known.authority is Authority.SITE:
        return known
    return _reported(asked, knowledge) or known


def _from_mappings(asked: _Asked, knowledge: Knowledge) -> AppliedLimits | None:
    """The first reference limits, the site's own before the literature's, that are for this patient and this assay."""
    assay = asked.assay.lower()
    known = knowledge.limits_of(asked.marker, REFERENCE)
    fitting = (shown for limit, shown in known if limit.assay.lower() in assay and _is_for(limit, *_person(asked)))
    return next(fitting, None)


def _person(asked: _Asked) -> tuple[Sex | None, int | None, Menopause]:
    return asked.sex, asked.age, asked.menopause


def _is_for(limit: Limit, sex: Sex | None, age: int | None, menopause: Menopause) -> bool:
    if limit.sex and limit.sex != sex:
        return False
    if limit.menopause and _MENOPAUSE[limit.menopause] is not menopause:
        return False
    return _age_within(age, limit.age_low, limit.age_high)


def _age_within(age: int | None, low: Decimal | int | None, high: Decimal | int | None) -> bool:
    if low is None and high is None:
        return True
    return age is not None and (low is None or age >= low) and (high is None or age <= high)


def _reported(asked: _Asked, knowledge: Knowledge) -> AppliedLimits | None:
    """The result's own range; none where several that fit say different things."""
    fitting = [found for given in asked.ranges if (found := _reported_range(given, asked, knowledge))]
    narrow = [limits for limits, is_specific in fitting if is_specific] or [limits for limits, _ in fitting]
    different = {(limits.low, limits.high) for limits in narrow}
    return narrow[0] if len(different) == 1 else None


def _reported_range(given: ReferenceRange, asked: _Asked, knowledge: Knowledge) -> tuple[AppliedLimits, bool] | None:
    """One referenceRange as limits, and whether it names this patient's group; ``None`` where it cannot be used."""
    if not _is_normal(given.type) or _NOT_NORMAL.search(given.text) or not _is_about(given, asked):
        return None
    low, high = _amount(given.low, asked.marker, knowledge), _amount(given.high, asked.marker, knowledge)
    # "low or high or text" (obs-3); a range with an end we cannot read is not used at all.
    ends_lost = (low is None) != (given.low is None) or (high is None) != (given.high is None)
    if ends_lost or (low is None and high is None) or (low is not None and high is not None and low > high):
        return None
    limits = AppliedLimits(
        low=low,
        high=high,
        unit=asked.unit,
        authority=Authority.REPORT,
        source="referenceRange",
        sureness=Sureness.VERIFIED.value,
        text=interval_text(_value(given.low), _value(given.high), _unit(given.low) or _unit(given.high)),
    )
    return limits, bool(given.applies_to or given.age)


def _is_normal(meaning: Concept) -> bool:
    if not meaning.codings:
        return not meaning.text
    return any(coding.code == _NORMAL for coding in meaning.codings)


def _is_about(given: ReferenceRange, asked: _Asked) -> bool:
    """Whether the range says it is for a group this patient is known to belong to, or is for everybody."""
    for group in given.applies_to:
        sexes = {_SEXES[coding.code] for coding in group.codings if coding.code in _SEXES}
        if sexes != {asked.sex}:
            return False
    return given.age is None or _is_of_age(given.age, asked.age)


def _is_of_age(given: ReportedRange, age: int | None) -> bool:
    ends = [end for end in (given.low, given.high) if end is not None]
    if any(_unit(end) not in _YEARS or end.value is None for end in ends):
        return False
    return _age_within(age, _value(given.low), _value(given.high))


def _amount(given: ReportedQuantity | None, marker: str, knowledge: Knowledge) -> Decimal | None:
    if given is None or given.value is None or given.comparator:
        return None
    unit, said = _spelled(_unit(given), knowledge), _spelled(given.unit, knowledge)
    if said in knowledge.known_units and said != unit:
        return None
    factor = knowledge.unit_factors.get(marker, {}).get(unit)
    return None if factor is None else given.value * factor.factor


def _spelled(unit: str, knowledge: Knowledge) -> str:
    alias = knowledge.unit_aliases.get(unit)
    return alias.unit if alias else unit


def _unit(given: ReportedQuantity | None) -> str:
    if given is None:
        return ""
    return given.code if given.code and given.system.rstrip("/") == _UCUM else given.unit


def _value(given: ReportedQuantity | None) -> Decimal | None:
    return None if given is None else given.value
