"""Assessments made by hand for the tests of the writer: one typical patient, and every variation by name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapter.clinical.assessment import (
    AppliedLimits,
    Assessment,
    Authority,
    Evidence,
    Finding,
    Score,
    Stratum,
    Turnover,
)
from adapter.clinical.patient import Patient, Sex
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import clinical_time
from adapter.clinical.values import Interval
from adapter.fhir.releases import Release
from adapter.fhir.writing import write
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode

AS_OF = datetime(2026, 6, 15, 9, 30, tzinfo=UTC)
PATIENT = Patient(
    key="Patient/63", reference="Patient/63", version="7", sex=Sex.FEMALE, birth_date=clinical_time("1963-02-11")
)


def result(marker: str, digits: str, received: str, *, number: int = 1, **given: Any) -> MarkerResult:
    """One result in use, its canonical unit that of the result unless told otherwise."""
    given.setdefault("unit", received)
    value = given.pop("value", None) or Interval.exactly(Decimal(digits))
    return MarkerResult(
        marker=marker,
        value=value,
        digits=digits,
        received_unit=received,
        where=f"a.json#Bundle.entry[{number}].resource",
        entry=f"a.json#Bundle.entry[{number}]",
        resource=given.pop("resource", f"Observation/{number}"),
        patient=PATIENT.key,
        code=given.pop("code", "0-0"),
        version=given.pop("version", "3"),
        effective=clinical_time(given.pop("effective", "2026-05-20T08:10:00+08:00")),
        **given,
    )


def factor(kind: str, **given: Any) -> RiskFactor:
    """One recorded risk factor."""
    place = "a.json#Bundle.entry[90]"
    return RiskFactor(
        kind=kind,
        where=f"{place}.resource",
        entry=place,
        resource=given.pop("resource", "Condition/90"),
        patient=PATIENT.key,
        code="x|y",
        **given,
    )


def limits(low: str | None, high: str | None, unit: str) -> AppliedLimits:
    """Limits from the literature."""
    return AppliedLimits(
        low=None if low is None else Decimal(low),
        high=None if high is None else Decimal(high),
        unit=unit,
        authority=Authority.FALLBACK,
        source="Zhongguo Guzhi Shusong Zazhi 2025;31(11):1616",
        sureness="V",
        text=f"{low}–{high} {unit}",
    )


EVIDENCE = (
    Evidence(result=PATIENT),
    Evidence(result=result("frax-mof", "12.4", "%", number=1)),
    Evidence(result=result("frax-hip", "2.1", "%", number=2)),
    Evidence(result=result("dxa-t-score", "-1.90", "{T-score}", number=3, site="lumbar-spine")),
    Evidence(result=result("p1np", "88.0", "ug/L", number=4), limits=limits("21.38", "76.03", "ug/L"), reading="H"),
    Evidence(
        result=result("ctx", "0.812", "ng/mL", number=5, unit="ng/L", value=Interval.exactly(Decimal("812.000"))),
        limits=limits("98", "646", "ng/L"),
        reading="H",
    ),
    Evidence(result=result("creatinine", "0.70", "mg/dL", number=6)),
    Evidence(result=result("25ohd", "14.0", "ng/mL", number=7), limits=limits("50", None, "nmol/L"), reading="L"),
    Evidence(result=factor("glucocorticoid", amount=Decimal("5"), since=clinical_time("2025-06"))),
)
FRAX = (
    Score(
        engine="FRAX-external",
        outcome="major-osteoporotic-fracture",
        value=Decimal("12.40"),
        text="12.40 %",
        unit="%",
        horizon_years=10,
        informs=False,
        rests_on=("Observation/1",),
        inputs={"BMD": "yes", "country": "CN"},
    ),
    Score(
        engine="FRAX-external",
        outcome="hip-fracture",
        value=Decimal("2.1"),
        text="2.1 %",
        unit="%",
        horizon_years=10,
        informs=False,
    ),
)
OSTA = Score(engine="OSTA", outcome="", value=Decimal("-1.8"), text="-1.8", unit="", inputs={"weight": "54 kg"})
QFRACTURE = Score(
    engine="QFracture-2012",
    outcome="hip-fracture",
    value=Decimal("1.187594"),
    text="1.19 %",
    unit="%",
    horizon_years=10,
)
SET_ASIDE = (
    Problem(
        ProblemCode.UNIT_UNKNOWN,
        "a.json#Bundle.entry[12].resource",
        "no factor is known from \"arb'U/mL\" to 'ng/L'",
        resource="Observation/12",
    ),
    Problem(ProblemCode.TOO_OLD, "a.json#Bundle.entry[13].resource", "older than 6 months", resource="Observation/13"),
)


def assessment(**changed: Any) -> Assessment:
    """A moderate risk with raised turnover, unless told otherwise."""
    given: dict[str, Any] = {
        "patient": PATIENT,
        "as_of": AS_OF,
        "stratum": Stratum.MODERATE,
        "stratum_rule": "B6",
        "turnover": Turnover.HIGH,
        "plan": "P3",
        "gates": (),
        "flags": ("V1",),
        "findings": (
            Finding(
                rule="B6",
                text_key="rule.B6",
                values={"inputs": "FRAX MOF 12.4 %"},
                rests_on=("Observation/1",),
                source="paper",
                sureness="V",
            ),
            Finding(
                rule="high-turnover", text_key="finding.turnover.high-turnover", values={"markers": "β-CTX 812 pg/mL"}
            ),
            Finding(rule="P3", text_key="plan.P3", source="paper", sureness="V"),
            Finding(
                rule="V1",
                text_key="flag.V1",
                values={"vitamin_d": "14.0 ng/mL", "date": "2026-05-20", "limit": "50 nmol/L"},
            ),
        ),
        "missing": ("missing.falls",),
        "scores": (*FRAX, OSTA),
        "evidence": EVIDENCE,
        "cautions": (),
        "preliminary": False,
        "writes": True,
        "drug_advice": True,
        "age": 63,
    }
    return Assessment(**{**given, **changed})


def written(
    knowledge: Knowledge,
    of: Assessment | None = None,
    *,
    release: Release = Release.R4,
    language: str = "en",
    set_aside: tuple[Problem, ...] = SET_ASIDE,
) -> list[dict[str, Any]]:
    """What the writer makes of an assessment, the typical one unless told otherwise."""
    assessed = of or assessment()
    told = (*set_aside, *assessed.cautions)
    return write(assessed, knowledge, release=release, language=language, set_aside=told)
