"""Gather what is usable about one patient at one moment, and say of everything else why it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from adapter.clinical.patient import Patient, Sex
from adapter.clinical.profile import Menopause, PatientProfile
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import months_before
from adapter.knowledge.model import Knowledge
from adapter.problems import NO_VALUES, Problem, ProblemCode, Severity
from adapter.recognition.adulthood import age_at, of_the_grown
from adapter.recognition.choosing import dated, newest_usable, time_of, without_duplicates
from adapter.recognition.markers import RecognitionOptions

_DXA = ("dxa-t-score", "dxa-z-score", "dxa-bmd")
_POSTMENOPAUSAL = ("postmenopausal", "bilateral-oophorectomy", "menopause-age", "premature-menopause")
_SAME_SAMPLE_SECONDS = 3600
# Events, and courses of treatment whose beginning matters: each record tells something of its own. Of anything else (a
# disease, a transplant, a thiazide) the newest record says what all say.
_EVENTS = frozenset({"fracture", "falls", "pregnancy", "lactation", "fasting"})
_COURSES = frozenset(
    {"glucocorticoid", "estrogen", "antiresorptive", "zoledronate", "denosumab", "anabolic", "dual-action"}
)
# Of the answers to one question the newest is true. But pregnancy tells for months after it, and fasting of one sample.
_EACH_ANSWER_TELLS = frozenset({"pregnancy", "fasting"})


class Gathered(msgspec.Struct, frozen=True):
    """The profile, and every result or factor that is not in it with the reason."""

    profile: PatientProfile
    set_aside: tuple[Problem, ...]


def gather(
    patient: Patient,
    results: Sequence[MarkerResult],
    factors: Sequence[RiskFactor],
    knowledge: Knowledge,
    *,
    as_of: datetime,
    options: RecognitionOptions,
) -> Gathered:
    """Choose the newest usable result per marker and site, and the factors recorded by ``as_of``."""
    recorded, factors_aside = _recorded_by(factors, as_of)
    kept_factors, repeats = _without_repeats(recorded, knowledge, as_of)
    usable, future = dated(results, as_of, use_issued=options.use_issued)
    grown, childish = of_the_grown(usable, patient, knowledge, as_of=as_of, use_issued=options.use_issued)
    unique, copies = without_duplicates(_with_fasting(grown, kept_factors))
    current, history, choice_aside = _chosen(unique, knowledge, as_of, options)
    age = age_at(patient.birth_date, as_of)
    menopause, assumed = _menopause(patient, age, kept_factors, as_of, knowledge)
    profile = PatientProfile(
        patient=patient,
        as_of=as_of,
        age=age,
        menopause=menopause,
        menopause_assumed=assumed,
        results={r.marker: r for r in current if r.marker not in _DXA},
        dxa=tuple(r for r in current if r.marker in _DXA),
        history=history,
        factors=kept_factors,
        preliminary=any(r.status == "preliminary" for r in current),
    )
    return Gathered(profile, (*factors_aside, *repeats, *future, *childish, *copies, *choice_aside))


def _chosen(
    results: Sequence[MarkerResult], knowledge: Knowledge, as_of: datetime, options: RecognitionOptions
) -> tuple[list[MarkerResult], Mapping[str, tuple[MarkerResult, ...]], list[Problem]]:
    # Left and right are two regions; the engines read the lower.
    groups: dict[tuple[str, str, str], list[MarkerResult]] = {}
    for result in results:
        groups.setdefault((result.marker, result.site, result.side), []).append(result)
    current: list[MarkerResult] = []
    aside: list[Problem] = []
    history: dict[str, tuple[MarkerResult, ...]] = {}
    oldest: dict[int, datetime] = {}
    for (marker, _, _), group in sorted(groups.items()):
        history[marker] = _oldest_first((*history.get(marker, ()), *group), options)
        months = knowledge.markers[marker].max_age_months
        if months is not None and months not in oldest:
            # By the day, as the engines count months: what is exactly so old has not grown too old at noon.
            oldest[months] = months_before(as_of, months).replace(hour=0, minute=0, second=0, microsecond=0)
        fresh, old = (group, []) if months is None else _fresh(group, months, oldest[months], options)
        chosen, problems = newest_usable(fresh, use_issued=options.use_issued)
        aside += [*old, *problems]
        if chosen is not None:
            current.append(chosen)
    return current, history, aside


def _fresh(
    group: Sequence[MarkerResult], months: int, oldest: datetime, options: RecognitionOptions
) -> tuple[list[MarkerResult], list[Problem]]:
    fresh: list[MarkerResult] = []
    old: list[MarkerResult] = []
    for result in group:
        time = time_of(result, use_issued=options.use_issued)
        is_fresh = time is not None and time.latest >= oldest and (time.earliest >= oldest or time.day >= oldest.date())
        (fresh if is_fresh else old).append(result)
    return fresh, _too_old(old, months, oldest, options) if old else []


def _too_old(old: Sequence[MarkerResult], months: int, since: datetime, options: RecognitionOptions) -> list[Problem]:
    """What may be too old, and the newest that is, with its date.

    The others are told in the same words, so that many years share one line of a note.
    """
    newest = max((_latest(result, options) for result in old), default=None)
    found: list[Problem] = []
    for result in old:
        time = time_of(result, use_issued=options.use_issued)
        values, sentence = {"marker": result.marker, "months": str(months)}, "{marker} is older than {months} months"
        if time and time.latest >= since:
            values["date"], sentence = time.text, "{marker} of {date} may be older than {months} months"
        elif time and time.latest == newest:
            values["date"], sentence = time.text, "{marker} of {date} is older than {months} months"
        aside = Problem(ProblemCode.TOO_OLD, result.where, sentence, resource=result.resource, values=values)
        found.append(msgspec.structs.replace(aside, severity=Severity.WARNING))
    return found


def _oldest_first(results: Sequence[MarkerResult], options: RecognitionOptions) -> tuple[MarkerResult, ...]:
    if len(results) == 1:
        return tuple(results)
    return tuple(sorted(results, key=lambda result: _latest(result, options)))


def _latest(result: MarkerResult, options: RecognitionOptions) -> datetime:
    time = time_of(result, use_issued=options.use_issued)
    return time.latest if time else datetime.min.replace(tzinfo=UTC)


def _recorded_by(factors: Sequence[RiskFactor], as_of: datetime) -> tuple[tuple[RiskFactor, ...], list[Problem]]:
    """The factors that had begun by ``as_of``, newest first; one copy of each record."""
    kept: dict[tuple[str, str, str], RiskFactor] = {}
    aside: list[Problem] = []
    for factor in factors:
        key = (factor.kind, factor.resource, factor.where[len(factor.entry) :])
        if factor.since is not None and factor.since.is_after(as_of):
            # By its place, not by its kind: a kind may be the name of a medicine, and this is told to readers.
            what, values = "it begins at {date}, after the assessment", {"date": factor.since.text}
            aside.append(_factor_aside(factor, ProblemCode.IN_THE_FUTURE, what, values))
        elif key in kept:
            what = "another copy or version of the same record is used"
            older, kept[key] = sorted((kept[key], factor), key=lambda f: (_recency(f), f.present, _without_place(f)))
            aside.append(_factor_aside(older, ProblemCode.DUPLICATE, what))
        else:
            kept[key] = factor
    newest_first = sorted(kept.values(), key=lambda f: (_recency(f), f.resource, f.where[len(f.entry) :]), reverse=True)
    return tuple(newest_first), aside


def _without_repeats(
    newest_first: Sequence[RiskFactor], knowledge: Knowledge, as_of: datetime
) -> tuple[tuple[RiskFactor, ...], list[Problem]]:
    """Of the answers to one question, and of the records of one lasting state, only the newest.

    Seen in public synthetic records: 430 sessions of dialysis, and a question about smoking answered every year.
    """
    newest: dict[tuple[object, ...], RiskFactor] = {}
    kept: list[RiskFactor] = []
    aside: list[Problem] = []
    for factor in newest_first:
        said = _said(factor, knowledge, as_of)
        if said and _is_older(factor, newest.setdefault(said, factor)):
            what = "a newer record by the same code is used"
            aside.append(_factor_aside(factor, ProblemCode.SUPERSEDED, what))
        else:
            kept.append(factor)
    return tuple(kept), aside


def _said(factor: RiskFactor, knowledge: Knowledge, as_of: datetime) -> tuple[object, ...]:
    """What a newer record would say again; empty where each record tells something of its own."""
    system, _, code = factor.code.partition("|")
    if (system, code) in knowledge.factor_answers:
        return () if factor.kind in _EACH_ANSWER_TELLS else (factor.kind, factor.code)
    if factor.kind in _EVENTS or factor.kind in _COURSES:
        return ()
    holds = factor.until.is_after(as_of) if factor.until else not factor.ended
    return factor.kind, factor.code, factor.present, holds


def _is_older(factor: RiskFactor, newer: RiskFactor) -> bool:
    return factor.since is not None and newer.since is not None and factor.since.is_before(newer.since) is True


def _without_place(factor: RiskFactor) -> str:
    return repr(msgspec.structs.replace(factor, where="", entry=""))


def _recency(factor: RiskFactor) -> tuple[datetime, int]:
    since = factor.since.latest if factor.since else datetime.min.replace(tzinfo=UTC)
    return since, int(factor.version) if factor.version.isdecimal() else -1


def _with_fasting(results: Sequence[MarkerResult], factors: Sequence[RiskFactor]) -> list[MarkerResult]:
    """Carry a recorded fasting answer to the results of the same entry, or of the same time."""
    answers = [factor for factor in factors if factor.kind == "fasting"]
    if not answers:
        return list(results)
    return [
        result if result.fasting is not None else msgspec.structs.replace(result, fasting=_fasting(result, answers))
        for result in results
    ]


def _fasting(result: MarkerResult, answers: Sequence[RiskFactor]) -> bool | None:
    said = {answer.present for answer in answers if answer.entry == result.entry or _same_sample(answer, result)}
    return said.pop() if len(said) == 1 else None


def _same_sample(answer: RiskFactor, result: MarkerResult) -> bool:
    mine, other = result.effective, answer.since
    return (
        mine is not None
        and other is not None
        and abs((mine.earliest - other.earliest).total_seconds()) < _SAME_SAMPLE_SECONDS
    )


def _menopause(
    patient: Patient, age: int | None, factors: Sequence[RiskFactor], as_of: datetime, knowledge: Knowledge
) -> tuple[Menopause, bool]:
    """Recorded menopause counts; silence is filled only for a woman old enough, and then said to be assumed."""
    if patient.sex is not Sex.FEMALE:
        return Menopause.NOT_APPLICABLE, False
    if any(factor.kind in _POSTMENOPAUSAL and factor.present for factor in factors):
        return Menopause.POST, False
    if any(factor.kind == "postmenopausal" and not factor.present for factor in factors):
        return Menopause.PRE, False
    if _last_period_long_ago(factors, as_of, int(knowledge.number("menopause_amenorrhoea_months"))):
        return Menopause.POST, False
    if age is not None and age >= knowledge.number("menopause_assumed_age"):
        return Menopause.POST, True
    if age is not None and age < knowledge.number("menopause_unknown_age"):
        return Menopause.PRE, True
    return Menopause.UNKNOWN, False


def _last_period_long_ago(factors: Sequence[RiskFactor], as_of: datetime, months: int) -> bool:
    periods = [factor.since for factor in factors if factor.kind == "last-menstrual-period" and factor.since]
    return bool(periods) and periods[0].latest < months_before(as_of, months)


def _factor_aside(
    factor: RiskFactor, code: ProblemCode, sentence: str, values: Mapping[str, str] = NO_VALUES
) -> Problem:
    severity = Severity.INFORMATION
    return Problem(code, factor.where, sentence, resource=factor.resource, severity=severity, values=values)
