"""The parts of a finding or a score: what is shown of a result, and which rule it cites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from adapter.clinical.assessment import Finding, Score
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import ClinicalTime
from adapter.knowledge.model import Knowledge

_NOTHING: Mapping[str, str] = {}
_NOT_GIVEN = "–"


def finding(
    rule: str,
    text_key: str,
    knowledge: Knowledge,
    values: Mapping[str, str] = _NOTHING,
    rests_on: Iterable[MarkerResult | RiskFactor] = (),
) -> Finding:
    """One sentence of the assessment, with where its rule comes from and the resources it rests on, each once."""
    cited = knowledge.rules.get(rule)
    return Finding(
        rule=rule,
        text_key=text_key,
        values=values,
        rests_on=tuple(dict.fromkeys([item.resource for item in rests_on])),
        source=cited.source if cited else "",
        sureness=str(cited.sureness) if cited else "",
    )


def index(
    engine: str,
    value: Decimal,
    unit: str,
    results: Mapping[str, MarkerResult],
    *,
    besides: Mapping[str, str] = _NOTHING,
    caveats: tuple[str, ...] = (),
) -> Score:
    """A number that was worked out here, shown with the results it comes from, by name, and what else went into it."""
    return Score(
        engine=engine,
        outcome="",
        value=value,
        text=f"{value:f}",
        unit=unit,
        caveats=caveats,
        rests_on=tuple([result.resource for result in results.values()]),
        inputs={**{name: shown(result) for name, result in results.items()}, **besides},
    )


def shown(result: MarkerResult) -> str:
    """A result as it came: its digits and its unit."""
    unit = "" if result.marker.startswith("dxa-") and result.marker.endswith("-score") else f" {result.received_unit}"
    return f"{result.digits}{unit}".rstrip()


def dated(result: MarkerResult) -> str:
    """A result as it came, with its date as it came."""
    return f"{shown(result)} ({day(result.effective)})"


def day(time: ClinicalTime | None) -> str:
    """The date as it was written, without the clock."""
    return time.text.split("T")[0] if time else _NOT_GIVEN
