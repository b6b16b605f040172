"""The facts that ``mappings/`` holds, one by one, each with its source and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from adapter.clinical.values import Value


class Sureness(StrEnum):
    """How sure a fact is."""

    VERIFIED = "V"
    SECONDARY = "V2"
    OWN_KNOWLEDGE = "K"
    DECISION = "D"


class Cited(Value):
    """A fact with its citation."""

    source: str
    sureness: Sureness


class Marker(Cited):
    """One thing that is measured.

    Attributes:
        unit: Canonical UCUM unit of every understood result.
        role: ``formation``, ``formation-support``, ``resorption``, ``mineral``, ``kidney``, ``body``, ``dxa``,
            ``fracture-score`` or ``other``.
        max_age_months: Older results are set aside as too old; ``None`` means any age.
        plausible_low, plausible_high: Outside these the result is set aside as implausible (canonical unit).
    """

    id: str
    name: Mapping[str, str]
    unit: str
    role: str
    max_age_months: int | None = None
    plausible_low: Decimal | None = None
    plausible_high: Decimal | None = None


class MappedCode(Cited):
    """One code and the marker it means.

    Attributes:
        property: LOINC property (MCnc, SCnc …); a unit of another dimension is refused.
        units: Canonical spelling of the units allowed for this code, each a key of the marker's factors.
        specimen: ``serum``, ``blood``, ``urine``, ``urine-24h`` or empty; a stated one that contradicts is refused.
        site: For DXA: site word as in ``MarkerResult.site``.
        flags: Cautions that go with every result of this code: ``whole-blood``, ``d3-only``, ``total-intact-unknown`` …
        rank: Where several codes give one marker on one day, the lower rank is preferred (eGFR: CKD-EPI 2021 first).
    """

    system: str
    code: str
    display: str
    marker: str
    property: str = ""
    units: tuple[str, ...] = ()
    specimen: str = ""
    site: str = ""
    flags: tuple[str, ...] = ()
    rank: int = 0


class DeniedCode(Cited):
    """A code that looks like one of ours and is not."""

    system: str
    code: str
    why: str


class UnitFactor(Cited):
    """How many canonical units one ``unit`` is, for one marker. ``approximate`` is flagged on the result."""

    marker: str
    unit: str
    factor: Decimal
    approximate: bool = False


class UnitAlias(Cited):
    """A spelling met in the field and the UCUM code it means; ``warn`` where the spelling is wrong UCUM."""

    text: str
    unit: str
    warn: bool = False


class Limit(Cited):
    """Limits of one marker for one group, in the marker's canonical unit.

    Attributes:
        purpose: ``reference`` (L/H reading), or a named threshold such as ``hypercalciuria``.
        sex: ``female``, ``male`` or empty for both. menopause: ``post``, ``pre`` or empty.
        age_low, age_high: Full years, inclusive; ``None`` is open.
        assay: Words of the assay or laboratory the limits belong to; empty means any.
        authority: ``site`` for a laboratory's own limits, ``fallback`` for the literature's.
        rank: Lower is tried first within one authority.
        stated_unit: The unit in which the source states the limit; ``low`` and ``high`` are converted from it with the
            same factor as results are, so a result of exactly the limit in that unit is exactly the limit here.
    """

    id: str
    marker: str
    low: Decimal | None = None
    high: Decimal | None = None
    purpose: str = "reference"
    sex: Literal["female", "male", ""] = ""
    menopause: Literal["post", "pre", ""] = ""
    age_low: int | None = None
    age_high: int | None = None
    assay: str = ""
    authority: Literal["site", "fallback"] = "fallback"
    rank: int = 0
    note: str = ""
    stated_unit: str = ""


class FactorCode(Cited):
    """One code (or prefix of codes) that states a risk factor.

    Attributes:
        code: The code; with ``prefix`` true, every code that starts with it.
        fragility: For fractures: true where the code itself establishes a fragility fracture.
        site: For fractures.
        prednisolone_mg: For glucocorticoids: mg that equal 5 mg prednisolone.
    """

    system: str
    code: str
    factor: str
    display: str = ""
    prefix: bool = False
    exclude: tuple[str, ...] = ()
    site: str = ""
    fragility: bool | None = None
    prednisolone_mg: Decimal | None = None


class FactorAnswer(Cited):
    """An Observation that asks about a risk factor, and how its value answers.

    Attributes:
        reads: ``coded`` (``yes``/``no`` list the answer codes as ``system|code``), ``count`` and ``per-day`` (present
            where > 0, amount kept), ``age`` (amount in years), ``boolean``, ``present`` (the code alone says it),
            ``date``.
        unknown: Answer codes that say in so many words that it is not known.
    """

    system: str
    code: str
    factor: str
    reads: Literal["coded", "count", "per-day", "age", "boolean", "present", "date"]
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    display: str = ""


class Parameter(Cited):
    """One number of the decision table."""

    id: str
    value: Decimal
    unit: str = ""
    note: str = ""


class QFractureTerm(Value):
    """One fractional-polynomial term: ``beta * (x ** power [* ln x] - centre)`` with x = age/10 or BMI/10."""

    of: str
    power: Decimal
    centre: Decimal
    beta: Decimal
    times_ln: bool = False


class QFractureEquation(Value):
    """One of the four equations: risk in percent = 100 * (1 - survival[year] ** exp(sum of all terms)).

    Attributes:
        alcohol, ethnicity, smoking: Addend per category, by its number.
        flags: Addend per flag that is present.
        survival: Baseline survival per year, from year 0.
    """

    sex: str
    outcome: str
    terms: tuple[QFractureTerm, ...]
    alcohol: tuple[Decimal, ...]
    ethnicity: tuple[Decimal, ...]
    smoking: tuple[Decimal, ...]
    flags: Mapping[str, Decimal]
    survival: tuple[Decimal, ...]


class QFractureFlag(Value):
    """What one flag of the equations means, and the risk factors of ours that set it."""

    meaning: str
    factors: tuple[str, ...]


class QFractureExample(Value):
    """One published profile and what the original program answers for it."""

    note: str
    sex: str
    age: int
    bmi: Decimal
    year: int
    mof_percent: Decimal
    hip_percent: Decimal
    alcohol: int = 0
    ethnicity: int = 1
    smoking: int = 0
    flags: tuple[str, ...] = ()


class QFracture(Cited):
    """QFracture-2012 as published; it informs and never sets the stratum.

    Attributes:
        disclaimer: ClinRisk's words, to be shown beside every score.
        equations: ``mof-female``, ``mof-male``, ``hip-female``, ``hip-male``.
        alcohol, ethnicity, smoking: What the categories mean, by their number.
    """

    citation: str
    licence: str
    disclaimer: str
    population: str
    age_low: int
    age_high: int
    bmi_low: Decimal
    bmi_high: Decimal
    alcohol: tuple[str, ...]
    ethnicity: tuple[str, ...]
    smoking: tuple[str, ...]
    flags: Mapping[str, QFractureFlag]
    equations: Mapping[str, QFractureEquation]
    examples: tuple[QFractureExample, ...]
