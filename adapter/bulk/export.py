"""Which files make up an export: those in a folder, or those that a manifest names; and whether all are there."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from adapter.errors import ExportUnsound, InputUnreadable
from adapter.fhir.decoding import decode
from adapter.folders import walked

MANIFEST = "manifest.json"
PACKED = (".gz", ".zst")
NDJSON = tuple(f"{suffix}{packing}" for suffix in (".ndjson", ".jsonl") for packing in ("", *PACKED))
# What a manifest calls its lists of files; STU4 says "outcome" for what was "error" (hl7.org/fhir/uv/bulkdata).
_LISTS = ("output", "deleted", "error", "outcome")
# Who is assessed by that alone would seem to lack all that did not change.
_CHANGES = (
    f"{MANIFEST}: holds only what changed since a moment (_since), not what is known of a patient; put the folder "
    "beside that of the export it follows, and convert the folder that holds both"
)
_PAGED = (
    "goes on at another address (link next), and the files that are named there may be missing; fetch them all, name "
    "them in this manifest and take that link out"
)
_LARGEST_MANIFEST = 64 * 1024 * 1024


class Packing(StrEnum):
    """How the bytes of a file are packed."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


class ExportFile(msgspec.Struct, frozen=True):
    """One file of an export.

    Attributes:
        path: Where it lies.
        name: What it is called in paths to its lines.
        size, modified: Its bytes as it lies there, and its time in nanoseconds: they tell whether it was changed.
        packing: How it is packed, by its first bytes.
        count: How many resources the manifest promises; ``None`` where it does not say.
    """

    path: str
    name: str
    size: int
    modified: int
    packing: Packing
    count: int | None = None


class Export(msgspec.Struct, frozen=True):
    """All files of an export, in the order of their names, and those in the folder that are not read.

    Those are no NDJSON by their names, or the manifest does not name them.
    """

    files: tuple[ExportFile, ...]
    unlisted: tuple[str, ...] = ()


def is_export(path: Path) -> bool:
    """Whether this is a folder of NDJSON with nothing else to read, or a manifest."""
    if path.is_file():
        return path.suffix == ".json" and path.stat().st_size < _LARGEST_MANIFEST and _is_manifest(path)
    return path.is_dir() and not _other_json(path) and (is_listed(path) or any(map(_is_ndjson, _files_below(path))))


def is_listed(folder: Path) -> bool:
    """Whether the folder holds a manifest that says what belongs to the export."""
    return (folder / MANIFEST).is_file() and _is_manifest(folder / MANIFEST)


def export_at(path: Path) -> Export:
    """The files of the export in this folder, or of this manifest.

    Raises:
        ExportUnsound: A file that the manifest names is missing, is named twice, or leads out of the folder; or the
            export holds only what changed since a moment.
    """
    folder = path if path.is_dir() else path.parent
    manifest = path if path.is_file() else path / MANIFEST
    there = sorted(_files_below(folder))
    if not (path.is_file() or is_listed(folder)):
        files = dict.fromkeys(filter(_is_ndjson, there))
        return Export(tuple(_files(files)), _unread(folder, there, files))
    read = _read(manifest)
    promised, findings = _promised(folder, read)
    if "_since" in parse_qs(urlsplit(str(read.get("request", ""))).query):
        findings.append(_CHANGES)
    if findings:
        raise ExportUnsound(findings)
    return Export(tuple(_files(promised)), _unread(folder, there, promised))


def _files_below(folder: Path) -> Iterator[Path]:
    """Every file below the folder, also behind links; what is hidden is a run's own."""
    for root, _, names in walked(folder, _refuse):
        if not any(part.startswith(".") for part in Path(root).relative_to(folder).parts):
            yield from (Path(root, name) for name in names if not name.startswith("."))


def _is_ndjson(path: Path) -> bool:
    return path.name.lower().endswith(NDJSON)


def _unread(folder: Path, there: Iterable[Path], read: Container[Path]) -> tuple[str, ...]:
    others = (path for path in there if path not in read and path.name != MANIFEST)
    return tuple(str(path.relative_to(folder)) for path in others)


