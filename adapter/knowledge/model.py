"""The shape of the knowledge that ``mappings/`` holds. Data without conditions: every ``if`` is in ``engines``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, Literal, TypeVar

from adapter.clinical.assessment import AppliedLimits, Authority, interval_text
from adapter.clinical.values import Value

_Asked = TypeVar("_Asked", bound=Hashable)
_Answer = TypeVar("_Answer")
# Of each question; a hospital has fewer tests, units and groups of patients.
_ANSWERS_KEPT = 8192
MARKER_SYSTEM = "urn:osteo-fhir:marker"
LOINC = "http://loinc.org"


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


class Knowledge(Value):
    """One set of knowledge, checked and fingerprinted.

    Attributes:
        fingerprint: SHA-256 over the content, written into each RiskAssessment.
        clashes: What a later layer of mappings changed, one sentence each.
        codes: By ``(system, code)``.
        unit_factors: By marker, then unit.
        unit_aliases: Spelling to UCUM.
        systems: Aliases of code-system URLs to the canonical URL.
        specimens: What fits each ``system|code`` of a Specimen.type, in the words of ``MappedCode.specimen``.
        sites: Skeletal site per ``system|code`` of a body site, and per lower-case phrase.
        parameters: By id (``mof_high`` …).
        rules: Source and sureness per rule id (B1 … P13, N1 …, U1 …).
        texts: By language, then key.
        sentences: By language, then the English sentence.
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
    sentences: Mapping[str, Mapping[str, str]]
    sites: Mapping[str, str]
    specimens: Mapping[str, tuple[str, ...]] = {}
    qfracture: QFracture | None = None
    clashes: tuple[str, ...] = ()

    def number(self, parameter: str) -> Decimal:
        """The value of one parameter of the decision table."""
        return self.parameters[parameter].value

    def remembered(self, answer: Callable[[_Asked, Knowledge], _Answer]) -> Callable[[_Asked], _Answer]:
        """The same function asked of this knowledge, working out each answer once; it must depend on nothing else."""
        known: Callable[[_Asked], _Answer] | None = self._remembered.get(answer)
        if known is None:
            known = self._remembered[answer] = lru_cache(maxsize=_ANSWERS_KEPT)(lambda asked: answer(asked, self))
        return known

    def __copy__(self) -> Knowledge:
        """A copy that has worked out nothing yet: what is changed in it may change every answer."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @cached_property
    def _remembered(self) -> dict[Callable[..., Any], Callable[[Any], Any]]:
        return {}

    def limits_of(self, marker: str, purpose: str) -> tuple[tuple[Limit, AppliedLimits], ...]:
        """The limits of a marker for a purpose with how they are shown; the site's own first, then by rank."""
        return self._limit_index.get((marker, purpose), ())

    @cached_property
    def _limit_index(self) -> Mapping[tuple[str, str], tuple[tuple[Limit, AppliedLimits], ...]]:
        index: dict[tuple[str, str], tuple[tuple[Limit, AppliedLimits], ...]] = {}
        rows = (limit for limits in self.limits.values() for limit in limits)
        for limit in sorted(rows, key=lambda limit: (limit.authority != "site", limit.rank)):
            key = limit.marker, limit.purpose
            index[key] = (*index.get(key, ()), (limit, self._as_applied(limit)))
        return index

    def _as_applied(self, limit: Limit) -> AppliedLimits:
        """A limit in the canonical unit, and in words as its source states it: 250 mg, not 6.23775 mmol."""
        canonical = self.markers[limit.marker].unit
        unit = limit.stated_unit or canonical
        factor = self.unit_factors[limit.marker][unit].factor
        low, high = (None if end is None else end / factor for end in (limit.low, limit.high))
        return AppliedLimits(
            low=limit.low,
            high=limit.high,
            unit=canonical,
            authority=Authority(limit.authority),
            source=limit.source,
            sureness=limit.sureness.value,
            text=interval_text(low, high, unit),
        )

    @cached_property
    def known_units(self) -> frozenset[str]:
        """Every unit that some marker has a factor for, or that an alias stands for, in our spelling."""
        by_factor = (unit for factors in self.unit_factors.values() for unit in factors)
        return frozenset((*by_factor, *(alias.unit for alias in self.unit_aliases.values())))

    def factor_codes_of(self, system: str, code: str) -> tuple[FactorCode, ...]:
        """Everything that this code states: rows for the code itself, then rows for what it begins with."""
        exact, beginnings = self._factor_index
        found = exact.get((system, code), ())
        if (system, "") not in beginnings:
            return found
        for length in range(len(code), 0, -1):
            rows = beginnings.get((system, code[:length]), ())
            found += tuple(row for row in rows if not code.startswith(row.exclude))
        return found

    @cached_property
    def _factor_index(self) -> tuple[_FactorRows, _FactorRows]:
        exact: _FactorRows = {}
        beginnings: _FactorRows = {}
        for row in self.factor_codes:
            index = beginnings if row.prefix else exact
            index[row.system, row.code] = (*index.get((row.system, row.code), ()), row)
            if row.prefix:
                beginnings.setdefault((row.system, ""), ())
        return exact, beginnings


_FactorRows = dict[tuple[str, str], tuple[FactorCode, ...]]
