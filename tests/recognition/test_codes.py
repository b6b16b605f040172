"""A code means a marker by system and code together, never by text (fhir.md A3.11)."""

from __future__ import annotations

import pytest

from adapter.clinical.results import Coding, Concept, LabResult, MarkerResult
from adapter.problems import Problem, ProblemCode
from adapter.recognition.codes import factor_answer
from adapter.recognition.markers import RecognitionOptions, recognise
from tests.recognition.building import LOINC, SNOMED, knowledge, lab, loinc, quantity

VALUE = quantity("52.0", "ug/L")


def understood(result: LabResult) -> MarkerResult | Problem | None:
    return recognise(result, knowledge(), RecognitionOptions())


def refusal(result: LabResult) -> ProblemCode:
    outcome = understood(result)
    assert isinstance(outcome, Problem)
    return outcome.code


def test_a_loinc_code_is_recognised_among_local_ones() -> None:
    code = Concept((Coding("urn:local", "P1NP"), Coding(LOINC, "47255-5")))
    outcome = understood(lab(code, VALUE))
    assert isinstance(outcome, MarkerResult)
    assert outcome.marker == "p1np"


def test_an_unknown_code_is_irrelevant_whatever_its_text_says() -> None:
    assert understood(lab(Concept((Coding(LOINC, "2345-7"),), "P1NP"), VALUE)) is None


def test_a_known_code_of_another_system_is_irrelevant() -> None:
    assert understood(lab(Concept((Coding("urn:oid:2.16.840.1.113883.6.238", "2160-0"),)), VALUE)) is None


def test_a_code_without_system_is_set_aside_by_name() -> None:
    assert refusal(lab(Concept((Coding("", "47255-5"),)), VALUE)) is ProblemCode.CODE_WITHOUT_SYSTEM


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        (Coding("http://loinc.org", "47255-5 "), ProblemCode.CODE_INVALID),
        (Coding("http://loinc.org", "47255-6"), ProblemCode.CODE_INVALID),
        (Coding("urn:oid:2.16.840.1.113883.6.1", "47255-6"), ProblemCode.CODE_INVALID),
        (Coding("LOINC", "47255-5"), ProblemCode.CODE_WITHOUT_SYSTEM),
        (Coding("http://purl.bioontology.org/ontology/LOINC", " 47255-5"), ProblemCode.CODE_WITHOUT_SYSTEM),
    ],
)
def test_a_code_that_is_nearly_known_is_set_aside_by_name(coding: Coding, expected: ProblemCode) -> None:
    """A3.11: nothing is guessed, and nothing vanishes"""
    assert refusal(lab(Concept((coding,)), VALUE)) is expected


@pytest.mark.parametrize("code", ["47255", "47255-55", "x-5", "\uff14\uff17255-5", "12345-0", "-5", ""])
def test_a_code_that_is_like_none_of_ours_is_irrelevant(code: str) -> None:
    assert understood(lab(Concept((Coding("http://loinc.org", code),)), VALUE)) is None


def test_every_code_of_loinc_in_the_mappings_has_its_check_digit() -> None:
    codes = [code for system, code in knowledge().codes if system == "http://loinc.org"]
    assert [understood(lab(Concept((Coding("urn:local", code),)), VALUE)) for code in codes] == [None] * len(codes)
    wrong = [f"{code[:-1]}{(int(code[-1]) + 1) % 10}" for code in codes]
    assert {refusal(lab(Concept((Coding("http://loinc.org", code),)), VALUE)) for code in wrong} == {
        ProblemCode.CODE_INVALID
    }


def test_an_alias_of_the_system_is_understood_and_flagged() -> None:
    outcome = understood(lab(Concept((Coding("urn:oid:2.16.840.1.113883.6.1", "47255-5"),)), VALUE))
    assert isinstance(outcome, MarkerResult)
    assert ProblemCode.CODE_SYSTEM_ALIAS in outcome.cautions


def test_two_codes_of_different_markers_contradict_each_other() -> None:
    assert refusal(lab(loinc("47255-5", "41171-0"), VALUE)) is ProblemCode.CODE_CONFLICT


def test_two_codes_of_one_marker_agree() -> None:
    outcome = understood(lab(loinc("47255-5", "77370-5"), VALUE))
    assert isinstance(outcome, MarkerResult)


def test_a_denied_code_is_set_aside_and_says_why() -> None:
    outcome = understood(lab("1649-3", quantity("40", "pg/mL")))
    assert isinstance(outcome, Problem)
    assert outcome.code is ProblemCode.CODE_DENIED
    assert "1,25" in outcome.what


def test_a_known_code_beside_a_denied_one_contradicts_it() -> None:
    assert refusal(lab(loinc("1989-3", "1649-3"), quantity("40", "ng/mL"))) is ProblemCode.CODE_CONFLICT


def test_a_question_about_a_risk_factor_is_known_as_one() -> None:
    answer = factor_answer(lab("72166-2").test, knowledge())
    assert answer is not None
    assert answer.factor.startswith("smoking")
    assert factor_answer(lab(Concept((Coding(SNOMED, "1"),))).test, knowledge()) is None
