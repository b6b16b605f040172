"""Understand what is recorded about the patient besides results: conditions, medication, family, answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from adapter.clinical.results import (
    Concept,
    LabResult,
    ReportedOther,
    ReportedQuantity,
    RiskFactor,
    Statement,
    StatementKind,
)
from adapter.knowledge.facts import FactorAnswer, FactorCode
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from adapter.recognition.amounts import resolved_unit
from adapter.recognition.codes import Refusal, canonical_codings
from adapter.recognition.markers import site_of

_PARENTS = frozenset({"FTH", "MTH", "PRN", "NFTH", "NMTH", "NPRN"})
_HIP_SITES = frozenset({"hip", "total-hip", "femoral-neck"})
_PREDNISOLONE_MG = Decimal(5)
# "Annotations do not contribute to the semantics of the unit" (UCUM, 12): {count}, {falls} and {#} are all 1.
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_AMOUNT_UNITS = {
    "count": ("1", "/a", "", "falls", "次"),
    # As the test patients of CMS249 and the examples of US Core write drinks per day.
    "per-day": ("1", "/d", "{drinks}/d", "# per day", ""),
    "age": ("a", "years", ""),
}


def factors_of(statement: Statement, knowledge: Knowledge) -> tuple[RiskFactor, ...]:
    """The risk factors one statement records; empty where its codes are not ours."""
    if statement.kind is StatementKind.FAMILY_HISTORY:
        return _family_factors(statement, knowledge)
    found: dict[str, RiskFactor] = {}
    for code, known in _known_codes(statement.code, knowledge):
        factor = _factor(statement, code, known, knowledge)
        earlier = found.get(factor.kind)
        if earlier is None or (factor.fragility and not earlier.fragility) or (factor.site and not earlier.site):
            found[factor.kind] = factor
    return tuple(found.values())


def answer_of(result: LabResult, answer: FactorAnswer, knowledge: Knowledge) -> RiskFactor | Problem:
    """What an Observation answers about a risk factor: yes, no, how much; or why its answer cannot be read."""
    if result.value is None:
        if answer.reads == "present" and not result.absent_reason:
            return _answered(result, answer, present=True)
        values = {"code": answer.code, "reason": result.absent_reason or "no value"}
        return _unread(result, ProblemCode.VALUE_ABSENT, "the question {code} was not answered: {reason}", values)
    match result.value:
        case Concept() as concept:
            return _coded(result, answer, concept, knowledge)
        case ReportedOther(boolean=bool() as present):
            return _answered(result, answer, present=present)
        case ReportedOther(time=time) if time is not None and answer.reads == "date":
            return _answered(result, answer, present=True, since_value=True)
        case ReportedQuantity() as quantity if answer.reads in _AMOUNT_UNITS:
            return _counted(result, answer, quantity, knowledge)
    what = "the answer to {code} is of a type that cannot be read"
    return _unread(result, ProblemCode.VALUE_TYPE, what, {"code": answer.code})


def _family_factors(statement: Statement, knowledge: Knowledge) -> tuple[RiskFactor, ...]:
    is_parent = any(coding.code in _PARENTS for coding in statement.relationship.codings)
    for code, known in _known_codes(statement.code, knowledge):
        is_hip = known.factor == "fracture" and known.site in _HIP_SITES
        if is_parent and (is_hip or known.factor == "parent-hip-fracture"):
            return (_made(statement, "parent-hip-fracture", code),)
    return ()


def _known_codes(concept: Concept, knowledge: Knowledge) -> Iterable[tuple[str, FactorCode]]:
    for coding, _ in canonical_codings(concept, knowledge):
        for known in knowledge.factor_codes_of(coding.system, coding.code):
            yield f"{coding.system}|{coding.code}", known


def _factor(statement: Statement, code: str, known: FactorCode, knowledge: Knowledge) -> RiskFactor:
    cautions: tuple[str, ...] = ()
    amount: Decimal | None = statement.onset_age if known.factor == "menopause-age" else None
    if known.factor == "glucocorticoid":
        amount, cautions = _prednisolone_equivalent(statement, known, knowledge)
    site = known.site
    if known.factor == "fracture" and not site:
        sites = [site_of(body_site, knowledge) for body_site in statement.body_sites]
        site = next((word for word in sites if word), "")
    made = _made(statement, known.factor, code)
    return msgspec.structs.replace(made, site=site, fragility=known.fragility, amount=amount, cautions=cautions)


def _prednisolone_equivalent(
    statement: Statement, known: FactorCode, knowledge: Knowledge
) -> tuple[Decimal | None, tuple[str, ...]]:
    dose = statement.daily_dose
    if dose is None or dose.value is None or dose.comparator or known.prednisolone_mg is None:
        return None, ("dose-unknown",)
    unit = resolved_unit(dose, knowledge)
    name = dose.code or dose.unit if isinstance(unit, Refusal) else unit.name
    if name != "mg":
        return None, ("dose-unknown",)
    return dose.value * _PREDNISOLONE_MG / known.prednisolone_mg, ()


def _made(statement: Statement, kind: str, code: str) -> RiskFactor:
    return RiskFactor(
        kind=kind,
        where=statement.where,
        entry=statement.entry,
        resource=statement.resource,
        patient=statement.patient,
        code=code,
        version=statement.version,
        since=statement.since or statement.recorded,
        until=statement.until,
        ended=statement.ended,
        security=statement.security,
    )


def _coded(result: LabResult, answer: FactorAnswer, concept: Concept, knowledge: Knowledge) -> RiskFactor | Problem:
    answers = [f"{coding.system}|{coding.code}" for coding, _ in canonical_codings(concept, knowledge)]
    if any(code in answer.yes for code in answers):
        return _answered(result, answer, present=True)
    if any(code in answer.no for code in answers):
        return _answered(result, answer, present=False)
    if any(code in answer.unknown for code in answers):
        what = "the answer to {code} is that it is not known"
        return _unread(result, ProblemCode.VALUE_ABSENT, what, {"code": answer.code})
    values = {"answer": ", ".join(answers) or "in words", "code": answer.code}
    return _unread(result, ProblemCode.NOT_UNDERSTOOD, "the answer {answer} to {code} is not known", values)


def _counted(
    result: LabResult, answer: FactorAnswer, quantity: ReportedQuantity, knowledge: Knowledge
) -> RiskFactor | Problem:
    unit = resolved_unit(quantity, knowledge, score=True)
    name = (quantity.code or quantity.unit) if isinstance(unit, Refusal) else unit.name
    values = {"code": answer.code, "unit": repr(name)}
    if answer.reads == "count":
        name = _ANNOTATION.sub("", name)
    if quantity.value is None or name not in (*_AMOUNT_UNITS[answer.reads], "1"):
        return _unread(result, ProblemCode.UNIT_UNKNOWN, "the answer to {code} has the unit {unit}", values)
    if quantity.comparator in ("<", "<="):
        return _unread(result, ProblemCode.COMPARATOR_INVALID, "the answer to {code} is only an upper bound", values)
    return _answered(result, answer, present=quantity.value > 0, amount=quantity.value)


def _answered(
    result: LabResult,
    answer: FactorAnswer,
    *,
    present: bool,
    amount: Decimal | None = None,
    since_value: bool = False,
) -> RiskFactor:
    time = result.value.time if since_value and isinstance(result.value, ReportedOther) else result.effective
    return RiskFactor(
        kind=answer.factor,
        where=result.where,
        entry=result.entry,
        resource=result.resource,
        patient=result.patient,
        code=f"{answer.system}|{answer.code}",
        present=present,
        version=result.version,
        since=time,
        amount=amount,
        security=result.security,
    )


def _unread(result: LabResult, code: ProblemCode, sentence: str, values: Mapping[str, str]) -> Problem:
    return Problem(code, f"{result.where}.value", sentence, resource=result.resource, values=values)
