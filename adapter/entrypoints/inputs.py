"""Find and read what a person named on the command line: files, folders, globs, standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from adapter.errors import InputUnreadable, SettingsInvalid
from adapter.fhir.reading import Source
from adapter.folders import walked

STANDARD_INPUT = "-"
_SUFFIXES = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
_NDJSON = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


def found(inputs: Sequence[str]) -> list[str]:
    """The files that the words on the command line mean, each once, in the order given; folders are walked by name.

    Raises:
        SettingsInvalid: A word means no file, or a folder holds none that could be FHIR JSON.
        InputUnreadable: A folder may not be looked into; what lies there would be missing without a word.
    """
    names = [name for word in inputs for name in _of_word(word)]
    return list(dict.fromkeys(names))


def read_all(names: Sequence[str]) -> Iterator[Source]:
    """The bytes of each file, one after the other."""
    for name, displayed in zip(names, display_names(names), strict=True):
        yield Source(displayed, _bytes_of(name))


def display_names(names: Sequence[str]) -> list[str]:
    """How the files are called in problems: by their names, and by as many folders as tell those of one name apart."""
    counts = Counter(Path(name).name for name in names)
    alike = [os.path.dirname(os.path.abspath(name)) for name in names if counts[Path(name).name] > 1]
    common = os.path.commonpath(alike) if alike else ""
    return [
        "standard-input"
        if name == STANDARD_INPUT
        else Path(name).name
        if counts[Path(name).name] == 1
        else Path(os.path.relpath(name, common)).as_posix()
        for name in names
    ]


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
    for way in map(str, Path(word).parents):
        _refuse_closed(folder for folder in glob.iglob(way, recursive=True) if glob.has_magic(way))
    matches = sorted(glob.glob(word, recursive=True))
    if not matches:
        raise SettingsInvalid(f"{word}: there is no such file or folder; check the path, or quote the pattern")
    return [name for match in matches for name in (_in_folder(Path(match)) if os.path.isdir(match) else [match])]


def _refuse_closed(folders: Iterable[str]) -> None:
    """Raise where one of the folders may not be looked into: a pattern by itself passes over it."""
    for folder in filter(os.path.isdir, folders):
        try:
            os.listdir(folder)
        except OSError as error:
            _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise InputUnreadable(f"{error.filename}: {error.strerror}") from error


def _in_folder(folder: Path) -> list[str]:
    paths = (os.path.join(root, name) for root, _, names in walked(folder, _refuse) for name in names)
    # A link that leads nowhere is taken too, so that reading it says so.
    names = sorted(
        path for path in paths if path.lower().endswith(_SUFFIXES) and (os.path.isfile(path) or os.path.islink(path))
    )
    if not names:
        raise SettingsInvalid(f"{folder}: the folder holds no file that ends in {', '.join(_SUFFIXES[:3])} (or .gz)")
    return names


def _bytes_of(name: str) -> bytes:
    if name == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        _refuse(error)
