"""Which marker a code means: by system and code together, never by text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from adapter.clinical.results import Coding, Concept, LabResult, LabTest
from adapter.knowledge.facts import FactorAnswer, MappedCode
from adapter.knowledge.findings import with_check_digit
from adapter.knowledge.model import Knowledge
from adapter.problems import NO_VALUES, Problem, ProblemCode

LOINC = "http://loinc.org"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why no result of a test can be used; ``element`` is the path of the cause within the result."""

    code: ProblemCode
    element: str
    sentence: str
    values: Mapping[str, str] = NO_VALUES

    def of(self, result: LabResult) -> Problem:
        """The same, said of one result."""
        where = f"{result.where}{self.element}"
        return Problem(self.code, where, self.sentence, resource=result.resource, values=self.values)


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
    denied: Refusal | None = None
    for coding, alias in canonical_codings(test.code, knowledge):
        key = (coding.system, coding.code)
        if key in knowledge.codes:
            found.append((knowledge.codes[key], coding, alias))
        elif key in knowledge.denied:
            why = {"code": coding.code, "why": knowledge.denied[key].why}
            denied = Refusal(ProblemCode.CODE_DENIED, ".code", "{code} is on the deny-list: {why}", why)
    if not found:
        return _not_mapped(test, knowledge, denied)
    meanings = {(code.marker, code.site) for code, _, _ in found}
    if len(meanings) > 1 or denied:
        codes = ", ".join(sorted(f"{coding.code} ({code.marker})" for code, coding, _ in found))
        if denied is None:
            what = "the codes contradict each other: {codes}"
            return Refusal(ProblemCode.CODE_CONFLICT, ".code", what, {"codes": codes})
        what = "the codes contradict each other: {codes} {code} is on the deny-list: {why}"
        return Refusal(ProblemCode.CODE_CONFLICT, ".code", what, {"codes": codes, **denied.values})
    return min(found, key=lambda item: item[0].rank)


def factor_answer(test: LabTest, knowledge: Knowledge) -> FactorAnswer | None:
    """The risk-factor question this test answers, if it is one."""
    for coding, _ in canonical_codings(test.code, knowledge):
        answer = knowledge.factor_answers.get((coding.system, coding.code))
        if answer is not None:
            return answer
    return None


def _not_mapped(test: LabTest, knowledge: Knowledge, denied: Refusal | None) -> Refusal | None:
    if denied:
        return denied
    # The same digits stand for places in the US race and ethnicity codes (2160-0), so a bare code proves nothing.
    for coding, _ in canonical_codings(test.code, knowledge):
        meant = with_check_digit(coding.code.strip())
        if (LOINC, meant) not in knowledge.codes:
            continue
        if coding.system == LOINC:
            what = "{code} is no code of LOINC; {meant} would be known"
            return Refusal(ProblemCode.CODE_INVALID, ".code", what, {"code": repr(coding.code), "meant": meant})
        if not coding.system:
            what = "code {code} came without a system; with {system} it would be known"
        elif "loinc" in coding.system.lower():
            what = "the system of code {code} is no spelling of {system} that is known here"
        else:
            continue
        return Refusal(ProblemCode.CODE_WITHOUT_SYSTEM, ".code", what, {"code": repr(coding.code), "system": LOINC})
    return None
