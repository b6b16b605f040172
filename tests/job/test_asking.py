"""What is asked of a server: only what the assessment can use, in few questions, as far as the server can answer."""

from __future__ import annotations

from typing import Any

from adapter.fhir_server.capabilities import TypeCapabilities
from adapter.job.asking import CONTEXT, known_codes, not_asked, questions
from tests.job.building import KNOWLEDGE, PATIENT

SAYS_NOTHING: dict[str, TypeCapabilities] = {}


def listed(*names: str, **said: Any) -> dict[str, TypeCapabilities]:
    return {name: TypeCapabilities(interactions=frozenset({"search-type"}), **said) for name in names}


def test_results_are_asked_for_by_every_code_that_is_known_and_no_other() -> None:
    codes = known_codes(KNOWLEDGE)
    [question, *_] = questions(PATIENT, codes, SAYS_NOTHING)
    assert question.resource_type == "Observation"
    assert question.parameters[0] == ("patient", PATIENT)
    wanted = set(dict(question.parameters)["code"].split(","))
    assert wanted == {f"{system}|{code}" for system, code in (*KNOWLEDGE.codes, *KNOWLEDGE.factor_answers)}


def test_signs_that_mean_something_in_a_search_are_escaped() -> None:
    """A1.4"""
    site = KNOWLEDGE.model_copy(update={"codes": {("urn:site", "CTX,S|1"): None}, "factor_answers": {}})
    assert known_codes(site) == ("urn:site|CTX\\,S\\|1",)


def test_one_patient_is_one_question_a_type() -> None:
    asked = questions(PATIENT, ["a|1"], SAYS_NOTHING)
    assert [each.resource_type for each in asked] == ["Observation", *CONTEXT]
    assert all(dict(each.parameters)["patient"] == PATIENT for each in asked)


def test_a_type_that_the_server_does_not_list_is_not_asked_for_and_that_is_known() -> None:
    offers = listed("Patient", "Observation", "Condition") | {
        "Procedure": TypeCapabilities(interactions=frozenset({"read"}))
    }
    assert [each.resource_type for each in questions(PATIENT, ["a|1"], offers)] == ["Observation", "Condition"]
    assert not_asked(offers) == [name for name in CONTEXT if name != "Condition"]
    assert not_asked(SAYS_NOTHING) == []


def test_components_are_searched_too_where_the_server_can() -> None:
    both = questions(
        PATIENT, ["a|1", "b|2"], listed("Observation", search_parameters=frozenset({"patient", "combo-code"}))
    )
    assert both[0].parameters == (("patient", PATIENT), ("combo-code", "a|1,b|2"))
    apart = questions(PATIENT, ["a|1"], listed("Observation", search_parameters=frozenset({"code", "component-code"})))
    assert [dict(each.parameters).keys() - {"patient"} for each in apart] == [{"code"}, {"component-code"}]


def test_only_those_includes_are_sent_that_the_server_lists() -> None:
    """A1.9"""
    offers = listed("Observation", includes=frozenset({"Observation:specimen", "Observation:subject"}))
    [question] = questions(PATIENT, ["a|1"], offers)
    assert [value for name, value in question.parameters if name == "_include"] == ["Observation:specimen"]
    everything = listed("MedicationRequest", includes=frozenset({"*"}))
    assert ("_include", "MedicationRequest:medication") in questions(PATIENT, ["a|1"], everything)[1].parameters


def test_a_server_that_knows_only_the_subject_is_asked_by_the_subject() -> None:
    [question, *_] = questions(PATIENT, [], listed("Observation", search_parameters=frozenset({"subject"})))
    assert question.parameters == (("subject", PATIENT),)
