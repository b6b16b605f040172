"""Hold an explanation and what was written against what a clinician expects; say every difference in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

Json = Mapping[str, Any]
_SAME = ("stratum", "stratum_rule", "turnover", "plan", "writes")
_ANY_ORDER = ("gates", "flags")


def differences(expected: Json, explained: Json, written: Sequence[Json]) -> list[str]:
    """Everything that differs between the expectation and the answer, patient by patient.

    Args:
        expected: The content of ``expected.json``.
        explained: What ``explain --json`` says about the whole input.
        written: Every RiskAssessment that ``convert`` writes for it.
    """
    found = [f"problems: {line}" for line in _problems(expected, explained)]
    for wanted in expected.get("patients", [expected]):
        patients = [p for p in explained["patients"] if wanted.get("patient") in (None, p["patient"])]
        if len(patients) != 1:
            return [*found, f"{wanted.get('patient', 'the patient')}: explained {len(patients)} times"]
        assessments = [r for r in written if r["subject"]["reference"] == patients[0]["patient"]]
        found += [f"{patients[0]['patient']} {line}" for line in _patient(wanted, patients[0], assessments)]
    return found


def same_number(expected: str, actual: str) -> bool:
    """Whether the actual number, rounded to the digits of the expected one, is the expected one."""
    try:
        wanted, got = Decimal(expected), Decimal(actual)
        return got.quantize(wanted, ROUND_HALF_UP) == wanted
    except InvalidOperation:
        return expected == actual


def _patient(expected: Json, explained: Json, written: Sequence[Json]) -> Iterator[str]:
    for key in _SAME:
        if key in expected and expected[key] != explained[key]:
            yield f"{key}: expected {expected[key]}, got {explained[key]}"
    for key in _ANY_ORDER:
        if key in expected and sorted(expected[key]) != sorted(explained[key]):
            yield f"{key}: expected {expected[key]}, got {explained[key]}"
    for check in _CHECKS:
        yield from check(expected, explained)
    if expected.keys() & {"qualitative_risk", "probabilities", "writes"}:
        yield from _written(expected, written)


def _words(expected: Json, explained: Json) -> Iterator[str]:
    """``missing_includes`` and its like: every word must be there, or none."""
    for key, words in expected.items():
        name, _, way = key.rpartition("_")
        if way not in ("includes", "excludes", "not") or name == "problems":
            continue
        got = explained[name] if way != "not" else [explained[name]]
        for word in words:
            present = any(str(item).lower().startswith(str(word).lower()) for item in got)
            if present is not (way == "includes"):
                yield f"{key}: {word}, got {list(got)}"


def _scores(expected: Json, explained: Json) -> Iterator[str]:
    for name, value in expected.get("scores", {}).items():
        got = [text for engine, text in explained["scores"].items() if engine.lower().startswith(name)]
        if not any(same_number(value, text.split()[0]) for text in got):
            yield f"score {name}: expected {value}, got {got or 'none'} among {sorted(explained['scores'])}"


def _used(expected: Json, explained: Json) -> Iterator[str]:
    for marker, wanted in expected.get("used_markers", {}).items():
        got = [
            (u["canonical_value"], u["canonical_unit"], u["site"]) for u in explained["used"] if u["marker"] == marker
        ]
        fits = [
            same_number(wanted["value"], value)
            and wanted.get("unit", unit) == unit
            and wanted.get("site", site) == site
            for value, unit, site in got
        ]
        if not any(fits):
            yield f"{marker}: expected {dict(wanted)}, got {got or 'not used'}"


def _set_aside(expected: Json, explained: Json) -> Iterator[str]:
    """Every refusal named is there with its reason; an empty list means that nothing was refused."""
    if "set_aside" not in expected:
        return
    got = [(p["resource"], p["reason"]) for p in explained["set_aside"]]
    if not expected["set_aside"] and got:
        yield f"set_aside: expected none, got {got}"
    for wanted in expected["set_aside"]:
        if not any(r == wanted["resource"] and fnmatchcase(why, wanted.get("reason", "*")) for r, why in got):
            yield f"set_aside: expected {dict(wanted)}, got {got}"


def _problems(expected: Json, explained: Json) -> Iterator[str]:
    got = [problem["reason"] for problem in explained["problems"]]
    yield from (f"expected {word}, got {got}" for word in expected.get("problems_includes", []) if word not in got)


def _findings(expected: Json, explained: Json) -> Iterator[str]:
    texts = [finding["text"] for finding in explained["findings"]]
    if expected.get("urgent") and not any("urgent" in text or "critical" in text for text in texts):
        yield f"expected an urgent finding, got {texts}"
    if (response := expected.get("response")) and not any(text.endswith(f".{response}") for text in texts):
        yield f"response: expected {response}, got {texts}"


def _written(expected: Json, written: Sequence[Json]) -> Iterator[str]:
    if expected.get("writes") is False:
        if written:
            yield "a RiskAssessment was written where none may be"
        return
    if len(written) != 1:
        yield f"expected one RiskAssessment, got {len(written)}"
        return
    pathway, *others = written[0]["prediction"]
    codes = [coding["code"] for coding in pathway["qualitativeRisk"].get("coding", [])]
    if "qualitative_risk" in expected and codes[:1] != [r for r in [expected["qualitative_risk"]] if r]:
        yield f"qualitativeRisk: expected {expected['qualitative_risk']}, got {codes}"
    if (expected.get("stratum") == "very-high") is not ("very-high" in codes):
        yield f"very-high as the local code: {codes}"
    probabilities = [
        str(prediction["probabilityDecimal"]) for prediction in others if "probabilityDecimal" in prediction
    ]
    if "probabilities" in expected and probabilities != expected["probabilities"]:
        yield f"probabilities: expected {expected['probabilities']}, got {probabilities}"


_CHECKS: tuple[Callable[[Json, Json], Iterator[str]], ...] = (_words, _scores, _used, _set_aside, _findings)
