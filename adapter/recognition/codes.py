"""Which marker a code means: by system and code together, never by text."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.clinical.results import Coding, Concept, LabResult
from adapter.knowledge.model import FactorAnswer, Knowledge, MappedCode
from adapter.problems import Problem, ProblemCode

LOINC = "http://loinc.org"


def canonical_codings(concept: Concept, knowledge: Knowledge) -> Iterator[tuple[Coding, bool]]:
    """The codings with their system in its canonical spelling, and whether that was an alias."""
    for coding in concept.codings:
        system = knowledge.systems.get(coding.system, coding.system)
        alias = system != coding.system
        yield (Coding(system, coding.code, coding.display) if alias else coding), alias


def mapped_code(result: LabResult, knowledge: Knowledge) -> tuple[MappedCode, Coding, bool] | Problem | None:
    """The one marker code of a result, the coding it came in, and whether its system was an alias.

    ``None`` means that nothing here is known to us. Two codes of different markers, or a known code beside a
    denied one, contradict each other: "nothing is guessed", so the result is set aside.
    """
    found: list[tuple[MappedCode, Coding, bool]] = []
    denied = ""
    for coding, alias in canonical_codings(result.code, knowledge):
        key = (coding.system, coding.code)
        if key in knowledge.codes:
            found.append((knowledge.codes[key], coding, alias))
        elif key in knowledge.denied:
            denied = f"{coding.code} is on the deny-list: {knowledge.denied[key].why}"
    if not found:
        return _not_mapped(result, knowledge, denied)
    meanings = {(code.marker, code.site) for code, _, _ in found}
    if len(meanings) > 1 or denied:
        words = ", ".join(sorted(f"{coding.code} ({code.marker})" for code, coding, _ in found))
        return _problem(
            result, ProblemCode.CODE_CONFLICT, f"the codes contradict each other: {words} {denied}".rstrip()
        )
    return min(found, key=lambda item: item[0].rank)


def factor_answer(result: LabResult, knowledge: Knowledge) -> FactorAnswer | None:
    """The risk-factor question this Observation answers, if it is one."""
    for coding, _ in canonical_codings(result.code, knowledge):
        answer = knowledge.factor_answers.get((coding.system, coding.code))
        if answer is not None:
            return answer
    return None


def _not_mapped(result: LabResult, knowledge: Knowledge, denied: str) -> Problem | None:
    if denied:
        return _problem(result, ProblemCode.CODE_DENIED, denied)
    # The same digits stand for places in the US race and ethnicity codes (2160-0), so a bare code proves nothing.
    for coding in result.code.codings:
        if not coding.system and (LOINC, coding.code) in knowledge.codes:
            what = f"code {coding.code!r} came without a system; with {LOINC} it would be known"
            return _problem(result, ProblemCode.CODE_WITHOUT_SYSTEM, what)
    return None


def _problem(result: LabResult, code: ProblemCode, what: str) -> Problem:
    return Problem(code, f"{result.where}.code", what, resource=result.resource)
