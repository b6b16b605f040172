"""What people read: the same in every language, never an order, a medicine or a dose, and every sentence is there."""

from __future__ import annotations

import re

import pytest

from adapter.clinical.assessment import Stratum, Turnover
from adapter.knowledge.consistency import placeholders
from adapter.knowledge.model import Knowledge
from tests.knowledge.test_shipped import FACTORS, RULES

LANGUAGES = ("en", "zh")
# Generic names and doses; "never recommend a named drug, dose, start/stop".
FORBIDDEN = re.compile(
    r"dronate|dronic|denosumab|teriparatide|abaloparatide|romosozumab|raloxifene|calcitonin|strontium|"
    r"\bstart|\bstop|\d\s?(mg|µg|ug|IU)\b|"
    r"膦酸钠|唑来膦酸|阿仑膦酸|地舒单抗|特立帕肽|罗莫|雷洛昔芬|降钙素|锶|停用|停药|开始(使用|服用)",
    re.IGNORECASE,
)
SUGGESTS = {"en": "pathway suggests the clinician consider", "zh": "该路径建议临床医生"}
_KEYS = {"B": "rule", "P": "plan", "N": "gate"}
MISSING = (
    "frax frax-with-bmd dxa turnover-markers fasting sex birth-date menopause fracture-fragility albumin 24h-urine egfr"
)


def test_every_language_has_the_same_keys_and_placeholders(knowledge: Knowledge) -> None:
    english, chinese = (knowledge.texts[language] for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    assert [key for key in english if placeholders(english[key]) != placeholders(chinese[key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_its_sentence(language: str, knowledge: Knowledge) -> None:
    wanted = [f"{_KEYS.get(rule[0], 'flag')}.{rule}" for rule in RULES]
    wanted += [f"plan.P13.{response}" for response in ("adequate", "inadequate", "undetermined", "anabolic")]
    wanted += ["flag.critical-calcium", "flag.critical-phosphate", "disclaimer"]
    wanted += [f"stratum.{stratum}" for stratum in Stratum]
    wanted += [f"{group}.{turnover}" for turnover in Turnover for group in ("turnover", "finding.turnover")]
    wanted += [f"missing.{word}" for word in MISSING.split()]
    assert [key for key in wanted if key not in knowledge.texts[language]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_factor_and_every_caution_of_a_code_has_words(language: str, knowledge: Knowledge) -> None:
    flags = {flag for code in knowledge.codes.values() for flag in code.flags}
    wanted = [*(f"factor.{factor}" for factor in FACTORS), *(f"caution.{flag}" for flag in flags)]
    assert [key for key in wanted if key not in knowledge.texts[language]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_plan_is_short(language: str, knowledge: Knowledge) -> None:
    plans = {key: text for key, text in knowledge.texts[language].items() if key.startswith("plan.")}
    assert {key: len(text) for key, text in plans.items() if len(text) > 300} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_orders_or_names_a_medicine_or_a_dose(language: str, knowledge: Knowledge) -> None:
    texts = knowledge.texts[language].items()
    said = [key for key, text in texts if key.partition(".")[0] in ("plan", "rule", "gate", "flag", "finding")]
    assert said
    assert [key for key in said if FORBIDDEN.search(knowledge.texts[language][key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_plan_suggests_and_leaves_the_decision(language: str, knowledge: Knowledge) -> None:
    # These two say how markers are read under treatment; they suggest nothing.
    plans = {key for key in knowledge.texts[language] if key.startswith("plan.")} - {"plan.P13", "plan.P13.anabolic"}
    assert [key for key in plans if SUGGESTS[language] not in knowledge.texts[language][key]] == []


def test_the_disclaimer_says_what_it_must(knowledge: Knowledge) -> None:
    said = "Decision support; BTMs alone cannot diagnose osteoporosis; clinician decides."
    assert knowledge.texts["en"]["disclaimer"] == said


def test_clinrisks_disclaimer_is_shown_in_its_own_words(knowledge: Knowledge) -> None:
    assert knowledge.qfracture is not None
    for language in LANGUAGES:
        assert knowledge.qfracture.disclaimer in knowledge.texts[language]["score.qfracture-disclaimer"]
