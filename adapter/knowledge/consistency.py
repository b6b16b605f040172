"""Whether the facts of all layers fit together; each misfit names the file and the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import Any

from adapter.knowledge.concept_maps import CodeLink
from adapter.knowledge.facts import Limit, MappedCode, Marker, UnitFactor
from adapter.knowledge.file_format import FactKey
from adapter.knowledge.findings import Finding, has_check_digit
from adapter.knowledge.layers import Layer, named
from adapter.knowledge.model import LOINC

_CODED = ("code", "denied", "statement", "question")


def misfits(layer: Layer) -> Iterator[Finding]:
    """Everything that does not fit, in no particular order."""
    for key, fact in layer.facts.items():
        check = _CHECKS.get(type(fact))
        expected = [*check(fact, layer)] if check else []
        if key[0] in _CODED:
            expected += _code_misfit(key, layer)
        if key[0] == "sentence":
            expected += _sentence_misfit(key[2], str(fact))
        yield from (Finding(layer.files[key], named(key), each) for each in expected)
    yield from _incomplete_texts(layer)


def _code_misfit(key: FactKey, layer: Layer) -> Iterator[str]:
    kind, system, code = key[:3]
    canonical = layer.facts.get(("system", system))
    if canonical is not None:
        yield f"expected the system as {canonical}; {system} is an alias of it"
    if system == LOINC and not has_check_digit(code):
        yield f"expected a LOINC code; the check digit of {code} is wrong"
    if kind == "code" and ("denied", system, code) in layer.facts:
        yield "expected a code that is not on the deny-list"


def _sentence_misfit(english: str, translation: str) -> Iterator[str]:
    names = placeholders(translation)
    if names is None or names != placeholders(english):
        yield "expected braces that match, with the same placeholders as the English sentence"


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


def _factor_misfit(row: UnitFactor, layer: Layer) -> Iterator[str]:
    if ("marker", row.marker) not in layer.facts:
        yield f"expected a known marker, not {row.marker!r}"
    if row.factor <= 0:
        yield "expected a factor above 0"
    marker = layer.facts.get(("marker", row.marker))
    if isinstance(marker, Marker) and ("unit", row.marker, marker.unit) not in layer.facts:
        yield f"expected a factor for the marker's own unit {marker.unit} too"


def _link_misfit(link: CodeLink, layer: Layer) -> Iterator[str]:
    meant = (("code", LOINC, link.loinc), ("question", LOINC, link.loinc))
    if not any(key in layer.facts for key in meant):
        yield f"expected a LOINC code that is mapped here, not {link.loinc}"


_CHECKS: Mapping[type, Callable[[Any, Layer], Iterator[str]]] = {
    MappedCode: _mapped_misfit,
    CodeLink: _link_misfit,
    UnitFactor: _factor_misfit,
    Limit: _limit_misfit,
}


def _incomplete_texts(layer: Layer) -> Iterator[Finding]:
    """Every language says everything, and fills in the same names."""
    wanted: dict[str, dict[str, frozenset[str] | None]] = {}
    for key, text in layer.facts.items():
        if key[0] == "text":
            wanted.setdefault(key[2], {})[key[1]] = placeholders(str(text))
    files = {key[1]: layer.files[key] for key in layer.facts if key[0] == "text"}
    for text, names in wanted.items():
        for language in files.keys() - names.keys():
            yield Finding(files[language], f"text {language}|{text}", f"expected, since {min(names)} has it")
        if None in names.values():
            yield Finding(files[min(names)], f"text {text}", "expected braces that match")
        elif len(set(names.values())) > 1:
            yield Finding(files[max(names)], f"text {text}", f"expected the same placeholders in {', '.join(names)}")


def placeholders(text: str) -> frozenset[str] | None:
    """The names a text wants filled in; ``None`` where its braces do not match."""
    if "{" not in text and "}" not in text:
        return frozenset()
    try:
        return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)
    except ValueError:
        return None
