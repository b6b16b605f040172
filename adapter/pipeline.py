"""From what was read to what is written, for every door alike: read, recognise, gather, assess, write.

Pure: no clock, file, network, log or random number. Time comes in as ``as_of``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapter.clinical.assessment import Assessment
from adapter.clinical.patient import Patient
from adapter.clinical.results import (
    LabResult,
    MarkerResult,
    ReportedPrediction,
    RiskFactor,
    Statement,
)
from adapter.engines.joint_pathway import assess
from adapter.fhir.reading import Reading, SetAside, Source, read
from adapter.fhir.releases import Release
from adapter.fhir.writing import write
from adapter.knowledge.facts import FactorAnswer
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem
from adapter.recognition.codes import Refusal
from adapter.recognition.factors import answer_of, factors_of
from adapter.recognition.gathering import gather
from adapter.recognition.markers import Meaning, RecognitionOptions, meaning_of, recognise_as
from adapter.recognition.predictions import frax_of


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator has chosen; the defaults are the safe ones.

    Attributes:
        release: The FHIR release to read and write; ``None`` lets the input's own marks decide, else R4, and says so.
        language: Language of narrative and texts, ``en`` or ``zh``.
        allow_preliminary: Use preliminary results; the assessment is then preliminary itself.
        read_text: Read numbers out of ``valueString`` by the strict grammar.
        use_issued: Use ``issued`` where a result has no effective time.
        with_qfracture: Show QFracture-2012, with its disclaimer, as information.
        label_as_ai: Label what is written as asserted by an algorithm (``AIAST``).
    """

    release: Release | None = None
    language: str = "en"
    allow_preliminary: bool = False
    read_text: bool = False
    use_issued: bool = False
    with_qfracture: bool = False
    label_as_ai: bool = False

    @property
    def recognition(self) -> RecognitionOptions:
        """The part that concerns single results."""
        return RecognitionOptions(read_text=self.read_text, use_issued=self.use_issued)


class PatientRecord(msgspec.Struct):
    """What came in about one patient, as reported."""

    patient: Patient
    results: list[LabResult] = []
    statements: list[Statement] = []
    predictions: list[ReportedPrediction] = []
    set_aside: list[SetAside] = []
    irrelevant: set[str] = set()


class PatientOutcome(msgspec.Struct, frozen=True):
    """One patient's assessment and where every entry went.

    Attributes:
        assessment: What the pathway says.
        set_aside: What was not used, and why.
        cautions: What was used all the same, and what to be careful about.
        irrelevant: Paths of the entries that hold nothing the assessment knows.
        resources: RiskAssessment, Device and Provenance; empty where none may be written.
        history: Per marker, all usable results, oldest first.
    """

    assessment: Assessment
    set_aside: tuple[Problem, ...]
    cautions: tuple[Problem, ...]
    irrelevant: tuple[str, ...]
    resources: tuple[Mapping[str, Any], ...]
    history: Mapping[str, tuple[MarkerResult, ...]]


class Outcome(msgspec.Struct, frozen=True):
    """All patients of one input, and what belongs to none of them."""

    release: Release
    patients: tuple[PatientOutcome, ...]
    problems: tuple[Problem, ...]
    irrelevant: tuple[str, ...]
    entries: int


def assess_sources(sources: Iterable[Source], knowledge: Knowledge, *, as_of: datetime, options: Options) -> Outcome:
    """Read sources and assess every patient in them; one patient's rows may be spread over all of them."""
    reading = read(sources, release=options.release, allow_preliminary=options.allow_preliminary)
    records, problems, unowned = by_patient(reading)
    patients = [
        assess_patient(record, knowledge, as_of=as_of, options=options, release=reading.release) for record in records
    ]
    return Outcome(reading.release, tuple(patients), tuple(problems), tuple(unowned), reading.entries)


def assess_patient(
    record: PatientRecord, knowledge: Knowledge, *, as_of: datetime, options: Options, release: Release
) -> PatientOutcome:
    """Recognise, gather, assess and write one patient."""
    understood = _understand(record, knowledge, options.recognition)
    gathered = gather(
        record.patient,
        understood.results,
        understood.factors,
        knowledge,
        as_of=as_of,
        options=options.recognition,
    )
    assessment = assess(gathered.profile, knowledge, with_qfracture=options.with_qfracture)
    set_aside = _not_used(assessment, [*understood.problems, *gathered.set_aside])
    cautions = _of_used(understood.cautions, assessment)
    # What the engines refused (a sample not fasting, scores that contradict each other) was not used either.
    set_aside += [problem for problem in assessment.cautions if not problem.used]
    cautions += [problem for problem in assessment.cautions if problem.used]
    resources = write(
        assessment,
        knowledge,
        release=release,
        language=options.language,
        set_aside=[*set_aside, *cautions],
        label_as_ai=options.label_as_ai,
    )
    irrelevant = tuple(sorted(understood.irrelevant))
    history = gathered.profile.history
    return PatientOutcome(assessment, tuple(set_aside), tuple(cautions), irrelevant, tuple(resources), history)


