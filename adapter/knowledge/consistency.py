"""Whether the facts of all layers fit together; each misfit names the file and the key."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter

from adapter.knowledge.concept_maps import CodeLink
from adapter.knowledge.file_format import FactKey
from adapter.knowledge.findings import Finding, has_check_digit
from adapter.knowledge.layers import Layer, named
from adapter.knowledge.model import LOINC, Limit, MappedCode, Marker, UnitFactor

_CODED = ("code", "denied", "statement", "question")
_TEXT_MAX = 300


def misfits(layer: Layer) -> Iterator[Finding]:
    """Everything that does not fit, in no particular order."""
    for key, fact in layer.facts.items():
        for expected in _misfit(key, fact, layer):
            yield Finding(layer.files[key], named(key), expected)
    yield from _incomplete_texts(layer)


def placeholders(text: str) -> frozenset[str]:
    """The names a text wants filled in; raises ``ValueError`` where its braces do not match."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def _misfit(key: FactKey, fact: object, layer: Layer) -> Iterator[str]:
    if key[0] in _CODED:
        yield from _code_misfit(key, layer)
    match fact:
        case MappedCode():
            yield from _mapped_misfit(fact, layer)
        case CodeLink():
            if ("code", LOINC, fact.loinc) not in layer.facts and ("question", LOINC, fact.loinc) not in layer.facts:
                yield f"expected a LOINC code that is mapped here, not {fact.loinc}"
        case UnitFactor():
            if ("marker", fact.marker) not in layer.facts:
                yield f"expected a known marker, not {fact.marker!r}"
            if fact.factor <= 0:
                yield "expected a factor above 0"
        case Marker():
            factors = [unit for kind, *rest in layer.facts if kind == "unit" and rest[0] == fact.id for unit in rest[1:]]
            if factors and fact.unit not in factors:
                yield f"expected a factor for its own unit {fact.unit}"
        case Limit():
            yield from _limit_misfit(fact, layer)


def _code_misfit(key: FactKey, layer: Layer) -> Iterator[str]:
    kind, system, code = key[:3]
    canonical = layer.facts.get(("system", system))
    if canonical is not None:
        yield f"expected the system as {canonical}; {system} is an alias of it"
    if system == LOINC and not has_check_digit(code):
        yield f"expected a LOINC code; the check digit of {code} is wrong"
    if kind == "code" and ("denied", system, code) in layer.facts:
        yield "expected a code that is not on the deny-list"


def _mapped_misfit(row: MappedCode, layer: Layer) -> Iterator[str]:
    if ("marker", row.marker) not in layer.facts:
        yield f"expected a known marker, not {row.marker!r}"
        return
    for unit in row.units:
        if ("unit", row.marker, unit) not in layer.facts:
            yield f"expected units that {row.marker} has a factor for, not {unit!r}"


def _limit_misfit(limit: Limit, layer: Layer) -> Iterator[str]:
    if ("marker", limit.marker) not in layer.facts:
        yield f"expected a known marker, not {limit.marker!r}"
    elif limit.stated_unit and ("unit", limit.marker, limit.stated_unit) not in layer.facts:
        yield f"expected a stated_unit that {limit.marker} has a factor for, not {limit.stated_unit!r}"
    if limit.low is None and limit.high is None:
        yield "expected low, high or both"
    if limit.low is not None and limit.high is not None and limit.low > limit.high:
        yield "expected low to be at most high"


def _incomplete_texts(layer: Layer) -> Iterator[Finding]:
    languages = {key[1]: layer.files[key] for key in layer.facts if key[0] == "text"}
    for key, text in layer.facts.items():
        if key[0] != "text":
            continue
        wanted = _placeholders_or_none(str(text))
        if wanted is None:
            yield Finding(layer.files[key], named(key), "expected braces that match")
            continue
        for language in languages.keys() - {key[1]}:
            other = layer.facts.get(("text", language, key[2]))
            if other is None:
                yield Finding(languages[language], f"text {language}|{key[2]}", f"expected, since {key[1]} has it")
            elif _placeholders_or_none(str(other)) != wanted:
                yield Finding(layer.files[key], named(key), f"expected the same placeholders as in {language}")


def _placeholders_or_none(text: str) -> frozenset[str] | None:
    try:
        return placeholders(text)
    except ValueError:
        return None
