"""The examples on a page: what they call, what they claim to print, and whether that is so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from adapter.entrypoints.cli import main

Json = Any
_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# What a page leaves out of an output: a part of a line, or lines.
LEFT_OUT = "…"


@dataclass(frozen=True)
class Call:
    """One command on a page, and what the page says that it prints."""

    command: str
    output: str


@dataclass(frozen=True)
class Excerpt:
    """A part of a file in JSON, as a page shows it."""

    file: str
    text: str


def examples(page: str) -> Iterator[Call | Excerpt]:
    """The blocks ``console``, one call per line that begins with ``$``, and ``json`` that name a file; in order."""
    for block in _FENCE.finditer(page):
        if block["language"] == "console":
            for each in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, output = each.partition("\n")
                yield Call(command, output)
        elif block["language"] == "json" and block["file"]:
            yield Excerpt(block["file"], block["text"])


def run(command: str) -> str:
    """What ``osteo-fhir`` prints, on either stream, as a reader of the page would see it."""
    program, *arguments = shlex.split(command)
    assert program == "osteo-fhir", f"a page may only call osteo-fhir in a console block, not {program}"
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), f"{command}: {result.exception!r}"
    return result.output


def is_printed(claimed: str, printed: str) -> bool:
    """Whether a text says what was printed, from its first line to its last, apart from what it leaves out."""
    pattern = ".*?".join(map(re.escape, claimed.strip().split(LEFT_OUT)))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def is_part(claimed: Json, whole: Json) -> bool:
    """Whether everything claimed is in the whole: keys of objects, items of lists in their order, texts up to ``…``."""
    match claimed:
        case Mapping():
            return isinstance(whole, Mapping) and all(
                key in whole and is_part(value, whole[key]) for key, value in claimed.items()
            )
        case str():
            return isinstance(whole, str) and is_printed(claimed, whole)
        case Sequence():
            rest = iter(whole if isinstance(whole, list) else [])
            return all(any(is_part(each, other) for other in rest) for each in claimed)
    return bool(claimed == whole)
