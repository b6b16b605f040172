"""Flags beside the stratum (U1 to X1), and values so critical that they must be seen whatever else is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter.clinical.assessment import Authority, Finding, Turnover
from adapter.clinical.profile import Menopause, PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.engines.answers import Answer, all_of, any_of, negated
from adapter.engines.case import Case
from adapter.engines.corrections import Calcium, CalciumKind, vitamin_d_of
from adapter.engines.limits import Reading, read_against, threshold
from adapter.engines.treatment import is_current
from adapter.engines.urine import UrineCalcium
from adapter.engines.wording import day, finding, shown

# What the value of a flag is called in its text.
_NAMES = {
    "U1": "urine_calcium",
    "U2": "ratio",
    "U3": "urine_calcium",
    "C1": "calcium",
    "C2": "calcium",
    "C3": "phosphate",
    "V1": "vitamin_d",
    "H1": "pth",
    "K1": "egfr",
    "critical-calcium": "calcium",
    "critical-phosphate": "phosphate",
}


def flags_of(case: Case, turnover: Turnover) -> list[Finding]:
    """The flags that hold, in the order of the decision table."""
    return [
        *_urine_flags(case),
        *_calcium_flags(case),
        *_phosphate_flag(case),
        *_vitamin_d_flag(case),
        *_hyperparathyroidism_flag(case),
        *_turnover_flags(case, turnover),
        *_kidney_flag(case),
    ]


def critical_values(case: Case) -> list[Finding]:
    """Calcium and phosphate that need action today; shown even where the pathway itself does not apply."""
    found, knowledge, calcium = [], case.knowledge, case.calcium
    if calcium is not None:
        low, high = knowledge.number("ca_critical_low"), knowledge.number("ca_critical_high")
        if calcium.value.is_below(low) or calcium.value.exceeds(high):
            limit = f"{low}–{high} mmol/L"
            found.append(_flag("critical-calcium", case, calcium.results, shown_calcium(calcium), limit))
    phosphate, low = case.profile.results.get("phosphate"), knowledge.number("phosphate_critical_low")
    if phosphate is not None and phosphate.value.is_below(low):
        found.append(_flag("critical-phosphate", case, [phosphate], shown(phosphate), f"{low} mmol/L"))
    return found


def shown_calcium(calcium: Calcium) -> str:
    """The calcium as it came, or as it was corrected."""
    if calcium.kind is CalciumKind.CORRECTED and calcium.value.exact is not None:
        return f"{calcium.value.exact:.2f} mmol/L"
    return shown(calcium.results[0])


def calcium_is_high(case: Case) -> Answer:
    """Whether calcium is above the laboratory's upper limit (2.60 where it gave none), or above the paper's 2.75."""
    return any_of(reading.is_high for reading in _readings_of_high_calcium(case))


def pth_is_suppressed(case: Case) -> Answer:
    """Whether parathyroid hormone lies below the middle of its range; open where it or its range is not known."""
    pth = _pth(case.profile)
    limits = case.readings[pth.where].limits if pth else None
    if pth is None or limits is None or limits.low is None or limits.high is None:
        return None
    return pth.value.is_below((limits.low + limits.high) / 2)


def _urine_flags(case: Case) -> Iterator[Finding]:
    """U1 to U3. A spot ratio asks for a 24-hour collection, so it counts only where none is at hand."""
    amount, spot = case.day_urine, case.spot_urine
    if amount is not None and amount.is_complete is not False:
        text = _shown_urine(amount, "mmol/24 h")
        for rule, purpose in (("U1", "hypercalciuria"), ("U3", "low-urine-calcium")):
            limits = threshold("urine-calcium-24h", purpose, case.profile, case.knowledge)
            yield from _if_outside(rule, case, amount.results, text, read_against(amount.value, limits))
    elif spot is not None:
        limits = threshold("urine-calcium-creatinine", "confirm-24h", case.profile, case.knowledge)
        text = _shown_urine(spot, "mmol/mmol")
        yield from _if_outside("U2", case, spot.results, text, read_against(spot.value, limits))


def _calcium_flags(case: Case) -> Iterator[Finding]:
    """C1 and C2, by ionized calcium where it can be read, else by total calcium."""
    calcium = case.ionized or case.calcium
    if calcium is None or calcium.limits is None:
        return
    if read_against(calcium.value, calcium.limits).is_low:
        # "no albumin → uncorrected low?": said as a question, never as hypocalcaemia.
        kind = ".uncorrected" if calcium.kind is CalciumKind.UNCORRECTED else ""
        yield _flag("C1", case, calcium.results, shown_calcium(calcium), calcium.limits.text, kind=kind)
    high = next((r.limits for r in _readings_of_high_calcium(case) if r.limits and r.is_high), None)
    if high is not None and pth_is_suppressed(case) is not True:
        pth = _pth(case.profile)
        yield _flag("C2", case, [*calcium.results, *([pth] if pth else [])], shown_calcium(calcium), high.text)


def _readings_of_high_calcium(case: Case) -> Iterator[Reading]:
    """Calcium against each upper limit that counts: the laboratory's own, else 2.60; and the paper's 2.75."""
    calcium = case.ionized or case.calcium
    if calcium is None:
        return
    limits = calcium.limits
    if calcium.kind is not CalciumKind.IONIZED:
        yield read_against(calcium.value, threshold("calcium", "reference", case.profile, case.knowledge))
        if limits is None or limits.authority is Authority.FALLBACK:
            limits = threshold("calcium", "possible-phpt", case.profile, case.knowledge)
    yield read_against(calcium.value, limits)


def _phosphate_flag(case: Case) -> Iterator[Finding]:
    phosphate = case.profile.results.get("phosphate")
    if phosphate is not None:
        yield from _if_outside("C3", case, [phosphate], shown(phosphate), case.readings[phosphate.where])


def _vitamin_d_flag(case: Case) -> Iterator[Finding]:
    found = vitamin_d_of(case.profile)
    if found is not None:
        value, results = found
        reading = read_against(value, threshold("vitamin-d", "deficient", case.profile, case.knowledge))
        if reading.limits is not None and reading.is_low:
            # Vitamin D raises calcium further: what made it high comes first.
            kind = ".high-calcium" if calcium_is_high(case) else ""
            text = " + ".join(shown(result) for result in results)
            yield _flag("V1", case, results, text, reading.limits.text, kind=kind)


def _hyperparathyroidism_flag(case: Case) -> Iterator[Finding]:
    pth = _pth(case.profile)
    reading = case.readings[pth.where] if pth else None
    if pth is not None and reading is not None and reading.limits is not None and reading.is_high:
        yield _flag("H1", case, [pth], shown(pth), reading.limits.text)


def _turnover_flags(case: Case, turnover: Turnover) -> Iterator[Finding]:
    """E1 and L1: the causes of high and low turnover that the record itself shows."""
    profile, knowledge = case.profile, case.knowledge
    if turnover is Turnover.HIGH and profile.menopause is Menopause.POST:
        yield finding("E1", "flag.E1", knowledge)
    if turnover is Turnover.LOW:
        taken = [f for f in profile.having("glucocorticoid") if is_current(f, profile.as_of)]
        is_old = profile.age is not None and profile.age >= knowledge.number("old_age")
        if taken or is_old:
            kind = "" if not taken else ".both" if is_old else ".glucocorticoid"
            values = {"age": str(profile.age)} if is_old else {}
            yield finding("L1", f"flag.L1{kind}", knowledge, values, taken)


def _kidney_flag(case: Case) -> Iterator[Finding]:
    """K1: eGFR at or above the block and below the limit for bisphosphonates."""
    kidney, knowledge = case.kidney, case.knowledge
    block, caution = knowledge.number("egfr_block"), knowledge.number("egfr_bisphosphonate")
    if kidney.egfr is None or kidney.result is None:
        return
    if all_of((negated(kidney.is_below(block)), kidney.is_below(caution))):
        yield _flag("K1", case, [kidney.result], kidney.text, f"{block}–{caution} mL/min/1.73 m²")


def _pth(profile: PatientProfile) -> MarkerResult | None:
    """Intact PTH, else the third-generation assay, which has no limits but those that came with it."""
    return profile.results.get("pth") or profile.results.get("pth-1-84")


def _shown_urine(urine: UrineCalcium, unit: str) -> str:
    """As it came, or as it was worked out from two results."""
    if len(urine.results) == 2 and urine.value.exact is not None:
        return f"{urine.value.exact:.2f} {unit}"
    return shown(urine.results[0])


def _if_outside(
    rule: str, case: Case, results: Sequence[MarkerResult], text: str, reading: Reading
) -> Iterator[Finding]:
    """The flag, if the value is certainly too low or too high."""
    if reading.limits is not None and (reading.is_low or reading.is_high):
        yield _flag(rule, case, results, text, reading.limits.text)


def _flag(rule: str, case: Case, results: Sequence[MarkerResult], value: str, limit: str, *, kind: str = "") -> Finding:
    """One flag with the value that raised it, under the name that its text knows, the limit and the day."""
    values = {_NAMES[rule]: value, "limit": limit, "date": day(results[0].effective)}
    return finding(rule, f"flag.{rule}{kind}", case.knowledge, values, results)
