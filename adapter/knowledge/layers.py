"""One folder of mappings as facts: read file by file, with everything that is wrong said at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import ValidationError

from adapter.knowledge.concept_maps import decode_json, facts_of_concept_map
from adapter.knowledge.file_format import Fact, FactKey, MappingFile
from adapter.knowledge.findings import Finding

# Their tables are named by the id of the row.
_NAMED = ("marker", "parameter")


class Layer(msgspec.Struct):
    """The facts of one folder, and the file each of them stands in."""

    facts: dict[FactKey, object] = {}
    files: dict[FactKey, str] = {}


def merged(layers: Sequence[Mapping[str, bytes]], findings: list[Finding]) -> tuple[Layer, tuple[str, ...]]:
    """All layers as one, later ones winning, and a sentence for every fact that a later layer changes."""
    whole = Layer()
    clashes: list[str] = []
    for files in layers:
        layer = _read(files, findings)
        for key, fact in layer.facts.items():
            if key in whole.facts and whole.facts[key] != fact:
                clashes.append(f"{layer.files[key]} changes {named(key)} of {whole.files[key]}")
        clashes += _denied_from_now_on(whole, layer)
        whole.facts.update(layer.facts)
        whole.files.update(layer.files)
    return whole, tuple(clashes)


def _denied_from_now_on(whole: Layer, layer: Layer) -> Iterator[str]:
    """Take away what a later layer denies: a site may know that its laboratory uses a code for something else."""
    for key in layer.facts:
        for taken in (("code", *key[1:]), ("question", *key[1:])) if key[0] == "denied" else ():
            if taken in whole.facts:
                del whole.facts[taken]
                yield f"{layer.files[key]} denies {named(taken)} of {whole.files.pop(taken)}"


def named(key: FactKey) -> str:
    """A fact's key as its author would say it."""
    kind, *rest = key
    return f"{kind} {'|'.join(rest)}".rstrip()


def _read(files: Mapping[str, bytes], findings: list[Finding]) -> Layer:
    layer = Layer()
    for file in sorted(files):
        for key, fact in _facts_of(file, files[file], findings):
            if key in layer.facts:
                findings.append(Finding(file, named(key), f"expected once; {layer.files[key]} says it too"))
            layer.facts[key] = fact
            layer.files[key] = file
    return layer


def _facts_of(file: str, content: bytes, findings: list[Finding]) -> Iterator[Fact]:
    try:
        if file.endswith(".json"):
            return facts_of_concept_map(file, decode_json(content), findings)
        if file.endswith(".toml"):
            return _facts_of_toml(file, tomllib.loads(content.decode(), parse_float=Decimal), findings)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        findings.append(Finding(file, "syntax", f"expected readable TOML or JSON: {error}"))
        return iter(())
    findings.append(Finding(file, "name", "expected a name that ends in .toml or .json"))
    return iter(())


def _facts_of_toml(file: str, data: dict[str, Any], findings: list[Finding]) -> Iterator[Fact]:
    for kind in _NAMED:
        table = data.get(kind)
        if isinstance(table, dict):
            data[kind] = {key: {**row, "id": key} if isinstance(row, dict) else row for key, row in table.items()}
    try:
        return MappingFile.model_validate(data, strict=False).facts()
    except ValidationError as error:
        findings.extend(
            Finding(file, _place(data, details["loc"]), _expected(details["msg"])) for details in error.errors()
        )
        return iter(())


def _place(data: object, loc: tuple[int | str, ...]) -> str:
    """The path of a key, with the id of the row where it has one: ``limit[3] (p1np-men-china).low``."""
    words = ""
    for step in loc:
        data = _below(data, step)
        words += f"[{step}]" if isinstance(step, int) else f".{step}"
        if isinstance(step, int) and isinstance(data, dict):
            words += f" ({data.get('id') or data.get('marker') or data.get('factor') or data.get('unit') or '?'})"
    return words.removeprefix(".")


def _below(data: object, step: int | str) -> object:
    if isinstance(data, dict):
        return data.get(step)
    return data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None


def _expected(message: str) -> str:
    known = {
        "Extra inputs are not permitted": "is not a key that is known here",
        "Field required": "expected a value; it is missing",
    }
    return known.get(message, message)
