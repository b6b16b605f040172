"""OSTA: a first look at who should have bone density measured; never a diagnosis, never a category of the pathway."""

from __future__ import annotations

from decimal import Decimal

from adapter.clinical.assessment import Score
from adapter.clinical.profile import Menopause, PatientProfile
from adapter.engines.precision import rounded
from adapter.engines.wording import index
from adapter.knowledge.model import Knowledge

_ENGINE = "OSTA"


def osta_of(profile: PatientProfile, knowledge: Knowledge) -> Score | None:
    """0.2 x (weight in kg - age in years), where both are known."""
    weight, age = profile.results.get("weight"), profile.age
    if weight is None or weight.value.exact is None or age is None:
        return None
    value = rounded(knowledge.number("osta_factor") * (weight.value.exact - age))
    # "Post-menopausal Asian women": it was made for nobody else.
    population = () if profile.menopause is Menopause.POST else ("caveat.osta-population",)
    caveats = (f"caveat.osta-{_category(value, knowledge)}", *population)
    return index(_ENGINE, value, "", {"weight": weight}, besides={"age": str(age)}, caveats=caveats)


def _category(value: Decimal, knowledge: Knowledge) -> str:
    """The Chinese cut-offs: above -1 low, -1 to -4 medium, below -4 high."""
    if value > knowledge.number("osta_low"):
        return "low"
    return "high" if value < knowledge.number("osta_high") else "medium"
