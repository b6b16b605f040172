"""What the assessment says, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.problems import Problem


class Stratum(StrEnum):
    """Fracture-risk stratum of the joint pathway."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    VERY_HIGH = "very-high"
    INDETERMINATE = "indeterminate"
    NOT_APPLICABLE = "not-applicable"


class Turnover(StrEnum):
    """Bone-turnover state."""

    NOT_AVAILABLE = "not-available"
    UNUSABLE = "unusable"
    HIGH = "high-turnover"
    LOW = "low-turnover"
    FORMATION_ONLY_RAISED = "formation-only-raised"
    FORMATION_LOW = "formation-low"
    NORMAL = "normal"
    UNDETERMINED = "undetermined"
    MONITORING = "monitoring"


class Authority(StrEnum):
    """Whose limits a marker was read against, strongest first."""

    SITE = "site"
    REPORT = "report"
    FALLBACK = "fallback"


class AppliedLimits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The limits one marker was read against, in the marker's canonical unit, and where they come from."""

    low: Decimal | None
    high: Decimal | None
    unit: str
    authority: Authority
    source: str
    sureness: str
    text: str


def interval_text(low: Decimal | None, high: Decimal | None, unit: str) -> str:
    """Limits as people write them; one of the two may be missing."""
    if low is None:
        return "" if high is None else f"≤ {high:f} {unit}"
    return f"≥ {low:f} {unit}" if high is None else f"{low:f}–{high:f} {unit}"


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One sentence of the assessment: the rule that fired, and the values that make its text.

    Attributes:
        rule: Id in the decision table: N6, B3, P9, U1, or a caution's own word.
        text_key: Key of the sentence in ``mappings/texts.*.toml``.
        values: What is filled into the sentence; numbers as their received digits with unit, dates as received.
        rests_on: References of the resources it rests on.
        source, sureness: Where the rule comes from and how sure that is.
    """

    rule: str
    text_key: str
    values: Mapping[str, str] = {}
    rests_on: tuple[str, ...] = ()
    source: str = ""
    sureness: str = ""


class Score(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A probability or index that came with the data or from an open engine; never decides the stratum if ``informs``.

    Attributes:
        engine: ``FRAX-external``, ``OSTA``, ``QFracture-2012``, ``eGFR-CKD-EPI-2021`` …
        outcome: ``major-osteoporotic-fracture``, ``hip-fracture``, or empty for an index.
        value: Percent for a probability, the index otherwise.
        text: The value as shown.
        horizon_years: 10 for a ten-year probability, else ``None``.
        informs: True where it only informs (OSTA, QFracture).
        caveats: Text keys shown beside it (disclaimer, engine caveats).
    """

    engine: str
    outcome: str
    value: Decimal
    text: str
    unit: str
    horizon_years: int | None = None
    informs: bool = True
    caveats: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()
    inputs: Mapping[str, str] = {}


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One input in use, with the limits it was read against."""

    result: MarkerResult | RiskFactor | Patient
    limits: AppliedLimits | None = None
    reading: str = ""


class Assessment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The whole answer for one patient at one moment. Not assessable is an assessment with reasons.

    Attributes:
        plan: P1 to P13, or ``None`` where a gate leaves no plan (N1, N2, N5 …).
        gates, flags: Ids that fired, in the order of the decision table.
        findings: Every sentence, in the order to be read: gates, stratum, turnover, plan, flags, cautions.
        missing: Text keys of what would be needed and is not recorded.
        writes: False where no RiskAssessment may be written (N1: "NOT-APPLICABLE, no RiskAssessment").
        drug_advice: False where a gate suppresses every drug recommendation (N6).
    """

    patient: Patient
    as_of: datetime
    stratum: Stratum
    stratum_rule: str | None
    turnover: Turnover
    plan: str | None
    gates: tuple[str, ...]
    flags: tuple[str, ...]
    findings: tuple[Finding, ...]
    missing: tuple[str, ...]
    scores: tuple[Score, ...]
    evidence: tuple[Evidence, ...]
    cautions: tuple[Problem, ...]
    preliminary: bool
    writes: bool
    drug_advice: bool
    age: int | None
