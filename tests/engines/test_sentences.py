"""Every sentence the engines say has its words in every language, with the names those words ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import adapter.engines
from adapter.clinical.assessment import Assessment, Stratum, Turnover
from adapter.engines.monitoring import Response
from adapter.engines.stratum import TABLE
from tests.engines.building import assessed, ctx, factor, fracture, frax, man, p1np, result, shipped, t, woman

LANGUAGES = sorted(shipped().texts)
_SOURCES = [path.read_text(encoding="utf-8") for path in Path(adapter.engines.__file__).parent.glob("*.py")]
_LITERAL = re.compile(r'"((?:caveat|missing|score)\.[a-z0-9-]+)"')


def keys() -> set[str]:
    """Every text key that the engines can use."""
    found = {key for source in _SOURCES for key in _LITERAL.findall(source)}
    found |= {f"rule.{row.rule}" for row in TABLE} | {"rule.B10"}
    found |= {f"gate.N{number}" for number in range(1, 11)}
    found |= {f"plan.P{number}" for number in range(1, 13)}
    found |= {f"plan.P13.{response}" for response in Response} | {"plan.P13", "plan.P13.anabolic"}
    found |= {"plan.P12.under-40", "plan.P13.very-high", "caution.gate-open"}
    found |= {f"finding.turnover.unusable.{why}" for why in ("kidney", "fracture")}
    found |= {f"finding.turnover.{state}" for state in Turnover} | {f"turnover.{state}" for state in Turnover}
    found |= {f"stratum.{stratum}" for stratum in Stratum}
    flags = (
        "U1",
        "U2",
        "U3",
        "C1",
        "C1.uncorrected",
        "C2",
        "C3",
        "V1",
        "V1.high-calcium",
        "H1",
        "E1",
        "L1",
        "L1.glucocorticoid",
        "L1.both",
        "K1",
        "X1",
    )
    found |= {f"flag.{flag}" for flag in (*flags, "critical-calcium", "critical-phosphate")}
    found |= {f"caveat.osta-{category}" for category in ("low", "medium", "high")} | {"caution.more-severe-row-open"}
    words = ["fasting-unknown", "kidney-function-reduced", "fallback-limits", "osteoporosis-recorded", "low-z-score"]
    words += ["bmi-differs", "injection-stopped", "menopause-assumed", "age-beyond-frax", "one-marker-only"]
    words += [
        "look-for-cause",
        "high-calcium-low-pth",
        "ionized-without-limits",
        "vitamin-d-open",
        "collection-unproven",
        "thiazide",
    ]
    words += ["liver-disease", "hyperthyroidism", "immobilisation", "recent-surgery", "aromatase-inhibitor"]
    return found | {f"caution.{word}" for word in (*words, "anticonvulsant")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_has_its_words(language: str) -> None:
    assert sorted(keys() - shipped().texts[language].keys()) == []


def test_every_flag_of_a_code_has_its_words() -> None:
    flags = {flag for code in shipped().codes.values() for flag in code.flags} | {"approximate-factor"}
    for language in LANGUAGES:
        assert sorted(flag for flag in flags if f"caution.{flag}" not in shipped().texts[language]) == []


PATIENTS = [
    woman(12, t("-1")),
    woman(
        64,
        frax("12", "2"),
        t("-1.9"),
        p1np("88"),
        ctx("812", fasting=None),
        result("urine-calcium-24h", "12", "mmol/(24.h)"),
        result("calcium", "1.8", "mmol/L"),
        result("phosphate", "0.2", "mmol/L"),
        result("vitamin-d", "20", "nmol/L"),
        result("pth", "90", "ng/L"),
    ),
    woman(
        78,
        t("-3.4"),
        fracture("hip", since="2026-02-10"),
        fracture("", fragility=None),
        result("egfr", "32", "mL/min/{1.73_m2}"),
    ),
    woman(72, p1np("10"), ctx("50"), result("urine-calcium-creatinine", "0.9", "mmol/mmol")),
    woman(
        64, p1np("95"), ctx("400"), result("calcium", "3.2", "mmol/L"), result("urine-calcium-24h", "1", "mmol/(24.h)")
    ),
    woman(64, p1np("18"), ctx("400")),
    woman(
        69,
        p1np("50"),
        ctx("900"),
        factor("antiresorptive", since="2025-12-05"),
        history=[p1np("100", on="2025-12-01"), ctx("1000", on="2025-12-01")],
    ),
    woman(69, p1np("50"), factor("antiresorptive", since="2025-12-05"), history=[p1np("100", on="2025-12-01")]),
    woman(69, p1np("50"), factor("anabolic", since="2025-12-05"), history=[p1np("100", on="2025-12-01")]),
    man(72, frax("9", "2"), factor("dialysis"), p1np("10"), ctx("50")),
    man(92, frax("6", "9"), result("weight", "60", "kg"), result("height", "1.7", "m")),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("answer", [assessed(patient, with_qfracture=True) for patient in PATIENTS])
def test_every_sentence_gets_the_names_its_words_ask_for(answer: Assessment, language: str) -> None:
    texts = shipped().texts[language]
    for finding in answer.findings:
        assert texts[finding.text_key].format_map(finding.values)
    for key in (*answer.missing, *(caveat for score in answer.scores for caveat in score.caveats)):
        assert key in texts
