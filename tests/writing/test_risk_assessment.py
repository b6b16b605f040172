"""What the RiskAssessment says, element by element."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapter.clinical.assessment import Evidence, Score, Stratum
from adapter.clinical.results import Coding
from adapter.fhir.releases import Release
from adapter.fhir.risk_assessment import METHOD
from adapter.fhir.writing import write
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from tests.writing.building import EVIDENCE, FRAX, OSTA, PATIENT, QFRACTURE, assessment, factor, result, written

RISK = "http://terminology.hl7.org/CodeSystem/risk-probability"


def risk_assessment(knowledge: Knowledge, **changed: Any) -> dict[str, Any]:
    return written(knowledge, assessment(**changed))[0]


def absent(reason: str) -> dict[str, Any]:
    return {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": reason}]}


def evidence(*results: Any) -> tuple[Evidence, ...]:
    return tuple(Evidence(result=result) for result in results)


def test_nothing_is_written_where_a_gate_forbids_it(knowledge: Knowledge) -> None:
    assert written(knowledge, assessment(stratum=Stratum.NOT_APPLICABLE, writes=False)) == []


@pytest.mark.parametrize(("preliminary", "status"), [(False, "final"), (True, "preliminary")])
def test_it_is_final_only_if_every_input_is(knowledge: Knowledge, preliminary: bool, status: str) -> None:
    assert risk_assessment(knowledge, preliminary=preliminary)["status"] == status


def test_it_says_who_by_which_method_when_and_about_whom(knowledge: Knowledge) -> None:
    assessed, device, _ = written(knowledge)
    assert assessed["subject"] == {"reference": PATIENT.reference}
    assert assessed["performer"] == {"reference": f"Device/{device['id']}"}
    assert assessed["method"]["coding"][0]["code"] == METHOD
    assert assessed["method"]["coding"][0]["version"]
    assert assessed["occurrenceDateTime"] == "2026-06-15T09:30:00+00:00"


def test_the_basis_is_each_input_once_in_the_version_that_was_read(knowledge: Knowledge) -> None:
    twice = evidence(
        PATIENT,
        result("dxa-t-score", "-1.9", "1", resource="Observation/dxa", version="2"),
        result("dxa-bmd", "0.81", "g/cm2", resource="Observation/dxa", version="2"),
        factor("smoking", resource="Condition/c"),
        result("ctx", "300", "ng/L", resource="urn:uuid:0b5a4a5e-3a3a-4ac3-8d52-0e4a45a4f5a1", version="2"),
        result("p1np", "40", "ug/L", resource="https://fhir.example/r4/Observation/p", version="9"),
        result("pth", "40", "ng/L", resource="Observation/with_underscore", version="9"),
        result("pth", "41", "ng/L", resource="Observation/z", version='W/"1"'),
    )
    assert risk_assessment(knowledge, evidence=twice)["basis"] == [
        {"reference": "Observation/dxa/_history/2"},
        {"reference": "Condition/c"},
        {"reference": "urn:uuid:0b5a4a5e-3a3a-4ac3-8d52-0e4a45a4f5a1"},
        {"reference": "https://fhir.example/r4/Observation/p/_history/9"},
        {"display": "Observation/with_underscore"},
        {"reference": "Observation/z"},
    ]


def test_without_inputs_there_is_no_empty_basis(knowledge: Knowledge) -> None:
    assessed, _, provenance = written(knowledge, assessment(evidence=()))
    assert "basis" not in assessed
    assert "entity" not in provenance


@pytest.mark.parametrize(
    ("stratum", "codes"),
    [
        (Stratum.LOW, ["low"]),
        (Stratum.MODERATE, ["moderate"]),
        (Stratum.HIGH, ["high"]),
        (Stratum.VERY_HIGH, ["high", "very-high"]),
    ],
)
def test_the_category_is_the_first_prediction_and_has_no_number(
    knowledge: Knowledge, stratum: Stratum, codes: list[str]
) -> None:
    pathway = risk_assessment(knowledge, stratum=stratum)["prediction"][0]
    codings = pathway["qualitativeRisk"]["coding"]
    assert [coding["code"] for coding in codings] == codes
    assert codings[0]["system"] == RISK
    assert all(coding["system"] != RISK for coding in codings[1:])
    assert pathway["qualitativeRisk"]["text"]
    assert "probabilityDecimal" not in pathway
    assert pathway["probabilityRange"] == absent("not-applicable")


@pytest.mark.parametrize(
    ("stratum", "reason"), [(Stratum.INDETERMINATE, "unknown"), (Stratum.NOT_APPLICABLE, "not-applicable")]
)
def test_a_category_that_is_not_known_is_said_to_be_absent(knowledge: Knowledge, stratum: Stratum, reason: str) -> None:
    assert risk_assessment(knowledge, stratum=stratum)["prediction"][0]["qualitativeRisk"] == absent(reason)


def test_each_probability_keeps_its_digits_and_says_percent_engine_and_horizon(knowledge: Knowledge) -> None:
    _, major, hip = risk_assessment(knowledge)["prediction"]
    assert [str(part["probabilityDecimal"]) for part in (major, hip)] == ["12.40", "2.1"]
    assert (major["whenRange"]["low"]["value"], major["whenRange"]["high"]["value"]) == (0, 10)
    assert major["whenRange"]["high"]["code"] == "a"
    for part in ("FRAX-external", "percent", "country CN", "BMD yes"):
        assert part in major["rationale"]


def test_an_index_is_a_note_and_never_a_prediction(knowledge: Knowledge) -> None:
    egfr = Score(engine="eGFR", outcome="", value=Decimal("97.1"), text="97.1", unit="mL/min/{1.73_m2}")
    assessed = risk_assessment(knowledge, scores=(OSTA, egfr))
    assert len(assessed["prediction"]) == 1
    notes = " ".join(note["text"] for note in assessed["note"])
    assert "OSTA: -1.8." in notes
    assert "eGFR: 97.1 mL/min/{1.73_m2}." in notes


def test_what_a_score_must_not_be_read_without_stands_beside_it(knowledge: Knowledge) -> None:
    careful = msgspec.structs.replace(OSTA, caveats=("missing.falls", "disclaimer"))
    [told] = [note["text"] for note in risk_assessment(knowledge, scores=(careful,))["note"] if "OSTA" in note["text"]]
    texts = knowledge.texts["en"]
    assert told.endswith(f"{texts['missing.falls']} {texts['disclaimer']}")


@pytest.mark.parametrize("value", ["140", "-1"])
def test_what_is_no_percentage_is_told_but_not_written_as_a_probability(knowledge: Knowledge, value: str) -> None:
    impossible = msgspec.structs.replace(FRAX[0], value=Decimal(value), text=value)
    prediction = risk_assessment(knowledge, scores=(impossible,))["prediction"][1]
    assert "probabilityDecimal" not in prediction
    assert value in prediction["rationale"]


def test_qfracture_always_carries_its_disclaimer(knowledge: Knowledge) -> None:
    rationale = risk_assessment(knowledge, scores=(QFRACTURE,))["prediction"][1]["rationale"]
    assert knowledge.qfracture is not None
    assert rationale.count(knowledge.qfracture.disclaimer) == 1


def test_without_qfracture_in_the_knowledge_its_score_is_still_told(knowledge: Knowledge) -> None:
    without = knowledge.model_copy(update={"qfracture": None})
    assert "1.19 %" in risk_assessment(without, scores=(QFRACTURE,))["prediction"][1]["rationale"]


def test_the_plan_is_the_mitigation_and_no_plan_is_no_mitigation(knowledge: Knowledge) -> None:
    assert risk_assessment(knowledge)["mitigation"]
    unplanned = assessment(plan=None, findings=assessment().findings[:2])
    assert "mitigation" not in written(knowledge, unplanned)[0]


def test_what_was_set_aside_is_noted_with_its_reason_and_without_paths(knowledge: Knowledge) -> None:
    notes = " ".join(note["text"] for note in risk_assessment(knowledge)["note"])
    assert "Observation/12" in notes
    assert "no factor is known from" in notes
    assert "a.json" not in notes


def test_the_last_note_is_the_disclaimer_and_the_one_before_it_names_the_rules(knowledge: Knowledge) -> None:
    *_, rules, disclaimer = (note["text"] for note in risk_assessment(knowledge)["note"])
    assert knowledge.fingerprint in rules
    assert "clinician decides" in disclaimer


def test_what_was_used_with_a_caution_is_noted_but_not_as_set_aside(knowledge: Knowledge) -> None:
    caution = Problem(ProblemCode.UNIT_ALIAS, "", "g/cm-2 is read as g/cm2", then="the value was used", used=True)
    notes = [note["text"] for note in written(knowledge, set_aside=(caution,))[0]["note"]]
    [told] = [note for note in notes if "g/cm-2" in note]
    assert not told.startswith("Set aside")


def test_the_label_of_an_algorithm_comes_only_when_asked_for_and_beside_the_others(knowledge: Knowledge) -> None:
    restricted = Evidence(result=factor("falls", security=(Coding("urn:x", "R"),)))
    plain, labelled, both = (
        write(of, knowledge, release=Release.R4, language="en", set_aside=(), label_as_ai=label)[0]
        for of, label in (
            (assessment(), False),
            (assessment(), True),
            (assessment(evidence=(restricted,)), True),
        )
    )
    assert "meta" not in plain
    assert [label["code"] for label in labelled["meta"]["security"]] == ["AIAST"]
    assert [label["code"] for label in both["meta"]["security"]] == ["R", "AIAST"]


def test_the_labels_of_the_inputs_are_passed_on(knowledge: Knowledge) -> None:
    restricted = Coding("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R", "restricted")
    labelled = (*EVIDENCE, Evidence(result=factor("falls", security=(restricted, restricted))))
    assessed, _, provenance = written(knowledge, assessment(evidence=labelled))
    expected = [{"system": restricted.system, "code": "R", "display": "restricted"}]
    assert assessed["meta"]["security"] == expected
    assert provenance["meta"]["security"] == expected
