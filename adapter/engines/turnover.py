"""The state of bone turnover: which markers may be read, and what they say together (6e of the decision table)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from adapter.clinical.assessment import Authority, Turnover
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.engines.answers import Answer, all_of, any_of, negated
from adapter.engines.case import Case
from adapter.engines.fractures import fractures
from adapter.engines.kidney import Kidney
from adapter.engines.limits import Reading
from adapter.engines.spans import lies_within
from adapter.engines.treatment import is_current
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode, Severity

# The first usable one of each counts: "NTX may replace CTX; BALP may replace P1NP when P1NP unusable".
RESORPTION = ("ctx", "ntx", "urine-ntx-creatinine")
FORMATION = ("p1np", "bone-alp")
MARKERS = (*FORMATION, *RESORPTION)
# "OC, total ALP never open the gate"; they are called low or high only where the others are.
ALL_MARKERS = (*MARKERS, "osteocalcin", "alp", "bone-alp-activity", "tracp", "tracp-5b", "urine-ctx-creatinine")
TOTAL_OR_INTACT = "total-intact-unknown"
# What raises or lowers the markers without saying anything about osteoporosis: caution word by kind of factor.
_DOUBTS = {
    "chronic-liver-disease": "liver-disease",
    "hyperthyroidism": "hyperthyroidism",
    "immobilisation": "immobilisation",
    "recent-surgery": "recent-surgery",
    "aromatase-inhibitor": "aromatase-inhibitor",
    "anticonvulsant": "anticonvulsant",
}


class Markers(msgspec.Struct, frozen=True):
    """The markers that may be read, how they read, and what makes them doubtful.

    Attributes:
        resorption, formation: ``None`` where no marker of that side is usable.
        refused: Results that were set aside here, each with its reason.
        doubts: Caution words.
    """

    resorption: MarkerResult | None = None
    formation: MarkerResult | None = None
    resorption_reads: Reading = Reading()
    formation_reads: Reading = Reading()
    refused: tuple[Problem, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[MarkerResult, ...]:
        """The markers that are read, resorption first."""
        return tuple(result for result in (self.resorption, self.formation) if result is not None)


def markers_of(case: Case) -> Markers:
    """Choose one usable marker of resorption and one of formation, and read each against its limits."""
    profile, kidney, knowledge = case.profile, case.kidney, case.knowledge
    refused = tuple(_refusals(profile, kidney, knowledge))
    aside = {problem.where for problem in refused}
    usable = [result for name in MARKERS if (result := profile.results.get(name)) and result.where not in aside]
    resorption = next((result for result in usable if result.marker in RESORPTION), None)
    formation = next((result for result in usable if result.marker in FORMATION), None)
    reads = [case.readings[result.where] if result else Reading() for result in (resorption, formation)]
    doubts = _doubts(resorption, reads, case)
    return Markers(resorption, formation, reads[0], reads[1], refused, doubts)


def turnover_of(markers: Markers, case: Case, *, is_applicable: bool) -> Turnover:
    """The state of turnover.

    Args:
        markers: What may be read.
        case: Tells whether any marker came at all, and what forbids to read them as a baseline.
        is_applicable: False where the pathway is not for this patient.
    """
    if not any(name in case.profile.results for name in MARKERS):
        return Turnover.NOT_AVAILABLE
    forbidden = case.kidney.forbids_advice(case.knowledge)
    if forbidden or not is_applicable:
        return Turnover.UNUSABLE
    if case.treated:
        return Turnover.MONITORING
    blocked = any_of((forbidden, case.treated, fracture_blocks(case.profile, case.knowledge)))
    if blocked or not markers.used:
        return Turnover.UNUSABLE
    if blocked is None:
        return Turnover.UNDETERMINED
    if markers.resorption is None or markers.formation is None:
        return _from_one(markers)
    return _from_both(markers.resorption_reads, markers.formation_reads)


def fracture_blocks(profile: PatientProfile, knowledge: Knowledge) -> Answer:
    """Whether a fracture lies so short before a marker (or after it) that healing bone may have raised it."""
    months = int(knowledge.number("btm_fracture_block_months"))
    taken = [r.effective.earliest for name in MARKERS if (r := profile.results.get(name)) and r.effective]
    first = min(taken, default=profile.as_of)
    return any_of(lies_within(fracture.since, months, first) for fracture in fractures(profile))


def _from_both(resorption: Reading, formation: Reading) -> Turnover:
    """The first state that holds; undetermined where an earlier one may."""
    states: Sequence[tuple[Turnover, Answer]] = (
        (Turnover.HIGH, resorption.is_high),
        (Turnover.LOW, all_of((resorption.is_low, formation.is_low))),
        (Turnover.FORMATION_ONLY_RAISED, all_of((formation.is_high, negated(resorption.is_high)))),
        (Turnover.FORMATION_LOW, all_of((formation.is_low, negated(resorption.is_low)))),
        (Turnover.NORMAL, True),
    )
    state, holds = next((state, holds) for state, holds in states if holds is not False)
    return state if holds else Turnover.UNDETERMINED


def _from_one(markers: Markers) -> Turnover:
    """What one side alone can say: raised resorption is high turnover, a normal marker is normal; no more than that."""
    if markers.resorption_reads.is_high:
        return Turnover.HIGH
    reads = markers.formation_reads if markers.resorption is None else markers.resorption_reads
    return Turnover.NORMAL if reads.letter == "N" else Turnover.UNDETERMINED


def _refusals(profile: PatientProfile, kidney: Kidney, knowledge: Knowledge) -> Iterator[Problem]:
    """'Fasting explicitly false → CTX unusable'; and P1NP that the kidneys may hold back."""
    ctx, p1np = profile.results.get("ctx"), profile.results.get("p1np")
    if ctx is not None and ctx.fasting is False:
        yield _refusal(ctx, ProblemCode.NOT_FASTING, "the sample was not taken fasting, which lowers CTX")
    if p1np and not kidney.forbids_advice(knowledge) and _may_be_retained(p1np, kidney, knowledge):
        what = "total or intact P1NP is not stated, and with reduced kidney function total P1NP is retained"
        yield _refusal(p1np, ProblemCode.KIND_UNCLEAR, what)


def _refusal(result: MarkerResult, code: ProblemCode, what: str) -> Problem:
    return Problem(code, result.where, what, resource=result.resource, severity=Severity.WARNING)


def says_kind(result: MarkerResult) -> bool:
    """Whether method, device or laboratory say that P1NP is the total or the intact one."""
    return any(word in result.assay.lower() for word in ("total", "intact"))


def _may_be_retained(result: MarkerResult, kidney: Kidney, knowledge: Knowledge) -> bool:
    """P1NP of unknown kind cannot be used when eGFR is (or may be) reduced: total P1NP is retained, intact is not."""
    # "LOINC does not separate total from intact P1NP: read method/device/text".
    unknown_kind = TOTAL_OR_INTACT in result.cautions and not says_kind(result)
    return unknown_kind and kidney.is_below(knowledge.number("egfr_caution")) is not False


def _doubts(resorption: MarkerResult | None, reads: Sequence[Reading], case: Case) -> tuple[str, ...]:
    """Why the markers are readable only with doubt, as caution words."""
    words = []
    if resorption is not None and resorption.marker == "ctx" and resorption.fasting is None:
        words.append("fasting-unknown")
    if case.kidney.is_below(case.knowledge.number("egfr_caution")) is not False:
        words.append("kidney-function-reduced")
    if any(read.limits and read.limits.authority is Authority.FALLBACK for read in reads):
        words.append("fallback-limits")
    recorded = case.profile.having(*_DOUBTS)
    current = {factor.kind for factor in recorded if is_current(factor, case.profile.as_of) is not False}
    words += [word for kind, word in _DOUBTS.items() if kind in current]
    return tuple(words)
