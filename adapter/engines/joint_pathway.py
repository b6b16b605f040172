"""The joint pathway of the founding paper: fracture-risk score, then bone density, then turnover markers.

Read ``assess`` beside the decision table: gates, stratum, turnover, plan, flags. What is not recorded is listed as
missing and never taken as "no".
"""

from __future__ import annotations

from adapter.clinical.assessment import Assessment, Evidence, Finding, Score, Stratum, Turnover
from adapter.clinical.profile import PatientProfile
from adapter.engines.case import Case, case_of
from adapter.engines.cautions import cautions_of
from adapter.engines.corrections import CalciumKind, body_mass_index_scores, calcium_scores
from adapter.engines.flags import critical_values, flags_of
from adapter.engines.frax import frax_scores
from adapter.engines.gates import gates_of
from adapter.engines.kidney import kidney_scores
from adapter.engines.missing import missing_for_monitoring, missing_of
from adapter.engines.monitoring import Course, course_of
from adapter.engines.osta import osta_of
from adapter.engines.plan import plan_of
from adapter.engines.qfracture import QFractureAnswer, qfracture_of
from adapter.engines.reading import disagreements, evidence_of
from adapter.engines.sentences import gate_sentences, plan_sentences, stratum_sentences, turnover_sentence
from adapter.engines.stratum import place
from adapter.engines.turnover import ALL_MARKERS, Markers, markers_of, turnover_of
from adapter.engines.urine import incomplete, urine_scores
from adapter.engines.wording import finding
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem

# States in which no marker is called low, normal or high.
_WITHOUT_LETTERS = (Turnover.NOT_AVAILABLE, Turnover.UNUSABLE, Turnover.MONITORING)


def assess(profile: PatientProfile, knowledge: Knowledge, *, with_qfracture: bool = False) -> Assessment:
    """Assess one patient at one moment; "not assessable" is an answer with reasons.

    Args:
        profile: What is usable about the patient.
        knowledge: Limits, parameters, rules.
        with_qfracture: Whether to show QFracture-2012, as information.
    """
    case = case_of(profile, knowledge)
    gates = gates_of(case)
    placing = None if gates.ends else place(case)
    stratum = placing.stratum if placing else gates.ends or Stratum.INDETERMINATE
    is_applicable = stratum is not Stratum.NOT_APPLICABLE
    markers = markers_of(case)
    turnover = turnover_of(markers, case, is_applicable=is_applicable)
    course = course_of(case) if "N7" in gates.fired and is_applicable else None
    # Where kidney function forbids advice on medicines, no row of the plan is left: the gate's own sentence refers.
    drug_advice = "N6" not in gates.fired
    plan = plan_of(stratum, turnover, monitoring=course is not None) if drug_advice else None
    qfracture = qfracture_of(profile, knowledge) if with_qfracture and is_applicable else None
    flags = _flags(case, turnover, qfracture) if is_applicable else []
    refused = _refused(case, markers)
    evidence = _evidence(case, turnover, refused, course)
    return Assessment(
        patient=profile.patient,
        as_of=profile.as_of,
        stratum=stratum,
        stratum_rule=placing.rule if placing else None,
        turnover=turnover,
        plan=plan,
        gates=gates.fired,
        flags=tuple(flag.rule for flag in flags),
        findings=(
            *critical_values(case),
            *gate_sentences(case, gates.fired),
            *(stratum_sentences(case, placing) if placing else ()),
            turnover_sentence(case, turnover, markers),
            *(plan_sentences(case, plan, course, stratum) if plan else ()),
            *flags,
            *(cautions_of(case, turnover, markers, gates.open_) if is_applicable else ()),
        ),
        missing=_missing(case, stratum, turnover, plan, markers, course),
        scores=_scores(case, qfracture) if gates.ends is None else (),
        evidence=evidence,
        cautions=(*refused, *disagreements(evidence)),
        preliminary=profile.preliminary,
        writes=gates.writes,
        drug_advice=drug_advice,
        age=profile.age,
    )


def _flags(case: Case, turnover: Turnover, qfracture: QFractureAnswer | None) -> list[Finding]:
    found = flags_of(case, turnover)
    if qfracture is not None and qfracture.needs_care:
        found.append(finding("X1", "flag.X1", case.knowledge))
    return found


def _refused(case: Case, markers: Markers) -> tuple[Problem, ...]:
    """Results set aside here: a FRAX that contradicts itself, CTX after a meal, an incomplete collection."""
    return (*case.contradictions, *markers.refused, *incomplete(case.day_urine))


def _evidence(
    case: Case, turnover: Turnover, refused: tuple[Problem, ...], course: Course | None
) -> tuple[Evidence, ...]:
    unread = set(ALL_MARKERS) if turnover in _WITHOUT_LETTERS else set()
    # Corrected by albumin, calcium is read as corrected: its own number must not be called low beside that.
    if case.calcium is not None and case.calcium.kind is CalciumKind.CORRECTED:
        unread.add("calcium")
    return evidence_of(
        case.profile,
        case.readings,
        set_aside={problem.where for problem in refused},
        unread=unread,
        baselines=[change.before for change in course.changes] if course else (),
    )


def _missing(
    case: Case, stratum: Stratum, turnover: Turnover, plan: str | None, markers: Markers, course: Course | None
) -> tuple[str, ...]:
    found = missing_of(case, stratum, turnover, plan, markers)
    return found if course is None else (*found, *missing_for_monitoring(course))


def _scores(case: Case, qfracture: QFractureAnswer | None) -> tuple[Score, ...]:
    """FRAX first; then what informs; then what was worked out."""
    osta = osta_of(case.profile, case.knowledge)
    return (
        *frax_scores(case.frax),
        *([osta] if osta else ()),
        *(qfracture.scores if qfracture else ()),
        *kidney_scores(case.kidney, case.profile),
        *calcium_scores(case.calcium),
        *urine_scores(case.day_urine, case.spot_urine),
        *body_mass_index_scores(case.profile),
    )
