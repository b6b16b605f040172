"""From mapping files to knowledge: layers in order, later ones winning, everything checked, fingerprinted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from adapter.clinical.values import Value
from adapter.errors import MappingsInvalid
from adapter.knowledge.concept_maps import CodeLink
from adapter.knowledge.consistency import misfits
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
from adapter.knowledge.file_format import About, FactKey
from adapter.knowledge.findings import Finding
from adapter.knowledge.layers import merged
from adapter.knowledge.model import LOINC, Knowledge

_T = TypeVar("_T")
_Factors = Mapping[str, Mapping[str, UnitFactor]]


def load(files: Mapping[str, bytes]) -> Knowledge:
    """The knowledge of one folder of mappings; raises ``MappingsInvalid`` with every finding."""
    return load_layers([files])


def load_layers(layers: Sequence[Mapping[str, bytes]]) -> Knowledge:
    """The knowledge of several folders, later ones winning over earlier ones; what they change is in ``clashes``."""
    facts, clashes, findings = assembled(layers)
    about = facts.get(("about",))
    if findings or not isinstance(about, About):
        raise MappingsInvalid("\n".join(str(finding) for finding in findings))
    return _knowledge(facts, about, clashes)


def assembled(layers: Sequence[Mapping[str, bytes]]) -> tuple[dict[FactKey, object], tuple[str, ...], list[Finding]]:
    """The facts of all layers, what later layers change, and everything that is wrong, in the order of the files."""
    findings: list[Finding] = []
    layer, clashes = merged(layers, findings)
    findings.extend(misfits(layer))
    if ("about",) not in layer.facts:
        findings.append(Finding("about.toml", "about", "expected the name and version of this set of mappings"))
    return layer.facts, clashes, sorted(findings)


def _knowledge(facts: Mapping[FactKey, object], about: About, clashes: tuple[str, ...]) -> Knowledge:
    factors = _grouped(_all(facts, "unit", UnitFactor))
    codes, answers = _codes_and_answers(facts)
    qfracture = facts.get(("qfracture",))
    return Knowledge(
        name=about.name,
        version=about.version,
        fingerprint=fingerprint(facts),
        clashes=clashes,
        markers={marker.id: marker for marker in _all(facts, "marker", Marker)},
        codes=codes,
        denied={(row.system, row.code): row for row in _all(facts, "denied", DeniedCode)},
        unit_factors=factors,
        unit_aliases={row.text: row for row in _all(facts, "alias", UnitAlias)},
        systems=_named(facts, "system", str),
        limits=_limits(_all(facts, "limit", Limit), factors),
        factor_codes=tuple(_all(facts, "statement", FactorCode)),
        factor_answers=answers,
        parameters={row.id: row for row in _all(facts, "parameter", Parameter)},
        rules=_named(facts, "rule", Cited),
        texts=_texts(facts, "text"),
        sentences=_texts(facts, "sentence"),
        sites=_named(facts, "site", str),
        specimens=_named(facts, "specimen", tuple),
        qfracture=qfracture if isinstance(qfracture, QFracture) else None,
    )


def fingerprint(facts: Mapping[FactKey, object]) -> str:
    """SHA-256 over the facts themselves, so that neither comments nor the order of files and rows change it."""
    lines = sorted(f"{key!r} {_canonical(fact)}" for key, fact in facts.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _canonical(fact: object) -> str:
    if isinstance(fact, QFracture | Marker):  # they hold tables, whose order says nothing
        return json.dumps(fact.model_dump(), default=str, sort_keys=True)
    return repr(fact.__dict__ if isinstance(fact, Value) else fact)


def _all(facts: Mapping[FactKey, object], kind: str, row: type[_T]) -> list[_T]:
    return [fact for key, fact in facts.items() if key[0] == kind and isinstance(fact, row)]


def _named(facts: Mapping[FactKey, object], kind: str, row: type[_T]) -> dict[str, _T]:
    return {key[1]: fact for key, fact in facts.items() if key[0] == kind and isinstance(fact, row)}


def _texts(facts: Mapping[FactKey, object], kind: str) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for key, fact in facts.items():
        if key[0] == kind:
            texts.setdefault(key[1], {})[key[2]] = str(fact)
    return texts


def _grouped(rows: Sequence[UnitFactor]) -> dict[str, dict[str, UnitFactor]]:
    factors: dict[str, dict[str, UnitFactor]] = {}
    for row in rows:
        factors.setdefault(row.marker, {})[row.unit] = row
    return factors


def _limits(limits: Sequence[Limit], factors: _Factors) -> dict[str, tuple[Limit, ...]]:
    by_marker: dict[str, tuple[Limit, ...]] = {}
    for limit in limits:
        by_marker[limit.marker] = (*by_marker.get(limit.marker, ()), _canonical_limit(limit, factors))
    return by_marker


def _canonical_limit(limit: Limit, factors: _Factors) -> Limit:
    if not limit.stated_unit:
        return limit
    factor = factors[limit.marker][limit.stated_unit].factor
    ends = {"low": limit.low, "high": limit.high}
    return limit.model_copy(update={side: None if end is None else end * factor for side, end in ends.items()})


def _codes_and_answers(
    facts: Mapping[FactKey, object],
) -> tuple[dict[tuple[str, str], MappedCode], dict[tuple[str, str], FactorAnswer]]:
    """All codes by system and code; a local code that stands for a LOINC code means what that one means."""
    codes = {(row.system, row.code): row for row in _all(facts, "code", MappedCode)}
    answers = {(row.system, row.code): row for row in _all(facts, "question", FactorAnswer)}
    for link in _all(facts, "code", CodeLink):
        own = {"system": link.system, "code": link.code, "display": link.display}
        key = (LOINC, link.loinc)
        if key in codes:
            source = f"{link.source} (means LOINC {link.loinc})"
            codes[link.system, link.code] = codes[key].model_copy(update={**own, "source": source})
        if key in answers:
            answers[link.system, link.code] = answers[key].model_copy(update=own)
    return codes, answers
