"""Which marker a code means: by system and code together, never by text."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from adapter.clinical.results import Coding, Concept, LabResult, LabTest
from adapter.knowledge.model import FactorAnswer, Knowledge, MappedCode
from adapter.problems import Problem, ProblemCode

LOINC = "http://loinc.org"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why no result of a test can be used; ``element`` is the path of the cause within the result."""

    code: ProblemCode
    element: str
    what: str

    def of(self, result: LabResult) -> Problem:
        """The same, said of one result."""
        return Problem(self.code, f"{result.where}{self.element}", self.what, resource=result.resource)


def canonical_codings(concept: Concept, knowledge: Knowledge) -> Iterator[tuple[Coding, bool]]:
    """The codings with their system in its canonical spelling, and whether that was an alias."""
    for coding in concept.codings:
        system = knowledge.systems.get(coding.system, coding.system)
        alias = system != coding.system
        yield (Coding(system, coding.code, coding.display) if alias else coding), alias


def mapped_code(test: LabTest, knowledge: Knowledge) -> tuple[MappedCode, Coding, bool] | Refusal | None:
    """The one marker code of a test, the coding it came in, and whether its system was an alias.

    ``None`` means that nothing here is known to us. Two codes of different markers, or a known code beside a
    denied one, contradict each other: "nothing is guessed", so the result is set aside.
    """
    found: list[tuple[MappedCode, Coding, bool]] = []
    denied = ""
    for coding, alias in canonical_codings(test.code, knowledge):
        key = (coding.system, coding.code)
        if key in knowledge.codes:
            found.append((knowledge.codes[key], coding, alias))
        elif key in knowledge.denied:
            denied = f"{coding.code} is on the deny-list: {knowledge.denied[key].why}"
    if not found:
        return _not_mapped(test, knowledge, denied)
    meanings = {(code.marker, code.site) for code, _, _ in found}
    if len(meanings) > 1 or denied:
        words = ", ".join(sorted(f"{coding.code} ({code.marker})" for code, coding, _ in found))
        what = f"the codes contradict each other: {words} {denied}".rstrip()
        return Refusal(ProblemCode.CODE_CONFLICT, ".code", what)
    return min(found, key=lambda item: item[0].rank)


def factor_answer(test: LabTest, knowledge: Knowledge) -> FactorAnswer | None:
    """The risk-factor question this test answers, if it is one."""
    for coding, _ in canonical_codings(test.code, knowledge):
        answer = knowledge.factor_answers.get((coding.system, coding.code))
        if answer is not None:
            return answer
    return None


def _not_mapped(test: LabTest, knowledge: Knowledge, denied: str) -> Refusal | None:
    if denied:
        return Refusal(ProblemCode.CODE_DENIED, ".code", denied)
    # The same digits stand for places in the US race and ethnicity codes (2160-0), so a bare code proves nothing.
    for coding in test.code.codings:
        if not coding.system and (LOINC, coding.code) in knowledge.codes:
            what = f"code {coding.code!r} came without a system; with {LOINC} it would be known"
            return Refusal(ProblemCode.CODE_WITHOUT_SYSTEM, ".code", what)
    return None
