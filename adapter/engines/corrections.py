"""Values that have to be worked out before they are read: calcium, vitamin D, body mass index."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from adapter.clinical.assessment import AppliedLimits, Score
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.engines.limits import Reading
from adapter.engines.spans import are_of_one_sample, is_of_an_earlier_sample
from adapter.engines.wording import index
from adapter.knowledge.model import Knowledge

_TWO_DECIMALS = Decimal("0.01")


class CalciumKind(StrEnum):
    """How a serum calcium is to be understood."""

    IONIZED = "ionized"
    REPORTED_CORRECTED = "reported-corrected"
    CORRECTED = "corrected"
    UNCORRECTED = "uncorrected"


class Calcium(msgspec.Struct, frozen=True):
    """One serum calcium as it may be read.

    Attributes:
        value: In mmol/L.
        results: The calcium, and the albumin where it was corrected here.
        limits: Those of the calcium result.
    """

    kind: CalciumKind
    value: Interval
    results: tuple[MarkerResult, ...]
    limits: AppliedLimits | None


def calcium_of(profile: PatientProfile, readings: Mapping[str, Reading], knowledge: Knowledge) -> Calcium | None:
    """The total calcium to be read: corrected by the laboratory, else corrected here, else uncorrected; never twice.

    A total calcium of a later sample is read instead of a corrected one: an old result hides no critical value.
    """
    reported, total = profile.results.get("calcium-corrected"), profile.results.get("calcium")
    if reported is not None and not _is_outdated_by(total, reported):
        limits = readings[reported.where].limits
        return Calcium(CalciumKind.REPORTED_CORRECTED, reported.value, (reported,), limits)
    if total is None:
        return None
    limits = readings[total.where].limits
    albumin = profile.results.get("albumin")
    corrected = _corrected(total, albumin, knowledge) if albumin else None
    if albumin is None or corrected is None:
        return Calcium(CalciumKind.UNCORRECTED, total.value, (total,), limits)
    return Calcium(CalciumKind.CORRECTED, Interval.exactly(corrected), (total, albumin), limits)


def ionized_calcium_of(profile: PatientProfile, readings: Mapping[str, Reading]) -> Calcium | None:
    """The measured ionized calcium, where it came with limits; it wins over total calcium, unless that is newer."""
    ionized = profile.results.get("calcium-ionized")
    if ionized and any(
        _is_outdated_by(profile.results.get(name), ionized) for name in ("calcium", "calcium-corrected")
    ):
        return None
    limits = readings[ionized.where].limits if ionized else None
    if ionized is None or limits is None:
        return None
    return Calcium(CalciumKind.IONIZED, ionized.value, (ionized,), limits)


def vitamin_d_of(profile: PatientProfile) -> tuple[Interval, tuple[MarkerResult, ...]] | None:
    """25-hydroxyvitamin D in nmol/L: the total, else D2 and D3 of one sample added, else D3 as the least it can be."""
    total = profile.results.get("vitamin-d")
    if total is not None:
        return total.value, (total,)
    d3, d2 = profile.results.get("vitamin-d3"), profile.results.get("vitamin-d2")
    if d3 is None:
        return None
    if d2 is not None and are_of_one_sample(d2.effective, d3.effective, hours=0):
        return _sum(d3.value, d2.value), (d3, d2)
    return Interval(d3.value.low, None, d3.value.low_open), (d3,)


def body_mass_index_of(profile: PatientProfile) -> tuple[Decimal, tuple[MarkerResult, ...]] | None:
    """BMI in kg/m²: from height and weight where both are recorded, else as reported."""
    height, weight = profile.results.get("height"), profile.results.get("weight")
    if height and weight and height.value.exact and weight.value.exact:
        return weight.value.exact / height.value.exact**2, (weight, height)
    reported = profile.results.get("bmi")
    if reported is None or reported.value.exact is None:
        return None
    return reported.value.exact, (reported,)


def calcium_scores(calcium: Calcium | None) -> list[Score]:
    """The calcium corrected here, with what it was corrected by."""
    if calcium is None or calcium.kind is not CalciumKind.CORRECTED or calcium.value.exact is None:
        return []
    total, albumin = calcium.results
    value = calcium.value.exact.quantize(_TWO_DECIMALS)
    return [index("corrected-calcium", value, "mmol/L", {"calcium": total, "albumin": albumin})]


def body_mass_index_scores(profile: PatientProfile) -> list[Score]:
    """The BMI worked out from height and weight; a reported one stands among the evidence."""
    found = body_mass_index_of(profile)
    if found is None or len(found[1]) != 2:
        return []
    value, (weight, height) = found[0].quantize(_TWO_DECIMALS), found[1]
    return [index("BMI", value, "kg/m2", {"weight": weight, "height": height})]


def _corrected(total: MarkerResult, albumin: MarkerResult, knowledge: Knowledge) -> Decimal | None:
    """Calcium + 0.02 x (40 - albumin), where both are numbers of one day and albumin is not too low for the formula."""
    calcium, protein = total.value.exact, albumin.value.exact
    if calcium is None or protein is None or protein < knowledge.number("albumin_min"):
        return None
    if not are_of_one_sample(total.effective, albumin.effective, int(knowledge.number("albumin_hours"))):
        return None
    return calcium + knowledge.number("ca_correction_factor") * (knowledge.number("ca_correction_albumin") - protein)


def _sum(one: Interval, other: Interval) -> Interval:
    """Both concentrations together; one that is only known to be below a bound adds nothing to the lower end."""
    low = (one.low or Decimal(0)) + (other.low or Decimal(0))
    high = None if one.high is None or other.high is None else one.high + other.high
    return Interval(low, high, one.low_open or other.low_open, one.high_open or other.high_open)


def _is_outdated_by(other: MarkerResult | None, result: MarkerResult) -> bool:
    return other is not None and is_of_an_earlier_sample(result.effective, other.effective)
