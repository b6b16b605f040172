"""Patients for the tests of the engines, said in as few words as a clinician needs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from adapter.clinical.assessment import Assessment, Finding
from adapter.clinical.patient import Patient, Sex
from adapter.clinical.profile import Menopause, PatientProfile
from adapter.clinical.results import Coding, Concept, MarkerResult, ReferenceRange, ReportedQuantity, RiskFactor
from adapter.clinical.time import ClinicalTime, clinical_time
from adapter.clinical.values import Interval
from adapter.engines.joint_pathway import assess
from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge

AS_OF = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LAB_DAY = "2026-06-02"
ASSAY = "ECLIA, total P1NP / Laboratory"
_INTERVALS = {
    "": lambda number: Interval.exactly(number),
    "<": lambda number: Interval(None, number, high_open=True),
    "<=": lambda number: Interval(None, number),
    ">": lambda number: Interval(number, None, low_open=True),
    ">=": lambda number: Interval(number, None),
}


@cache
def shipped() -> Knowledge:
    """The knowledge that is shipped."""
    return load_knowledge()


def changed(**parts: Any) -> Knowledge:
    """The shipped knowledge with some parts replaced."""
    return Knowledge(**{**{name: getattr(shipped(), name) for name in Knowledge.model_fields}, **parts})


def at(text: str | None) -> ClinicalTime | None:
    """A time as written."""
    return clinical_time(text) if text else None


def result(marker: str, digits: str, unit: str = "1", *, on: str | None = LAB_DAY, **given: Any) -> MarkerResult:
    """One result as received, converted with the shipped factors; ``digits`` may begin with a comparator."""
    number = digits.lstrip("<>=")
    known = shipped().unit_factors.get(marker, {}).get(unit)
    factor = known.factor if known else Decimal(1)
    name = given.pop("id", marker + given.get("site", ""))
    given.setdefault("version", "1")
    return MarkerResult(
        marker=marker,
        value=_INTERVALS[digits.removesuffix(number)](Decimal(number)).scaled(factor),
        unit=shipped().markers[marker].unit,
        digits=digits,
        received_unit=unit,
        where=f"Bundle.entry[{name}].resource",
        entry=f"Bundle.entry[{name}]",
        resource=f"Observation/{name}",
        patient="Patient/1",
        code=given.pop("code", "0-0"),
        effective=at(on),
        **given,
    )


def ctx(digits: str, unit: str = "ng/L", *, fasting: bool | None = True, **given: Any) -> MarkerResult:
    """A CTX, fasting unless told otherwise."""
    return result("ctx", digits, unit, fasting=fasting, **{"assay": ASSAY, **given})


def p1np(digits: str, **given: Any) -> MarkerResult:
    """A P1NP."""
    return result("p1np", digits, "ug/L", **{"assay": ASSAY, **given})


def t(digits: str, site: str = "lumbar-spine", **given: Any) -> MarkerResult:
    """A T-score."""
    return result("dxa-t-score", digits, site=site, **given)


def frax(mof: str | None, hip: str | None, *, bmd: bool | None = True, on: str = "2026-05-20", **given: Any) -> Any:
    """The two probabilities of FRAX, or one of them."""
    halves = (("frax-mof", mof), ("frax-hip", hip))
    return [result(name, digits, "%", with_bmd=bmd, on=on, **given) for name, digits in halves if digits is not None]


def factor(kind: str, *, since: str | None = None, until: str | None = None, **given: Any) -> RiskFactor:
    """A recorded risk factor."""
    name = given.pop("id", kind + given.get("site", ""))
    return RiskFactor(
        kind=kind,
        where=f"Bundle.entry[{name}].resource",
        entry=f"Bundle.entry[{name}]",
        resource=f"Condition/{name}",
        patient="Patient/1",
        code=given.pop("code", f"x|{name}"),
        since=at(since),
        until=at(until),
        **given,
    )


def fracture(site: str, *, since: str | None = None, fragility: bool | None = True, **given: Any) -> RiskFactor:
    """A fracture, of low trauma unless told otherwise."""
    return factor("fracture", site=site, since=since, fragility=fragility, **given)


def reference(low: str | None, high: str | None, unit: str, **given: Any) -> ReferenceRange:
    """A reference range as received."""

    def end(digits: str | None) -> ReportedQuantity | None:
        return None if digits is None else ReportedQuantity(Decimal(digits), unit=unit)

    return ReferenceRange(low=end(low), high=end(high), **given)


def concept(code: str, system: str = "http://example.org", text: str = "") -> Concept:
    """A concept of one coding."""
    return Concept((Coding(system, code),), text)


def woman(age: int | None, *given: Any, menopause: Menopause = Menopause.POST, **more: Any) -> PatientProfile:
    """A woman after menopause, and what is recorded about her."""
    return profile(Sex.FEMALE, age, *given, menopause=menopause, **more)


def man(age: int | None, *given: Any, **more: Any) -> PatientProfile:
    """A man, and what is recorded about him."""
    return profile(Sex.MALE, age, *given, menopause=Menopause.NOT_APPLICABLE, **more)


def profile(
    sex: Sex | None,
    age: int | None,
    *given: Any,
    menopause: Menopause = Menopause.NOT_APPLICABLE,
    assumed: bool = False,
    history: Iterable[MarkerResult] = (),
    preliminary: bool = False,
    **about: Any,
) -> PatientProfile:
    """A profile of what is given: results and factors in any order, lists of them included."""
    items = [item for one in given for item in (one if isinstance(one, list) else [one])]
    results = [item for item in items if isinstance(item, MarkerResult)]
    past: dict[str, tuple[MarkerResult, ...]] = {}
    for item in (*history, *results):
        past[item.marker] = (*past.get(item.marker, ()), item)
    return PatientProfile(
        patient=Patient(key="Patient/1", reference="Patient/1", sex=sex, **about),
        as_of=AS_OF,
        age=age,
        menopause=menopause,
        menopause_assumed=assumed,
        results={item.marker: item for item in results if not item.marker.startswith("dxa-")},
        dxa=tuple(item for item in results if item.marker.startswith("dxa-")),
        history=past,
        factors=tuple(item for item in items if isinstance(item, RiskFactor)),
        preliminary=preliminary,
    )


def assessed(profile: PatientProfile, **options: Any) -> Assessment:
    """The assessment by the shipped knowledge."""
    return assess(profile, shipped(), **options)


def row(assessment: Assessment) -> tuple[str, str | None, str, str | None]:
    """Stratum, its rule, turnover and plan."""
    return assessment.stratum.value, assessment.stratum_rule, assessment.turnover.value, assessment.plan


def sentence(assessment: Assessment, rule: str) -> Finding | None:
    """The first finding of this rule."""
    return next((finding for finding in assessment.findings if finding.rule == rule), None)


def words(assessment: Assessment) -> set[str]:
    """The cautions among the findings."""
    return {f.rule for f in assessment.findings if f.text_key.startswith("caution.")}


def score(assessment: Assessment, engine: str, outcome: str = "") -> str | None:
    """The score of this engine as shown."""
    return next((s.text for s in assessment.scores if (s.engine, s.outcome) == (engine, outcome)), None)


def reading(assessment: Assessment, marker: str) -> str | None:
    """How a marker in use reads; ``None`` where it is not in use."""
    found = [e for e in assessment.evidence if isinstance(e.result, MarkerResult) and e.result.marker == marker]
    return found[-1].reading if found else None


def used(assessment: Assessment) -> list[str]:
    """The resources in use, the patient aside."""
    return [e.result.resource for e in assessment.evidence if not isinstance(e.result, Patient)]


def flags(*given: Any, of: Any = woman, age: int = 64) -> tuple[str, ...]:
    """The flags of a woman of 64 with this record, or of somebody else."""
    return assessed(of(age, *given)).flags
