"""How knowledge is written in TOML: the sections a file may have, and the facts they state.

File names are free; the top-level tables say what a file holds. Rows that share a source are written as one group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product

from adapter.clinical.values import Value
from adapter.knowledge.facts import (
    Cited,
    DeniedCode,
    FactorAnswer,
    FactorCode,
    Limit,
    Marker,
    Parameter,
    QFracture,
    UnitAlias,
    UnitFactor,
)

# A fact is known by its kind and its key: ("limit", "p1np-men-china"), ("code", "http://loinc.org", "2731-8").
FactKey = tuple[str, ...]
Fact = tuple[FactKey, object]


class UnitRows(Cited):
    """Factors of one marker that share a source."""

    marker: str
    factor: Mapping[str, Decimal]
    approximate: bool = False

    def facts(self) -> Iterator[Fact]:
        """One factor per unit."""
        for unit, factor in self.factor.items():
            row = UnitFactor(
                marker=self.marker,
                unit=unit,
                factor=factor,
                approximate=self.approximate,
                source=self.source,
                sureness=self.sureness,
            )
            yield ("unit", self.marker, unit), row


class AliasRows(Cited):
    """Spellings of one unit that share a source."""

    unit: str
    spelled: tuple[str, ...]
    warn: bool = False

    def facts(self) -> Iterator[Fact]:
        """One alias per spelling."""
        for text in self.spelled:
            row = UnitAlias(text=text, unit=self.unit, warn=self.warn, source=self.source, sureness=self.sureness)
            yield ("alias", text), row


class DeniedRows(Cited):
    """Codes that are denied for one reason."""

    system: str
    codes: tuple[str, ...]
    why: str

    def facts(self) -> Iterator[Fact]:
        """One denied code each."""
        for code in self.codes:
            row = DeniedCode(system=self.system, code=code, why=self.why, source=self.source, sureness=self.sureness)
            yield ("denied", self.system, code), row


class StatementRows(Cited):
    """Codes that state one risk factor and share a source; ``systems`` says in which code systems they are the same."""

    factor: str
    systems: tuple[str, ...]
    codes: Mapping[str, str]
    prefix: bool = False
    exclude: tuple[str, ...] = ()
    site: str = ""
    fragility: bool | None = None
    prednisolone_mg: Decimal | None = None

    def facts(self) -> Iterator[Fact]:
        """One factor code each."""
        for system, (code, display) in product(self.systems, self.codes.items()):
            row = FactorCode(
                system=system,
                code=code,
                display=display,
                factor=self.factor,
                prefix=self.prefix,
                exclude=self.exclude,
                site=self.site,
                fragility=self.fragility,
                prednisolone_mg=self.prednisolone_mg,
                source=self.source,
                sureness=self.sureness,
            )
            yield ("statement", system, code, self.factor), row


class SystemRows(Value):
    """Aliases of one code system."""

    system: str
    aliases: tuple[str, ...]

    def facts(self) -> Iterator[Fact]:
        """The canonical URL per alias."""
        return ((("system", alias), self.system) for alias in self.aliases)


class SiteRows(Cited):
    """Codes (``system|code``) and lower-case phrases that name one skeletal site."""

    site: str
    codes: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    def facts(self) -> Iterator[Fact]:
        """The site per code and per phrase."""
        return ((("site", words), self.site) for words in (*self.codes, *self.phrases))


class SpecimenRows(Cited):
    """Codes (``system|code``) of specimen types that fit the same specimens of ours."""

    codes: tuple[str, ...]
    fits: tuple[str, ...]

    def facts(self) -> Iterator[Fact]:
        """What each code fits."""
        return ((("specimen", code), self.fits) for code in self.codes)


class About(Value):
    """The name and version of a set of knowledge."""

    name: str
    version: str


class MappingFile(Value):
    """Everything a TOML file of mappings may hold."""

    about: About | None = None
    marker: Mapping[str, Marker] = {}
    unit: tuple[UnitRows, ...] = ()
    alias: tuple[AliasRows, ...] = ()
    limit: tuple[Limit, ...] = ()
    parameter: Mapping[str, Parameter] = {}
    statement: tuple[StatementRows, ...] = ()
    question: tuple[FactorAnswer, ...] = ()
    denied: tuple[DeniedRows, ...] = ()
    rule: Mapping[str, Cited] = {}
    system: tuple[SystemRows, ...] = ()
    site: tuple[SiteRows, ...] = ()
    specimen: tuple[SpecimenRows, ...] = ()
    texts: Mapping[str, Mapping[str, str]] = {}
    sentences: Mapping[str, Mapping[str, str]] = {}
    qfracture: QFracture | None = None

    def facts(self) -> Iterator[Fact]:
        """Every fact the file states, in its order."""
        groups = (self.unit, self.alias, self.statement, self.denied, self.system, self.site, self.specimen)
        for group in groups:
            for rows in group:
                yield from rows.facts()
        for kind, table in (("marker", self.marker), ("parameter", self.parameter), ("rule", self.rule)):
            yield from (((kind, key), row) for key, row in table.items())
        yield from ((("limit", limit.id), limit) for limit in self.limit)
        yield from ((("question", answer.system, answer.code), answer) for answer in self.question)
        for kind, tables in (("text", self.texts), ("sentence", self.sentences)):
            for language, texts in tables.items():
                yield from (((kind, language, key), text) for key, text in texts.items())
        yield from (((kind,), row) for kind, row in (("about", self.about), ("qfracture", self.qfracture)) if row)
