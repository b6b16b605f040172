"""Find and read what a person named on the command line: files, folders, globs, standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from adapter.errors import InputUnreadable, SettingsInvalid
from adapter.fhir.reading import Source

STANDARD_INPUT = "-"
_SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
_NDJSON = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


def found(inputs: Sequence[str]) -> list[str]:
    """The files that the words on the command line mean, each once, in the order given; folders are walked by name.

    Raises:
        SettingsInvalid: A word means no file, or a folder holds none that could be FHIR JSON.
    """
    names = [name for word in inputs for name in _of_word(word)]
    return list(dict.fromkeys(names))


def read_all(names: Iterable[str]) -> Iterator[Source]:
    """The bytes of each file, one after the other."""
    for name in names:
        yield Source(display_name(name), _bytes_of(name))


def display_name(name: str) -> str:
    """How a file is called in problems: its name without the folder it lies in."""
    return "standard-input" if name == STANDARD_INPUT else Path(name).name


def is_ndjson(name: str) -> bool:
    """Whether the name says that the file holds one resource a line."""
    return name.lower().endswith(_NDJSON)


def _of_word(word: str) -> list[str]:
    if word == STANDARD_INPUT:
        return [word]
    # os.path, for pathlib raises where a name is too long to be one.
    if os.path.isdir(word):
        return _in_folder(Path(word))
    if os.path.isfile(word):
        return [word]
    matches = sorted(glob.glob(word, recursive=True))
    if not matches:
        raise SettingsInvalid(f"{word}: there is no such file or folder; check the path, or quote the pattern")
    return [name for match in matches for name in (_in_folder(Path(match)) if os.path.isdir(match) else [match])]


def _in_folder(folder: Path) -> list[str]:
    names = sorted(str(path) for path in folder.rglob("*") if path.is_file() and path.name.lower().endswith(_SUFFIXES))
    if not names:
        raise SettingsInvalid(f"{folder}: the folder holds no file that ends in {', '.join(_SUFFIXES[:3])} (or .gz)")
    return names


def _bytes_of(name: str) -> bytes:
    if name == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InputUnreadable(f"{name}: {error.strerror}") from error