def _refuse(error: OSError) -> NoReturn:
    """A folder that may not be looked into would be missing from the export without a word."""
    raise ExportUnsound([f"{error.filename}: {error.strerror}"])


def _other_json(folder: Path) -> bool:
    others = (path for path in _files_below(folder) if path.name.lower().endswith((".json", ".json.gz")))
    return any(path.name != MANIFEST or not _is_manifest(path) for path in others)


def _is_manifest(path: Path) -> bool:
    try:
        return {"transactionTime", "output"} <= _read(path).keys()
    except (InputUnreadable, OSError):
        return False


def _read(path: Path) -> Mapping[str, object]:
    manifest = decode(path.read_bytes(), where=path.name)
    return manifest if isinstance(manifest, dict) else {}


def _promised(folder: Path, manifest: Mapping[str, object]) -> tuple[dict[Path, int | None], list[str]]:
    """Each file that the manifest names, with the count it promises; and what is wrong with the list."""
    promised: dict[Path, int | None] = {}
    items = [item for name in _LISTS for item in _items(manifest, name)]
    findings = [f"{MANIFEST}: {fault}" for fault in _faults(manifest, items)]
    for item in (item for item in items if isinstance(item, dict)):
        name = _file_name(item)
        path = _there(folder, name)
        if path is None:
            findings.append(f"{name or 'a file without a name'}: is named in the manifest, but is not in the folder")
        elif path in promised:
            findings.append(f"{name}: is named twice in the manifest")
        else:
            count = item.get("count")
            promised[path] = count if isinstance(count, int) else None
    return promised, findings


def _faults(manifest: Mapping[str, object], items: Iterable[object]) -> Iterator[str]:
    """Why it cannot be relied on that the manifest names all that belongs to the export."""
    for name in _LISTS:
        if not isinstance(manifest.get(name, []), list):
            yield f"{name} is no list of files"
    for item in items:
        if not isinstance(item, dict):
            yield "a file is named by something else than an object"
        elif type(item.get("count", 0)) is not int:
            yield f"{_file_name(item)}: the count is no whole number"
    if any(isinstance(link, dict) and link.get("relation") == "next" for link in _items(manifest, "link")):
        yield _PAGED


def _items(manifest: Mapping[str, object], name: str) -> list[object]:
    items = manifest.get(name)
    return items if isinstance(items, list) else []


def _file_name(item: Mapping[str, object]) -> str:
    """The name under which a file of the manifest lies in the folder: the last part of its URL.

    Only that counts, so that no name leads out of the folder.
    """
    url = item.get("url")
    words = unquote(urlsplit(url).path) if isinstance(url, str) else ""
    name = words.replace("\\", "/").rpartition("/")[2]
    return "" if name in ("", ".", "..") else name


def _there(folder: Path, name: str) -> Path | None:
    """The file of this name, packed or not, with or without the suffix that a URL may lack."""
    stems = (name, f"{name}.ndjson") if name else ()
    candidates = [folder / f"{stem}{packing}" for stem in stems for packing in ("", *PACKED)]
    return next((path for path in candidates if path.is_file()), None)


def _files(counts: Mapping[Path, int | None]) -> Iterator[ExportFile]:
    """The files with their facts; of several with one name each gets one of its own, as every other door gives them."""
    names: Counter[str] = Counter()
    for path in sorted(counts):
        about = _about(path)
        names[path.name] += 1
        name = path.name if names[path.name] == 1 else f"{path.name} ({names[path.name]})"
        yield ExportFile(str(path), name, about.st_size, about.st_mtime_ns, _packing(path), counts[path])


def _about(path: Path) -> os.stat_result:
    try:
        about = path.stat()
    except OSError as error:
        raise ExportUnsound([f"{path.name}: {error.strerror}"]) from error
    if not stat.S_ISREG(about.st_mode):
        raise ExportUnsound([f"{path.name}: is no regular file"])
    return about


def _packing(path: Path) -> Packing:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(b"\x1f\x8b"):
        return Packing.GZIP
    return Packing.ZSTD if head == b"\x28\xb5\x2f\xfd" else Packing.NONE
