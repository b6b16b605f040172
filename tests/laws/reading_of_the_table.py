"""The decision table, read a second time from the clinical page and from nothing else.

It knows only what is certain: every fact is recorded in full, in one unit, with its date. No limit or parameter of the
product is used, so that no slip in those or in the engines can hide; codes and units are held to account elsewhere.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

_P1NP = {"female": (Decimal("21.38"), Decimal("76.03")), "male": (Decimal("24.20"), Decimal("89.01"))}
_CTX = {"female": (Decimal(98), Decimal(646)), "male": (Decimal(168), Decimal(791))}


class Fracture(NamedTuple):
    """A fragility fracture: hip, vertebra, or pelvis; and how many months ago."""

    site: str
    months: int


class Facts(NamedTuple):
    """All that is recorded about one person.

    Attributes:
        postmenopausal: Whether menopause is on record; for a woman.
        t_scores: Of different regions, all of the last weeks.
        frax: MOF and hip in percent; ``None`` where there is none.
        with_bmd: Whether FRAX says that it knows the density; ``None`` where it says nothing.
        glucocorticoid: Milligrams of prednisolone a day, and for how many months.
        medicine: An antiresorptive: months since it began and since it ended, 0 where it goes on.
        p1np, ctx, fasting: In ug/L and ng/L; whether CTX was taken fasting.
        egfr: In mL/min/1.73 m2.
    """

    sex: str
    age: int
    postmenopausal: bool
    t_scores: tuple[Decimal, ...]
    fractures: tuple[Fracture, ...]
    falls: int
    frax: tuple[Decimal, Decimal] | None
    with_bmd: bool | None
    glucocorticoid: tuple[Decimal, int] | None
    medicine: tuple[int, int] | None
    p1np: Decimal | None
    ctx: Decimal | None
    fasting: bool | None
    egfr: Decimal


class Answer(NamedTuple):
    """What the table says."""

    gates: tuple[str, ...]
    stratum: str
    rule: str | None
    turnover: str
    plan: str | None


def answer(facts: Facts) -> Answer:
    """6c to 6f of the clinical page."""
    gates = _gates(facts)
    if "N1" in gates:
        return Answer(gates, "not-applicable", None, _turnover(facts, gates), None)
    stratum, rule = ("indeterminate", None) if "N4" in gates else _stratum(facts, gates)
    turnover = _turnover(facts, gates)
    return Answer(gates, stratum, rule, turnover, _plan(stratum, turnover, gates))


def _gates(facts: Facts) -> tuple[str, ...]:
    if facts.age < 18:
        return ("N1",)
    treated = facts.medicine is not None and facts.medicine[1] <= 12
    fired = {
        "N4": facts.age < 40,
        "N6": facts.egfr < 30,
        "N7": treated,
        "N9": facts.age > 90,
        "N10": facts.frax is not None and facts.frax[1] > facts.frax[0],
    }
    return tuple(gate for gate, holds in fired.items() if holds)


def _lowest_t(facts: Facts) -> Decimal | None:
    """ "T counts only where the WHO rule applies (post-menopausal women, men ≥ 50)"."""
    # Of whom nothing is recorded, a woman from 60 is taken to be postmenopausal, and one below 45 not to be.
    applies = facts.age >= 50 if facts.sex == "male" else facts.postmenopausal or facts.age >= 60
    return min(facts.t_scores, default=None) if applies else None


def _has_osteoporosis(facts: Facts, t: Decimal | None) -> bool:
    sites = {fracture.site for fracture in facts.fractures}
    low = t is not None and Decimal("-2.5") < t < Decimal("-1.0")
    return (t is not None and t <= Decimal("-2.5")) or bool(sites & {"hip", "vertebra"}) or (low and "pelvis" in sites)


def _is_very_high(facts: Facts, t: Decimal | None) -> bool:
    dose, months = facts.glucocorticoid or (Decimal(0), 0)
    begun, ended = facts.medicine or (0, 0)
    return (
        any(fracture.months <= 24 for fracture in facts.fractures)
        or len({fracture.site for fracture in facts.fractures}) > 1
        or any(ended <= fracture.months < begun for fracture in facts.fractures)
        or (dose >= Decimal("7.5") and months >= 3)
        or (t is not None and t < Decimal("-3.0"))
        or facts.falls > 1
    )


def _stratum(facts: Facts, gates: tuple[str, ...]) -> tuple[str, str]:
    t = _lowest_t(facts)
    frax = None if {"N7", "N10"} & set(gates) else facts.frax
    mof, hip = frax or (Decimal(-1), Decimal(-1))
    osteoporosis = _has_osteoporosis(facts, t)
    between = t is not None and Decimal("-2.5") < t < Decimal("-1.0")
    is_low = frax is not None and mof < 10 and hip < 3
    rows = (
        ("very-high", "B1", osteoporosis and _is_very_high(facts, t)),
        ("very-high", "B2", mof > 30 or hip > Decimal("4.5")),
        ("high", "B3", osteoporosis),
        ("high", "B4", mof >= 20 or hip >= 3),
        ("moderate", "B5", bool(facts.fractures)),
        ("moderate", "B6", mof >= 10),
        ("moderate", "B7", is_low and between and facts.with_bmd is not True),
        ("low", "B8", is_low),
        ("moderate", "B9", frax is None and between),
        ("indeterminate", "B10", True),
    )
    return next((stratum, rule) for stratum, rule, holds in rows if holds)


def _turnover(facts: Facts, gates: tuple[str, ...]) -> str:
    p1np, ctx = facts.p1np, facts.ctx
    if p1np is None and ctx is None:
        return "not-available"
    if {"N1", "N6"} & set(gates):
        return "unusable"
    if "N7" in gates:
        return "monitoring"
    if any(fracture.months <= 12 for fracture in facts.fractures):
        return "unusable"
    return _state(p1np, None if facts.fasting is False else ctx, facts.sex)


def _state(p1np: Decimal | None, ctx: Decimal | None, sex: str) -> str:
    formation = _letter(p1np, _P1NP[sex])
    match _letter(ctx, _CTX[sex]), formation:
        case "H", _:
            return "high-turnover"
        case "L", "L":
            return "low-turnover"
        case ("N", "") | ("", "N"):
            return "normal"
        case "", "":
            return "unusable"
        case ("", _) | (_, ""):
            return "undetermined"
    return {"H": "formation-only-raised", "L": "formation-low"}.get(formation, "normal")


def _letter(value: Decimal | None, limits: tuple[Decimal, Decimal]) -> str:
    if value is None:
        return ""
    return "L" if value < limits[0] else "H" if value > limits[1] else "N"


def _plan(stratum: str, turnover: str, gates: tuple[str, ...]) -> str | None:
    if "N6" in gates:
        return None
    if "N7" in gates:
        return "P13"
    low = ("low-turnover", "formation-low")
    moderate = {"high-turnover": "P3", "normal": "P4", **dict.fromkeys(low, "P5"), "formation-only-raised": "P6"}
    rows = {
        "low": "P2" if turnover == "high-turnover" else "P1",
        "moderate": moderate.get(turnover, "P7"),
        "high": {"high-turnover": "P8", **dict.fromkeys(low, "P10")}.get(turnover, "P9"),
        "very-high": "P11",
        "indeterminate": "P12",
    }
    return rows[stratum]
