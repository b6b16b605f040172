"""The page a clinician reads, and that nothing in it is markup but ours."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.assessment import Evidence, Finding, Stratum
from adapter.clinical.values import Interval
from adapter.fhir.wording import Teller
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from tests.writing.building import FRAX, OSTA, PATIENT, assessment, limits, result, written

SHOWN = ("value", "date", "limit")
ALLOWED = {"div", "h2", "h3", "p", "b", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}


def page(knowledge: Knowledge, language: str = "en", **changed: Any) -> str:
    div: str = written(knowledge, assessment(**changed), language=language)[0]["text"]["div"]
    return div


def text(div: str) -> str:
    return " ".join(ElementTree.fromstring(div).itertext())  # noqa: S314 - our own bytes


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_its_language_and_only_elements_that_fhir_allows(knowledge: Knowledge, language: str) -> None:
    root = ElementTree.fromstring(page(knowledge, language))  # noqa: S314 - our own bytes
    assert root.get("lang") == root.get("{http://www.w3.org/XML/1998/namespace}lang") == language
    assert {element.tag.removeprefix("{http://www.w3.org/1999/xhtml}") for element in root.iter()} <= ALLOWED


@pytest.mark.parametrize(("language", "who"), [("en", "clinician decides"), ("zh", "由临床医生决定")])
def test_the_page_begins_with_category_and_plan_and_ends_with_who_decides(
    knowledge: Knowledge, language: str, who: str
) -> None:
    div = page(knowledge, language)
    assert div.index("B6") < div.index("P3") < div.index("<table>")
    assert who in div[-80:]


def test_the_page_shows_digits_as_received_with_canonical_value_limits_and_source(knowledge: Knowledge) -> None:
    shown = text(page(knowledge))
    for part in ("0.812 ng/mL = 812 ng/L", "-1.90", "21.38–76.03 ug/L", "2025;31(11):1616 (V)", "2025-06"):
        assert part in shown


def test_a_critical_value_and_a_gate_are_read_before_the_plan(knowledge: Knowledge) -> None:
    urgent = Finding(rule="critical-calcium", text_key="flag.critical-calcium", values=dict.fromkeys(SHOWN, "3.4"))
    gate = Finding(rule="N7", text_key="gate.N7")
    div = page(knowledge, findings=(*assessment().findings, urgent, gate), gates=("N7",))
    assert div.index("[critical-calcium") < div.index("[N7") < div.index("[P3") < div.index("[V1")


def test_the_page_names_what_to_be_careful_about_beside_the_reading(knowledge: Knowledge) -> None:
    careful = Evidence(result=result("p1np", "40", "ug/L", cautions=("whole-blood", "unit-alias")), reading="N")
    assert "N; measured in whole blood; Unit written otherwise" in text(page(knowledge, evidence=(careful,)))


@given(st.text(max_size=40))
def test_no_text_from_outside_becomes_markup(knowledge: Knowledge, foreign: str) -> None:
    hostile = f"<script>alert(1)</script>&{foreign}]]>"
    div = page(
        knowledge,
        evidence=(Evidence(result=result("p1np", hostile, hostile, unit="ug/L", value=Interval.exactly(Decimal(40)))),),
        cautions=(Problem(ProblemCode.UNIT_UNKNOWN, "", hostile),),
    )
    assert "<script" not in div
    assert "<script>alert(1)</script>&" in text(div)


def test_control_characters_are_replaced_everywhere(knowledge: Knowledge) -> None:
    odd = Problem(ProblemCode.UNIT_UNKNOWN, "", "unit \x00\x1b[31m")
    assessed = written(knowledge, assessment(cautions=(odd,)))[0]
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", assessed["text"]["div"] + str(assessed["note"]))


def test_no_character_from_outside_adds_a_cell_or_a_line(knowledge: Knowledge) -> None:
    odd = "1\x1f2\x1e3"
    problem = Problem(ProblemCode.UNIT_UNKNOWN, "", odd, resource=odd)
    finding = Finding(rule=odd, text_key="no-such-text", values={odd: odd}, source=odd)
    evidence = Evidence(result("p1np", "1", odd, site=odd), limits("1", "2", odd), reading=odd)
    div = page(knowledge, evidence=(evidence,), cautions=(problem,), findings=(finding,), scores=(), missing=(odd,))
    assert div.count("<td>") == 6
    # One remark for the finding and one for the caution, what is missing, and two that the tests always set aside.
    assert div.count("<li>") == 5


def test_a_text_that_is_missing_costs_no_finding(knowledge: Knowledge) -> None:
    unknown = Finding(rule="Z9", text_key="no-such-text", values={"value": "14.0 ng/mL"})
    assert "⟦no-such-text value=14.0 ng/mL⟧" in text(page(knowledge, findings=(unknown,)))


def test_a_text_that_does_not_fit_its_values_costs_no_finding(knowledge: Knowledge) -> None:
    texts = {"en": {"one": "{value} of {marker}", "two": "{", "three": "{value.real}", "four": "{}"}}
    known = knowledge.model_copy(update={"texts": texts})
    for key in texts["en"]:
        assert Teller(known, "en").say(key, {"value": "3"}) == f"⟦{key} value=3⟧"
    assert Teller(known, "fr").say("one", {}) == "⟦one ⟧"


def test_the_same_reason_is_told_once_for_all_its_results(knowledge: Knowledge) -> None:
    old = [Problem(ProblemCode.TOO_OLD, "", "older than 6 months", resource=f"Observation/{n}") for n in (2, 1)]
    notes = written(knowledge, set_aside=tuple(old))[0]["note"]
    assert sum("older than 6 months" in note["text"] for note in notes) == 1
    assert any("(Observation/1, Observation/2)" in note["text"] for note in notes)


@pytest.mark.parametrize(("language", "more"), [("en", ", and 4 more)"), ("zh", "，另有 4 项）")])
def test_of_very_many_results_the_first_are_named_and_the_others_counted(
    knowledge: Knowledge, language: str, more: str
) -> None:
    old = [Problem(ProblemCode.TOO_OLD, "", "old", resource=f"Observation/{number:02}") for number in range(14)]

    notes = written(knowledge, language=language, set_aside=tuple(old))[0]["note"]

    told = next(note["text"] for note in notes if "Observation/00" in note["text"])
    assert "Observation/09" in told
    assert "Observation/10" not in told
    assert more in told


def test_a_patient_without_age_or_sex_is_no_obstacle(knowledge: Knowledge) -> None:
    unknown = PATIENT.__class__(key="x", reference="Patient/x")
    assert "⟦" not in page(knowledge, patient=unknown, age=None, evidence=(Evidence(result=unknown),))


def test_a_chinese_page_names_inputs_sites_and_triggers_in_chinese(knowledge: Knowledge) -> None:
    grounds = Finding(
        rule="B1",
        text_key="rule.B1",
        values={
            "inputs": "T left-hip -3.4 (2026-05-20); fracture-hip (2025-11-01); fracture (–)",
            "triggers": "very-low-t, falls",
        },
    )
    scores = (msgspec.structs.replace(OSTA, inputs={"weight": "54 kg", "age": "63"}), *FRAX)
    told = assessment(stratum=Stratum.VERY_HIGH, stratum_rule="B1", findings=(grounds,), scores=scores)
    account = Teller(knowledge, "zh").account(told, ())
    assert "T 值极低，反复跌倒" in account.grounds
    assert "T 左侧髋部 -3.4（2026-05-20）；髋部骨折（2025-11-01）；骨折（–）" in account.grounds
    assert "输入：体重 54 kg，年龄 63。" in account.scores[0]
    assert "已纳入骨密度，国家 CN" in account.scores[1]
