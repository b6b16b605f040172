"""Laws of what is written, over every stratum, turnover state, plan and language, and over generated values.

"same input, same bytes"; "R4 and R5 outputs read back equal"; "decode and encode lose no digit".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.assessment import Assessment, Authority, Finding, Stratum, Turnover
from adapter.clinical.patient import Sex
from adapter.fhir.decoding import encode
from adapter.fhir.releases import Release
from adapter.fhir.transaction import as_transaction
from adapter.fhir.validation import validate
from adapter.knowledge.model import Knowledge
from adapter.problems import ProblemCode
from tests.validators.judges import assert_valid_r4
from tests.writing.building import FRAX, OSTA, PATIENT, QFRACTURE, assessment, written

PLANS = (None, *(f"P{number}" for number in range(1, 14)))
# "Never recommend a named drug, dose, start/stop". A class may be named where a flag warns of it (K1).
DRUGS = re.compile(
    r"dronate|dronic|denosumab|teriparatide|romosozumab|raloxifene|calcitonin|strontium|"
    r"阿仑|利塞|唑来|伊班|地舒单抗|特立帕肽|罗莫|雷洛昔芬|降钙素|锶|\bmg\b",
    re.IGNORECASE,
)


def every_assessment() -> Iterator[Assessment]:
    """One assessment for every stratum and plan, the turnover states in turn."""
    turnovers = list(Turnover)
    for index, (stratum, plan) in enumerate(product(Stratum, PLANS)):
        findings = () if plan is None else (Finding(rule=plan, text_key=f"plan.{plan}", values={"changes": "–"}),)
        yield assessment(
            stratum=stratum,
            turnover=turnovers[index % len(turnovers)],
            plan=plan,
            findings=(*assessment().findings[:1], *findings),
            scores=(*FRAX, OSTA, QFRACTURE)[: index % 5],
            preliminary=index % 2 == 0,
        )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_judge_finds_every_assessment_valid_in_r4(knowledge: Knowledge, language: str) -> None:
    resources = [written(knowledge, each, language=language) for each in every_assessment()]
    assert_valid_r4([as_transaction(each) for each in resources])


@pytest.mark.parametrize("release", [Release.R4, Release.R4B, Release.R5])
def test_our_own_check_finds_every_assessment_valid_in_its_release(knowledge: Knowledge, release: Release) -> None:
    for each in list(every_assessment())[::5]:
        assert validate(as_transaction(written(knowledge, each, release=release)), release) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_text_is_missing_in_either_language(knowledge: Knowledge, language: str) -> None:
    for each in every_assessment():
        assert "⟦" not in str(written(knowledge, each, language=language))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everything_that_may_have_to_be_said_has_its_words(knowledge: Knowledge, language: str) -> None:
    factors = {code.factor for code in knowledge.factor_codes}
    factors |= {answer.factor for answer in knowledge.factor_answers.values()}
    sites = {*knowledge.sites.values(), *(code.site for code in knowledge.codes.values())}
    sites |= {code.site for code in knowledge.factor_codes}
    keys = [
        *(f"stratum.{each}" for each in Stratum),
        *(f"turnover.{each}" for each in Turnover),
        *(f"authority.{each}" for each in Authority),
        *(f"sex.{each}" for each in Sex),
        *(f"problem.{each}" for each in ProblemCode),
        *(f"factor.{each}" for each in sorted(factors)),
        *(f"site.{each}" for each in sorted(sites - {""})),
    ]
    assert [key for key in keys if key not in knowledge.texts[language]] == []
    assert [marker.id for marker in knowledge.markers.values() if language not in marker.name] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_drug_and_no_dose_is_ever_named(knowledge: Knowledge, language: str) -> None:
    # What is recorded is told with its unit (``amount.``); what is suggested has no dose.
    texts = {key: said for key, said in knowledge.texts[language].items() if not key.startswith("amount.")}
    named = {key for key, said in texts.items() if DRUGS.search(said)}
    assert named == set()


def test_r4_and_r5_say_the_same(knowledge: Knowledge) -> None:
    r4, r4b, r5 = (_content(written(knowledge, release=each)) for each in (Release.R4, Release.R4B, Release.R5))
    assert r4 == r4b == r5


def test_the_same_input_gives_the_same_bytes(knowledge: Knowledge) -> None:
    assert encode(as_transaction(written(knowledge))) == encode(as_transaction(written(knowledge)))


@given(value=st.decimals(0, 100, places=3))
def test_a_probability_keeps_every_digit_down_to_the_bytes(knowledge: Knowledge, value: Decimal) -> None:
    score = msgspec.structs.replace(FRAX[0], value=value, text=str(value))
    encoded = encode(written(knowledge, assessment(scores=(score,)))[0])
    assert f'"probabilityDecimal":{value:f},'.encode() in encoded


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=2))
def test_no_probability_beyond_a_hundred_is_ever_written(knowledge: Knowledge, value: Decimal) -> None:
    score = msgspec.structs.replace(FRAX[0], value=value, text=str(value))
    prediction = written(knowledge, assessment(scores=(score,)))[0]["prediction"][1]
    assert 0 <= prediction.get("probabilityDecimal", 0) <= 100


def _content(resources: list[dict[str, Any]]) -> list[Any]:
    """What was written, without the ids (they tell the releases apart) and without where a Device keeps its names."""
    encoded = encode(resources)
    for resource in resources:
        encoded = encoded.replace(resource["id"].encode(), resource["resourceType"].encode())
    assessed, device, provenance = msgspec.json.decode(encoded)
    names = device.pop("deviceName", None) or [
        {"name": name["value"], "type": name["type"]} for name in device.pop("name")
    ]
    kind = device.pop("type")
    return [assessed, device, names, kind if isinstance(kind, list) else [kind], provenance]


def test_the_patient_is_named_by_reference_alone(knowledge: Knowledge) -> None:
    assert str(PATIENT.birth_date and PATIENT.birth_date.text) not in str(written(knowledge))