def by_patient(reading: Reading) -> tuple[list[PatientRecord], list[Problem], list[str]]:
    """Group what was read by patient, in the order of their keys; and what belongs to nobody."""
    records = {key: PatientRecord(patient) for key, patient in sorted(reading.patients.items())}
    for result in reading.results:
        records[result.patient].results.append(result)
    for statement in reading.statements:
        records[statement.patient].statements.append(statement)
    for prediction in reading.predictions:
        records[prediction.patient].predictions.append(prediction)
    problems: list[Problem] = list(reading.problems)
    for aside in reading.set_aside:
        if aside.patient in records:
            records[aside.patient].set_aside.append(aside)
        else:
            problems.append(aside.problem)
    unowned: list[str] = []
    only = next(iter(records.values())) if len(records) == 1 else None
    for entry, key in reading.irrelevant:
        owner = records.get(key, only)
        owner.irrelevant.add(entry) if owner is not None else unowned.append(entry)
    return list(records.values()), problems, unowned


class _Understood(msgspec.Struct):
    results: list[MarkerResult] = []
    factors: list[RiskFactor] = []
    problems: list[Problem] = []
    cautions: list[SetAside] = []
    irrelevant: set[str] = set()

    def take(self, item: MarkerResult | RiskFactor | Problem) -> None:
        if isinstance(item, MarkerResult):
            self.results.append(item)
        elif isinstance(item, RiskFactor):
            self.factors.append(item)
        else:
            self.problems.append(item)


def _understand(record: PatientRecord, knowledge: Knowledge, options: RecognitionOptions) -> _Understood:
    """Understand each row; an entry none of whose rows is ours is irrelevant."""
    understood = _Understood()
    spoken_for = {aside.entry for aside in record.set_aside if not aside.problem.used}
    silent: set[str] = set()
    meanings = knowledge.remembered(meaning_of)
    for result in record.results:
        meaning = meanings(result.test)
        found = None if meaning is None else _one_result(meaning, result, knowledge, options)
        if found is None:
            silent.add(result.entry)
        else:
            spoken_for.add(result.entry)
            understood.take(found)
    for entry, several in _each_understood(record, knowledge):
        (spoken_for if several else silent).add(entry)
        for item in several:
            understood.take(item)
    understood.irrelevant = (silent - spoken_for) | record.irrelevant
    understood.problems[:0] = [aside.problem for aside in record.set_aside if not aside.problem.used]
    understood.cautions = [aside for aside in record.set_aside if aside.problem.used]
    return understood


def _each_understood(
    record: PatientRecord, knowledge: Knowledge
) -> Iterable[tuple[str, Sequence[MarkerResult | RiskFactor | Problem]]]:
    for statement in record.statements:
        yield statement.entry, factors_of(statement, knowledge)
    assessments: dict[str, list[ReportedPrediction]] = {}
    for prediction in record.predictions:
        assessments.setdefault(prediction.entry, []).append(prediction)
    for entry, predictions in assessments.items():
        yield entry, frax_of(predictions, knowledge)


def _one_result(
    meaning: Meaning | FactorAnswer | Refusal, result: LabResult, knowledge: Knowledge, options: RecognitionOptions
) -> MarkerResult | RiskFactor | Problem | None:
    if isinstance(meaning, Meaning):
        return recognise_as(meaning, result, knowledge, options)
    return answer_of(result, meaning, knowledge) if isinstance(meaning, FactorAnswer) else meaning.of(result)


def _of_used(cautions: Sequence[SetAside], assessment: Assessment) -> list[Problem]:
    """The cautions about entries that the assessment rests on: a caution says that something was used."""
    if not cautions:
        return []
    entries = {assessment.patient.where}
    for evidence in assessment.evidence:
        entries.add(evidence.result.where if isinstance(evidence.result, Patient) else evidence.result.entry)
    return [aside.problem for aside in cautions if aside.entry in entries]


def _not_used(assessment: Assessment, problems: Sequence[Problem]) -> list[Problem]:
    """Drop what the assessment used after all: an older result set aside as superseded may be a baseline."""
    used = {evidence.result.where for evidence in assessment.evidence}
    return [problem for problem in problems if problem.where not in used]
