"""Height and weight: what was measured in childhood says nothing of the adult, and is judged by no adult's bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult
from adapter.clinical.time import ClinicalTime
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode, Severity
from adapter.recognition.choosing import time_of
from adapter.recognition.markers import implausibility


def age_at(birth_date: ClinicalTime | None, moment: datetime) -> int | None:
    """Full years at a moment; ``None`` where the birth date is absent, later, or too coarse to say."""
    if birth_date is None or birth_date.is_after(moment) is not False:
        return None
    oldest = _years(birth_date.earliest.date(), moment.date())
    youngest = _years(birth_date.latest.date(), moment.date())
    return oldest if oldest == youngest else None


def of_the_grown(
    results: Sequence[MarkerResult], patient: Patient, knowledge: Knowledge, *, as_of: datetime, use_issued: bool
) -> tuple[list[MarkerResult], list[Problem]]:
    """The results without heights and weights of an adult's childhood, and without those that no adult has.

    Heights do not grow too old, so a record that goes back to childhood would else lend an adult a child's height.
    Seen in public synthetic records, whose first weight is that of the newborn.
    """
    kept: list[MarkerResult] = []
    aside: list[Problem] = []
    is_grown = not _is_child(patient, as_of, knowledge)
    for result in results:
        refusal = None
        if knowledge.markers[result.marker].role == "body":
            time = time_of(result, use_issued=use_issued)
            of_child = time is not None and _is_child(patient, time.latest, knowledge)
            refusal = _refusal(result, knowledge, of_child=of_child, is_grown=is_grown)
        kept.append(result) if refusal is None else aside.append(refusal)
    return kept, aside


def _refusal(result: MarkerResult, knowledge: Knowledge, *, of_child: bool, is_grown: bool) -> Problem | None:
    if of_child:
        what, values = "{marker} was measured in childhood", {"marker": result.marker}
        return _aside(result, ProblemCode.TOO_OLD, what, values, Severity.WARNING) if is_grown else None
    said = implausibility(result.value, result.marker, knowledge, received=f"{result.digits} {result.received_unit}")
    return _aside(result, ProblemCode.IMPLAUSIBLE, *said, Severity.ERROR) if said else None


def _is_child(patient: Patient, moment: datetime, knowledge: Knowledge) -> bool:
    """Whether the patient cannot have been an adult; of a coarse birth date the earliest day is taken."""
    born = patient.birth_date
    return born is not None and _years(born.earliest.date(), moment.date()) < knowledge.number("adult_age")


def _years(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _aside(
    result: MarkerResult, code: ProblemCode, sentence: str, values: Mapping[str, str], severity: Severity
) -> Problem:
    return Problem(code, result.where, sentence, resource=result.resource, severity=severity, values=values)
