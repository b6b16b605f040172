"""Check, show and export what the adapter knows, for ``osteo-fhir mappings``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from adapter.entrypoints.converting import several
from adapter.entrypoints.outputs import safe_name
from adapter.errors import SettingsInvalid
from adapter.fhir.decoding import encode
from adapter.knowledge.checking import check as check_layers
from adapter.knowledge.describing import Description, describe
from adapter.knowledge.export import resources
from adapter.knowledge.facts import Cited, Limit, MappedCode
from adapter.knowledge.model import Knowledge
from adapter.mapping_files import folder, load_knowledge, shipped


def check(folders: Sequence[Path]) -> tuple[list[str], str]:
    """Every finding in the folders laid over the shipped mappings, and one closing line."""
    layers = [shipped(), *(folder(path) for path in folders)]
    result = check_layers(layers)
    files = sum(len(layer) for layer in layers)
    findings, clashes = several(len(result.findings), "finding", "findings"), len(result.clashes)
    facts = f"{several(clashes, 'fact', 'facts')} replaced or denied by an overlay"
    summary = f"{several(files, 'file', 'files')} checked: {findings}, {facts}"
    return [*map(str, result.findings)], "\n".join((*(f"note: {clash}" for clash in result.clashes), summary))


def show(marker: str | None, overlays: Sequence[Path], *, language: str) -> str:
    """What is known about one marker, or the list of all.

    Raises:
        SettingsInvalid: There is no such marker.
    """
    knowledge = load_knowledge(overlays)
    if marker is None:
        return "\n".join(_listed(knowledge, language))
    known = describe(knowledge, marker)
    if known is None:
        raise SettingsInvalid(f"{marker}: no such marker; `osteo-fhir mappings show` lists them all")
    return "\n".join(_described(known, language))


def exported(out: Path, overlays: Sequence[Path]) -> dict[Path, bytes]:
    """One file per resource for a terminology server."""
    return {
        out / f"{resource['resourceType']}-{safe_name(resource['id'])}.json": msgspec.json.format(
            encode(resource), indent=2
        )
        for resource in resources(load_knowledge(overlays))
    }


def _listed(knowledge: Knowledge, language: str) -> Iterator[str]:
    yield f"{knowledge.name} {knowledge.version} ({knowledge.fingerprint})"
    for marker in knowledge.markers.values():
        yield f"{marker.id:36} {marker.unit:22} {marker.name[language]}"


def _described(known: Description, language: str) -> Iterator[str]:
    marker = known.marker
    yield f"{marker.id}: {marker.name[language]}, in {marker.unit}{_cited(marker)}"
    plausible = _span(marker.plausible_low, marker.plausible_high)
    yield f"  plausible {plausible or 'anything'}; used up to {marker.max_age_months or 'any number of'} months old"
    yield from _section("codes", [(_code(code), code) for code in known.codes])
    yield from _section("units", [(f"1 {f.unit} = {f.factor:f} {marker.unit}", f) for f in known.factors])
    yield from _section("spellings", [(f"{alias.text} means {alias.unit}", alias) for alias in known.aliases])
    yield from _section("limits", [(_limit(limit), limit) for limit in known.limits])


def _section(title: str, rows: Sequence[tuple[str, Cited]]) -> Iterator[str]:
    if rows:
        yield f"{title}:"
        yield from (f"  {words}{_cited(fact)}" for words, fact in rows)


def _code(code: MappedCode) -> str:
    return " ".join(part for part in (f"{code.system}|{code.code}", code.display, code.property, code.site) if part)


def _limit(limit: Limit) -> str:
    ages = _span(limit.age_low, limit.age_high)
    group = (limit.sex, limit.menopause and f"{limit.menopause}menopausal", ages and f"{ages} years", limit.assay)
    words = ", ".join(word for word in group if word) or "everybody"
    return f"{limit.purpose} {_span(limit.low, limit.high)} for {words} ({limit.authority})"


def _span(low: Decimal | int | None, high: Decimal | int | None) -> str:
    if low is None and high is None:
        return ""
    return f"{'' if low is None else low}–{'' if high is None else high}"


def _cited(fact: Cited) -> str:
    return f"  [{fact.sureness}: {fact.source}]"
