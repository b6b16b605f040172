"""Kidney function: which eGFR is used, and what it forbids."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

import msgspec

from adapter.clinical.assessment import Score
from adapter.clinical.patient import Sex
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.engines.answers import Answer, any_of
from adapter.engines.precision import as_reported, rounded
from adapter.engines.spans import is_of_an_earlier_sample
from adapter.engines.treatment import is_current
from adapter.engines.wording import index, shown
from adapter.knowledge.model import Knowledge

_ENGINE = "eGFR-CKD-EPI-2021"
# CKD-EPI 2021, by creatinine and by creatinine with cystatin C.
_CODES_2021 = frozenset({"98979-8", "98980-6"})
_SEVERE_DISEASE = ("ckd-4", "ckd-5", "dialysis", "kidney-transplant")


class Kidney(msgspec.Struct, frozen=True):
    """The eGFR in use, to one decimal, and the result it comes from.

    Attributes:
        egfr: ``None`` where neither eGFR nor a usable creatinine is recorded.
        computed: Whether it was computed here from creatinine.
        severe: Whether stage 4 or 5, dialysis or a transplant is recorded and still holds.
    """

    egfr: Interval | None = None
    result: MarkerResult | None = None
    computed: bool = False
    severe: Answer = False

    @property
    def text(self) -> str:
        """The eGFR as computed here, or as it came."""
        if self.egfr is None or self.result is None:
            return ""
        if not self.computed:
            return shown(self.result)
        if self.egfr.exact is not None:
            return f"{self.egfr.exact:f} mL/min/1.73 m²"
        sign, bound = ("<", self.egfr.high) if self.egfr.high is not None else (">", self.egfr.low)
        return f"{sign}{bound:f} mL/min/1.73 m²"

    def forbids_advice(self, knowledge: Knowledge) -> Answer:
        """Whether N6 holds: eGFR below the block, or severe disease on record."""
        return any_of((self.severe, self.is_below(knowledge.number("egfr_block"))))

    def is_below(self, limit: Decimal) -> Answer:
        """Whether the eGFR is below the limit; no without one."""
        return self.egfr is not None and self.egfr.is_below(limit)


def kidney_of(profile: PatientProfile, knowledge: Knowledge) -> Kidney:
    """The eGFR to be used.

    A reported CKD-EPI 2021 that is no older than the creatinine is taken as it is. Any other reported eGFR (2009, MDRD)
    gives way to one computed from a creatinine of its sample or a later one: kidneys that failed since are not hidden.
    """
    severe = any_of(is_current(factor, profile.as_of) for factor in profile.having(*_SEVERE_DISEASE))
    reported, creatinine = profile.results.get("egfr"), profile.results.get("creatinine")
    if reported and creatinine and _outweighs(reported, creatinine):
        creatinine = None
    computed = _computed(creatinine, profile, knowledge)
    if computed is not None:
        return Kidney(computed, creatinine, True, severe)
    return Kidney(as_reported(reported.value) if reported else None, reported, False, severe)


def ckd_epi_2021(creatinine: Decimal, age: int, sex: Sex) -> Decimal:
    """The eGFR in mL/min/1.73 m² from serum creatinine in mg/dL (Inker 2021), unrounded."""
    egfr = _by_creatinine(creatinine, sex) * _by_age(age)
    return egfr * Decimal("1.012") if sex is Sex.FEMALE else egfr


# To raise decimals to powers takes longer than the rest of an assessment, and a laboratory's values recur.
@lru_cache(maxsize=4096)
def _by_creatinine(creatinine: Decimal, sex: Sex) -> Decimal:
    kappa, alpha = (Decimal("0.7"), Decimal("-0.241")) if sex is Sex.FEMALE else (Decimal("0.9"), Decimal("-0.302"))
    ratio, one = creatinine / kappa, Decimal(1)
    return 142 * min(ratio, one) ** alpha * max(ratio, one) ** Decimal("-1.200")


@lru_cache(maxsize=256)
def _by_age(age: int) -> Decimal:
    return Decimal("0.9938") ** age


def kidney_scores(kidney: Kidney, profile: PatientProfile) -> list[Score]:
    """The eGFR where it was computed here; a reported one stands among the evidence."""
    if not kidney.computed or kidney.egfr is None or kidney.egfr.exact is None or kidney.result is None:
        return []
    age = {"age": str(profile.age)}
    return [index(_ENGINE, kidney.egfr.exact, "mL/min/{1.73_m2}", {"creatinine": kidney.result}, besides=age)]


def _computed(creatinine: MarkerResult | None, profile: PatientProfile, knowledge: Knowledge) -> Interval | None:
    """The eGFR to one decimal; of a bound the bound it means: creatinine above 500 umol/L is an eGFR below 10 or so."""
    sex, age = profile.patient.sex, profile.age
    if creatinine is None or age is None or age < knowledge.number("adult_age") or sex not in (Sex.FEMALE, Sex.MALE):
        return None
    factor, value = knowledge.unit_factors["creatinine"]["mg/dL"].factor, creatinine.value
    # The more creatinine, the less filtration: the ends change places.
    low, high = (rounded(ckd_epi_2021(end / factor, age, sex)) if end else None for end in (value.high, value.low))
    return None if low is None and high is None else Interval(low, high, value.high_open, value.low_open)


def _outweighs(reported: MarkerResult, creatinine: MarkerResult) -> bool:
    """Whether the reported eGFR counts: by the equation of 2021 unless it is older, by another one if it is newer."""
    if reported.code in _CODES_2021:
        return not _is_older(reported, creatinine)
    return is_of_an_earlier_sample(creatinine.effective, reported.effective)


def _is_older(one: MarkerResult, other: MarkerResult) -> bool:
    return bool(one.effective and other.effective and one.effective.is_before(other.effective))
