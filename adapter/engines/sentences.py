"""What the assessment says, sentence by sentence: the gates, why this stratum, what the markers say, the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from adapter.clinical.assessment import Finding, Stratum, Turnover
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.engines.case import Case
from adapter.engines.fractures import very_high_triggers
from adapter.engines.monitoring import Course, Response
from adapter.engines.stratum import Placing
from adapter.engines.treatment import ANABOLIC
from adapter.engines.turnover import Markers, fracture_blocks
from adapter.engines.wording import dated, day, finding

# Short names that are the same in every language.
_NAMES: Mapping[str, str] = {
    "frax-mof": "FRAX MOF",
    "frax-hip": "FRAX hip",
    "dxa-t-score": "T",
    "p1np": "P1NP",
    "ctx": "β-CTX",
    "ntx": "NTX",
    "urine-ntx-creatinine": "NTX/Cr",
    "bone-alp": "BALP",
}


def gate_sentences(case: Case, fired: tuple[str, ...]) -> Iterator[Finding]:
    """One sentence per gate."""
    for gate in fired:
        values = {"egfr": case.kidney.text} if gate == "N6" and case.kidney.text else {}
        yield finding(gate, f"gate.{gate}", case.knowledge, values, _grounds_of(gate, case))


def stratum_sentences(case: Case, placing: Placing) -> Iterator[Finding]:
    """Why this stratum, and which more severe rows could not be excluded."""
    decisive: list[MarkerResult | RiskFactor] = [
        *case.frax.results,
        *case.density.results[:1],
        *case.profile.having("fracture"),
    ]
    values = {"inputs": "; ".join(_told(item) for item in decisive)}
    if placing.rule == "B1":
        triggers = very_high_triggers(case.profile, case.density, case.knowledge)
        values["triggers"] = ", ".join(name for name, holds in triggers.items() if holds)
    yield finding(placing.rule, f"rule.{placing.rule}", case.knowledge, values, decisive)
    if placing.undetermined:
        rows = {"rules": ", ".join(placing.undetermined)}
        yield finding("more-severe-row-open", "caution.more-severe-row-open", case.knowledge, rows)


def turnover_sentence(case: Case, turnover: Turnover, markers: Markers) -> Finding:
    """What the markers say, with the values and limits that say so."""
    reads = ((markers.resorption, markers.resorption_reads), (markers.formation, markers.formation_reads))
    values = {
        "markers": "; ".join(
            _told(result) if reading.limits is None else f"{_told(result)} [{reading.limits.text}]"
            for result, reading in reads
            if result is not None
        )
    }
    key = f"finding.turnover.{turnover}{_why_unusable(case) if turnover is Turnover.UNUSABLE else ''}"
    return finding(f"T-{turnover}", key, case.knowledge, values, markers.used)


def _why_unusable(case: Case) -> str:
    """Which sentence says why no marker is read: kidneys, a fracture, or, in general, that none can be."""
    if case.kidney.forbids_advice(case.knowledge):
        return ".kidney"
    return ".fracture" if fracture_blocks(case.profile, case.knowledge) else ""


def plan_sentences(case: Case, plan: str, course: Course | None, stratum: Stratum) -> Iterator[Finding]:
    """What the pathway suggests that the clinician consider; under treatment, with the changes it rests on."""
    if course is None:
        # P12 asks for FRAX and a T-score, which were not made for the young.
        age = case.profile.age
        is_young = plan == "P12" and age is not None and age < case.knowledge.number("frax_age_low")
        yield finding(plan, f"plan.{plan}.under-40" if is_young else f"plan.{plan}", case.knowledge)
        return
    yield from _course_sentences(case, plan, course)
    if stratum is Stratum.VERY_HIGH:
        # As without treatment (P11): a fracture in spite of it is no reason to refer later.
        yield finding(plan, f"plan.{plan}.very-high", case.knowledge)


def _course_sentences(case: Case, plan: str, course: Course) -> Iterator[Finding]:
    values = {"changes": "; ".join(f"{_NAMES[c.after.marker]} {c.text}" for c in course.changes)}
    rests_on: list[MarkerResult | RiskFactor] = [*case.medicines]
    rests_on += [result for change in course.changes for result in (change.before, change.after)]
    # Markers that changed but do not agree get the plan in general: "undetermined" says that nothing compares.
    is_mixed = course.response is Response.UNDETERMINED and bool(course.changes)
    key = f"plan.{plan}" if is_mixed else f"plan.{plan}.{course.response}"
    yield finding(plan, key, case.knowledge, values, rests_on)
    if any(medicine.kind in ANABOLIC for medicine in case.medicines):
        yield finding(plan, f"plan.{plan}.anabolic", case.knowledge)


def _grounds_of(gate: str, case: Case) -> Sequence[MarkerResult | RiskFactor]:
    match gate:
        case "N6":
            return [case.kidney.result] if case.kidney.result else []
        case "N7":
            return case.medicines
        case "N10":
            return case.reported_frax.results
    return []


def _told(item: MarkerResult | RiskFactor) -> str:
    if isinstance(item, MarkerResult):
        site = f" {'-'.join(filter(None, (item.side, item.site)))}" if item.site else ""
        return f"{_NAMES[item.marker]}{site} {dated(item)}"
    return f"{'-'.join(filter(None, (item.kind, item.site)))} ({day(item.since)})"
