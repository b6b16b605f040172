"""QFracture-2012, for information only: the published equations, never outside the ages and body sizes they are for.

It never sets the stratum, and FRAX thresholds never apply to it. ClinRisk's disclaimer stands beside every score.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext

import msgspec

from adapter.clinical.assessment import Score
from adapter.clinical.patient import Sex
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import RiskFactor
from adapter.engines.corrections import body_mass_index_of
from adapter.engines.treatment import is_current
from adapter.knowledge.facts import QFracture, QFractureEquation
from adapter.knowledge.model import Knowledge

_ENGINE = "QFracture-2012"
_YEARS = 10
_TWO_DECIMALS = Decimal("0.01")
_OUTCOMES: Mapping[str, str] = {"mof": "major-osteoporotic-fracture", "hip": "hip-fracture"}
_CAVEATS = ("caveat.qfracture-informs", "caveat.qfracture-population", "caveat.qfracture-none-recorded")
_DISCLAIMER = "score.qfracture-disclaimer"
_DIGITS = 40
# Numbers of categories in the mappings. A record that only says that somebody smokes or drinks means the least it can.
_NOT_RECORDED = 1
_FORMER_SMOKER, _LIGHT_SMOKER = 1, 2
_DRINKS_THREE_UNITS = 3
# Units a day from which the alcohol categories 1 to 5 begin.
_ALCOHOL_FROM = (Decimal(0), Decimal(1), Decimal(3), Decimal(7), Decimal(9))
# CDC race and ethnicity (own knowledge), the system of the US Core extension, to the numbers of the categories.
_CDC = "urn:oid:2.16.840.1.113883.6.238"
_ETHNICITIES = {"2106-3": 1, "2029-7": 2, "2044-6": 3, "2030-5": 4, "2034-7": 8}
_FRACTURE_SITES = frozenset({"hip", "vertebra", "distal-forearm", "proximal-humerus"})
# A fracture, a disease or a fall once recorded stays part of the history; only medicines end.
_MEDICINES = frozenset({"glucocorticoid", "antidepressant", "anticonvulsant", "estrogen"})


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the equations ask; categories by their number in the mappings."""

    sex: Sex
    age: int
    bmi: Decimal
    alcohol: int = 0
    ethnicity: int = _NOT_RECORDED
    smoking: int = 0
    flags: frozenset[str] = frozenset()


class QFractureAnswer(msgspec.Struct, frozen=True):
    """Both scores, or none where the engine was not made for this patient; and whether that calls for flag X1."""

    scores: tuple[Score, ...] = ()
    needs_care: bool = True


def qfracture_of(profile: PatientProfile, knowledge: Knowledge) -> QFractureAnswer:
    """Both ten-year risks; none where age or body mass index are not known or lie outside the engine's range."""
    engine, body = knowledge.qfracture, body_mass_index_of(profile)
    sex, age = profile.patient.sex, profile.age
    if engine is None or body is None or age is None or sex not in (Sex.FEMALE, Sex.MALE):
        return QFractureAnswer()
    if not engine.age_low <= age <= engine.age_high or not engine.bmi_low <= body[0] <= engine.bmi_high:
        return QFractureAnswer()
    ethnicity = _ethnicity(profile)
    inputs = Inputs(
        sex=sex,
        age=age,
        bmi=body[0],
        alcohol=_alcohol(profile, knowledge),
        ethnicity=ethnicity or _NOT_RECORDED,
        smoking=_smoking(profile),
        flags=_flags(profile, engine),
    )
    risks = {name: risk_in_percent(engine.equations[f"{name}-{sex}"], inputs) for name in _OUTCOMES}
    caveats = _caveats(is_ethnicity_known=ethnicity is not None, hip_leads=risks["hip"] > risks["mof"])
    scores = tuple(_score(name, risk, inputs, caveats) for name, risk in risks.items())
    return QFractureAnswer(scores, needs_care=bool(caveats))


def risk_in_percent(equation: QFractureEquation, inputs: Inputs, years: int = _YEARS) -> Decimal:
    """The risk within so many years, in percent, unrounded."""
    with localcontext(prec=_DIGITS):
        total = equation.alcohol[inputs.alcohol] + equation.ethnicity[inputs.ethnicity]
        total += equation.smoking[inputs.smoking]
        total += sum(beta for flag, beta in equation.flags.items() if flag in inputs.flags)
        for term in equation.terms:
            x = (Decimal(inputs.age) if term.of == "age" else inputs.bmi) / 10
            transformed = x**term.power * (x.ln() if term.times_ln else 1)
            total += term.beta * (transformed - term.centre)
        return 100 * (1 - equation.survival[years] ** total.exp())


def _caveats(*, is_ethnicity_known: bool, hip_leads: bool) -> tuple[str, ...]:
    """What calls for care with these scores (X1)."""
    ethnicity = () if is_ethnicity_known else ("caveat.qfracture-ethnicity-unknown",)
    return (*ethnicity, "caveat.qfracture-hip-above-major") if hip_leads else ethnicity


def _score(name: str, risk: Decimal, inputs: Inputs, caveats: tuple[str, ...]) -> Score:
    value = risk.quantize(_TWO_DECIMALS)
    return Score(
        engine=_ENGINE,
        outcome=_OUTCOMES[name],
        value=value,
        text=f"{value:f}",
        unit="%",
        horizon_years=_YEARS,
        caveats=(*_CAVEATS, *caveats, _DISCLAIMER),
        inputs=_shown(inputs),
    )


def _shown(inputs: Inputs) -> Mapping[str, str]:
    return {
        "sex": inputs.sex.value,
        "age": str(inputs.age),
        "BMI": f"{inputs.bmi:.2f}",
        "alcohol": str(inputs.alcohol),
        "ethnicity": str(inputs.ethnicity),
        "smoking": str(inputs.smoking),
        "recorded": ", ".join(sorted(inputs.flags)) or "none",
    }


def _flags(profile: PatientProfile, engine: QFracture) -> frozenset[str]:
    recorded = {factor.kind for factor in profile.factors if _counts(factor, profile)}
    return frozenset(name for name, flag in engine.flags.items() if recorded.intersection(flag.factors))


def _counts(factor: RiskFactor, profile: PatientProfile) -> bool:
    """Whether a record sets its flag: medicines while taken, fractures of the four sites, all else once recorded."""
    if not factor.present or (factor.kind == "fracture" and factor.site not in _FRACTURE_SITES):
        return False
    return factor.kind not in _MEDICINES or is_current(factor, profile.as_of) is True


def _alcohol(profile: PatientProfile, knowledge: Knowledge) -> int:
    recorded = profile.having("alcohol")
    if not recorded:
        return 0
    drinks = recorded[0].amount
    if drinks is None:
        return _DRINKS_THREE_UNITS
    units = drinks * knowledge.number("alcohol_units") / knowledge.number("alcohol_drinks")
    return sum(units > start if start in (0, 9) else units >= start for start in _ALCOHOL_FROM)


def _smoking(profile: PatientProfile) -> int:
    if profile.having("smoking-current") and not profile.denies("smoking-current"):
        return _LIGHT_SMOKER
    return _FORMER_SMOKER if profile.having("smoking-former") else 0


def _ethnicity(profile: PatientProfile) -> int | None:
    """The category of the recorded ethnicity; ``None`` where none is recorded or it is none of the engine's."""
    recorded = profile.patient.ethnicity
    return next((_ETHNICITIES[c.code] for c in recorded if c.system == _CDC and c.code in _ETHNICITIES), None)
