"""The shape of the knowledge that ``mappings/`` holds. Data without conditions: every ``if`` is in ``engines``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from adapter.clinical.assessment import AppliedLimits, Authority, interval_text
from adapter.clinical.values import Value
from adapter.knowledge.facts import (
    Cited,
    DeniedCode,
    FactorAnswer,
    FactorCode,
    Limit,
    MappedCode,
    Marker,
    Parameter,
    QFracture,
    UnitAlias,
    UnitFactor,
)

_Asked = TypeVar("_Asked", bound=Hashable)
_Answer = TypeVar("_Answer")
# Of each question; a hospital has fewer tests, units and groups of patients.
_ANSWERS_KEPT = 8192
MARKER_SYSTEM = "urn:osteo-fhir:marker"
LOINC = "http://loinc.org"


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
