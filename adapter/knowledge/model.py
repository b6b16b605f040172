"""The shape of the knowledge that ``mappings/`` holds. Data without conditions: every ``if`` is in ``engines``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

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
        role: ``formation``, ``resorption``, ``mineral``, ``kidney``, ``body``, ``dxa``, ``fracture-score``, ``other``.
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
        specimen: ``serum``, ``blood``, ``urine``, ``urine-24h`` or empty; a stated specimen that contradicts is refused.
        site: For DXA: site word as in ``MarkerResult.site``.
        flags: Cautions that go with every result of this code, e.g. ``whole-blood``, ``d3-only``, ``total-intact-unknown``.
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
        assay: Words of the assay the limits belong to; empty means any.
        authority: ``site`` for a laboratory's own limits, ``fallback`` for the literature's.
        rank: Lower is tried first within one authority.
    """

    id: str
    marker: str
    low: Decimal | None = None
    high: Decimal | None = None
    purpose: str = "reference"
    sex: str = ""
    menopause: str = ""
    age_low: int | None = None
    age_high: int | None = None
    assay: str = ""
    authority: str = "fallback"
    rank: int = 0
    note: str = ""


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
        reads: ``coded`` (``yes``/``no`` list the answer codes as ``system|code``), ``count`` (present where > 0, amount kept),
            ``age`` (amount in years), ``boolean``, ``present`` (the code alone says it), ``date``.
    """

    system: str
    code: str
    factor: str
    reads: str
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    display: str = ""


class Parameter(Cited):
    """One number of the decision table."""

    id: str
    value: Decimal
    unit: str = ""
    note: str = ""


class Knowledge(Value):
    """One set of knowledge, checked and fingerprinted.

    Attributes:
        fingerprint: SHA-256 over the content, written into each RiskAssessment.
        codes: By ``(system, code)``.
        factors: By marker, then unit.
        aliases: Spelling to UCUM.
        parameters: By id (``mof_high`` …).
        rules: Source and sureness per rule id (B1 … P13, N1 …, U1 …).
        texts: By language, then key.
        systems: Aliases of code-system URLs to the canonical URL.
    """

    name: str
    version: str
    fingerprint: str
    markers: Mapping[str, Marker]
    codes: Mapping[tuple[str, str], MappedCode]
    denied: Mapping[tuple[str, str], DeniedCode]
    unit_factors: Mapping[str, Mapping[str, UnitFactor]]
    unit_aliases: Mapping[str, UnitAlias]
    systems: Mapping[str, str]
    limits: Mapping[str, tuple[Limit, ...]]
    factor_codes: tuple[FactorCode, ...]
    factor_answers: Mapping[tuple[str, str], FactorAnswer]
    parameters: Mapping[str, Parameter]
    rules: Mapping[str, Cited]
    texts: Mapping[str, Mapping[str, str]]
    sites: Mapping[str, str]

    def number(self, parameter: str) -> Decimal:
        """The value of one parameter of the decision table."""
        return self.parameters[parameter].value
