"""Calcium in urine: the amount of a day, and its ratio to creatinine."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.clinical.assessment import Score
from adapter.clinical.patient import Sex
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.engines.answers import Answer
from adapter.engines.spans import are_of_one_sample
from adapter.engines.wording import index
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode, Severity

_THREE_DECIMALS = Decimal("0.001")
_TWO_DECIMALS = Decimal("0.01")


class UrineCalcium(msgspec.Struct, frozen=True):
    """An amount or a ratio, and the results it comes from; two of them where it was worked out here.

    Attributes:
        value: mmol/24 h for an amount, mmol/mmol for a ratio.
        is_complete: For an amount: whether the collection was complete; open where nothing shows it.
    """

    value: Interval
    results: tuple[MarkerResult, ...]
    is_complete: Answer = None


def day_amount_of(profile: PatientProfile, knowledge: Knowledge) -> UrineCalcium | None:
    """Calcium of 24 hours: as reported, or concentration times volume of the same collection."""
    reported = profile.results.get("urine-calcium-24h")
    if reported is not None:
        return UrineCalcium(reported.value, (reported,), _is_complete(reported, profile, knowledge))
    concentration = profile.results.get("urine-calcium-24h-concentration")
    volume = profile.results.get("urine-volume-24h")
    if concentration is None or volume is None or volume.value.exact is None:
        return None
    if not are_of_one_sample(concentration.effective, volume.effective):
        return None
    amount = concentration.value.scaled(volume.value.exact)
    return UrineCalcium(amount, (concentration, volume), _is_complete(concentration, profile, knowledge))


def spot_ratio_of(profile: PatientProfile) -> UrineCalcium | None:
    """Calcium to creatinine of a spot sample: as reported, or worked out from the two of the same sample."""
    reported = profile.results.get("urine-calcium-creatinine")
    if reported is not None:
        return UrineCalcium(reported.value, (reported,))
    calcium, creatinine = profile.results.get("urine-calcium"), profile.results.get("urine-creatinine")
    if calcium is None or creatinine is None or not creatinine.value.exact:
        return None
    if not are_of_one_sample(calcium.effective, creatinine.effective, hours=0):
        return None
    return UrineCalcium(calcium.value.scaled(1 / creatinine.value.exact), (calcium, creatinine))


def incomplete(amount: UrineCalcium | None) -> tuple[Problem, ...]:
    """Why a 24-hour amount is not read, where its collection was not complete."""
    if amount is None or amount.is_complete is not False:
        return ()
    what = "the 24-hour collection was not complete by its duration or its creatinine"
    return tuple(
        Problem(ProblemCode.COLLECTION_INCOMPLETE, r.where, what, resource=r.resource, severity=Severity.WARNING)
        for r in amount.results
    )


def urine_scores(amount: UrineCalcium | None, ratio: UrineCalcium | None) -> list[Score]:
    """Amount and ratio where they were worked out here."""
    found = [
        _score("urine-calcium-24h", "mmol/(24.h)", amount, _TWO_DECIMALS),
        _score("urine-calcium-creatinine", "mmol/mmol", ratio, _THREE_DECIMALS),
    ]
    return [score for score in found if score is not None]


def _is_complete(urine: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """No if duration or creatinine of this collection contradicts it, yes if one of them shows it, else open."""
    said = [_duration_fits(urine, profile, knowledge), _creatinine_fits(urine, profile, knowledge)]
    if False in said:
        return False
    return True if True in said else None


def _duration_fits(urine: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> Answer:
    duration = profile.results.get("urine-collection-duration")
    if duration is None or duration.value.exact is None or not are_of_one_sample(urine.effective, duration.effective):
        return None
    low, high = knowledge.number("collection_hours_low"), knowledge.number("collection_hours_high")
    return low <= duration.value.exact <= high


def _creatinine_fits(urine: MarkerResult, profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """Whether the creatinine is about what a body of this weight and sex excretes in a day, or else any adult."""
    creatinine = profile.results.get("urine-creatinine-24h")
    amount = creatinine.value.exact if creatinine else None
    if creatinine is None or amount is None or not are_of_one_sample(urine.effective, creatinine.effective):
        return None
    milligrams = amount * knowledge.number("creatinine_mg_per_mmol")
    weight = profile.results.get("weight")
    mass = weight.value.exact if weight else None
    sex = profile.patient.sex
    if not mass or sex not in (Sex.FEMALE, Sex.MALE):
        grams = milligrams / 1000
        return knowledge.number("urine_creatinine_24h_low") <= grams <= knowledge.number("urine_creatinine_24h_high")
    per_kg = milligrams / mass
    tolerance = knowledge.number("creatinine_tolerance")
    low = knowledge.number(f"creatinine_mg_per_kg_{sex}_low") * (1 - tolerance)
    high = knowledge.number(f"creatinine_mg_per_kg_{sex}_high") * (1 + tolerance)
    return low <= per_kg <= high


def _score(engine: str, unit: str, urine: UrineCalcium | None, decimals: Decimal) -> Score | None:
    if urine is None or len(urine.results) != 2 or urine.value.exact is None:
        return None
    return index(engine, urine.value.exact.quantize(decimals), unit, {each.marker: each for each in urine.results})
