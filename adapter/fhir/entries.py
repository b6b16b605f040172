"""Take bytes apart into entries: one resource each, with its place; one broken entry never costs its neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from adapter.errors import InputUnreadable
from adapter.fhir.addresses import literal
from adapter.fhir.compact import compacted, items_of, spelled_out, unique_parts
from adapter.fhir.decoding import Json, decode, unpack
from adapter.fhir.entry import Entry, holding, holding_plain, object_at, text_at
from adapter.fhir.plain import opened_bundle, plain_observation, plain_observations, says_nothing
from adapter.fhir.plain_shapes import ReadEntry
from adapter.problems import NO_VALUES, Problem, ProblemCode, Severity

_BUNDLE = b'"Bundle"'
_HEAD = b'{"resourceType":"Bundle"'
# So few that what one of them needs lies where that of another just was.
_LINES_AT_ONCE = 32
_NOTHING = msgspec.Raw(b"null")
_NDJSON = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def split(data: bytes, name: str, *, carefully: bool = False) -> list[Entry]:
    """All entries of one source: a Bundle of any type, a single resource, or NDJSON; each may be packed by gzip.

    Args:
        data: What came in.
        name: What the source is called in paths.
        carefully: Whether to decode everything by the careful lane, even Observations whose bytes are plain.

    Raises:
        InputUnreadable: Nothing of the source can be read.
    """
    data = unpack(data, where=name).removeprefix(_BYTE_ORDER_MARK)
    refuse_strangers(data, name)
    if _is_ndjson(data, name):
        return _of_lines(data, name, carefully=carefully)
    return _of_bytes(data, name, carefully=carefully, by_itself=False)


def refuse_strangers(data: bytes, name: str) -> None:
    """Raise ``InputUnreadable`` where a file begins like a zip, a PDF, a page or XML."""
    if data.startswith(b"PK\x03\x04"):
        raise InputUnreadable("this is a zip archive; unpack it first", where=name)
    if data.startswith(b"%PDF-"):
        raise InputUnreadable("this is a PDF, and no FHIR", where=name)
    start = data[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputUnreadable("this is an HTML page, perhaps of a login or a proxy, and no FHIR", where=name)
    if start.startswith(b"<"):
        raise InputUnreadable("FHIR in XML is not supported; ask for application/fhir+json", where=name)


def _is_ndjson(data: bytes, name: str) -> bool:
    """By its name, or because the first line is a whole object and another one follows."""
    if name.lower().endswith(_NDJSON):
        return True
    if b"\n" not in data:
        return False
    first, _, rest = data.lstrip().partition(b"\n")
    return first.startswith(b"{") and first.rstrip().endswith(b"}") and rest[:1000].lstrip().startswith(b"{")


def _of_lines(data: bytes, name: str, *, carefully: bool) -> list[Entry]:
    """The entries of NDJSON, chunk by chunk, so that what one line needs besides lies where another's just was."""
    found: list[Entry] = []
    number = 1
    for lines in _chunks(data):
        plain = [None] * len(lines) if carefully else plain_observations(lines, by_itself=False)
        for raw, read in zip(lines, plain, strict=True):
            where = f"{name}:{number}"
            if read is None:
                found += of_line(bytes(raw), where, carefully=carefully, by_itself=False)
            else:
                found.append(holding_plain(where, read))
            number += 1
    return found


def _chunks(data: bytes) -> Iterator[list[memoryview]]:
    """The lines, some at a time, none of them copied."""
    view, begin = memoryview(data), 0
    while begin < len(data):
        lines: list[memoryview] = []
        while begin < len(data) and len(lines) < _LINES_AT_ONCE:
            end = data.find(b"\n", begin)
            end = len(data) if end < 0 else end
            lines.append(view[begin:end])
            begin = end + 1
        yield lines


def of_line(line: bytes, where: str, *, carefully: bool = False, by_itself: bool = True) -> list[Entry]:
    """The entries of one line of NDJSON; none if it is blank, and one with the problem if it is no JSON.

    Args:
        line: With or without its line feed.
        where: What the line is called in paths.
        carefully: Whether to decode it by the careful lane, even if it is plain.
        by_itself: Whether it is read without the others, one of which may say more about it.
    """
    # Only bytes that end a line in NDJSON end one here: U+2028 inside a text does not.
    line = line.strip()
    if not line:
        return []
    try:
        return _of_bytes(line, where, carefully=carefully, by_itself=by_itself)
    except InputUnreadable as error:
        return [_unreadable(where, error)]


def _of_bytes(data: bytes, where: str, *, carefully: bool, by_itself: bool) -> list[Entry]:
    """The entries of one JSON document. A Bundle is opened without decoding it, so that a bad entry costs no other."""
    compact = compacted(data)
    plain = None if carefully or compact.startswith(_HEAD) else plain_observation(compact, by_itself=by_itself)
    if plain is not None:
        return [holding_plain(where, plain)]
    opened = None if carefully else opened_bundle(compact)
    if opened is not None:
        return list(_of_bundle({"type": opened.type}, opened.entry, f"{where}#Bundle", by_itself=by_itself))
    parts = unique_parts(compact)
    if parts is None and _BUNDLE in data and (spelled := spelled_out(data)) != data:
        return _of_bytes(spelled, where, carefully=carefully, by_itself=by_itself)
    items = items_of(parts["entry"]) if parts and "entry" in parts else None
    if parts is None or items is None or bytes(parts.get("resourceType", b"")) != _BUNDLE:
        return list(_of_document(decode(data, where=where), where))
    head = {key: decode(bytes(part), where=where) for key, part in parts.items() if key != "entry"}
    return list(_of_bundle(head, items, f"{where}#Bundle"))


def _of_document(value: object, where: str) -> Iterator[Entry]:
    if isinstance(value, list):
        raise InputUnreadable("a JSON array is no FHIR; send a Bundle, or NDJSON with one resource a line", where=where)
    if not isinstance(value, dict):
        found = {"found": type(value).__name__}
        raise InputUnreadable("expected a FHIR resource, found a bare {found}", found, where=where)
    yield from _of_resource(value, Entry(where), f"{where}#")


def _of_resource(resource: Json, around: Entry, prefix: str) -> Iterator[Entry]:
    """The entries within a resource, or the resource itself where it holds none.

    Args:
        resource: As decoded.
        around: Where it stands: path, fullUrl and Bundle.
        prefix: The path as far as the resource's own elements.
    """
    match resource.get("resourceType"):
        case "Bundle":
            path = f"{prefix}Bundle" if prefix.endswith("#") else prefix
            entries = resource.get("entry", [])
            if isinstance(entries, list):
                yield from _of_bundle(resource, entries, path)
            else:
                yield _broken(around.where, "Bundle.entry is no list")
        case "Parameters" if any("resource" in each for each in _parameters(resource)):
            yield from _of_parameters(resource, f"{prefix}Parameters" if prefix.endswith("#") else prefix)
        case _:
            yield holding(around, resource)


def _of_bundle(bundle: Json, entries: Sequence[object], path: str, *, by_itself: bool = True) -> Iterator[Entry]:
    if bundle.get("implicitRules"):
        what = "the Bundle demands implicitRules that are not known here"
        yield from (
            _broken(f"{path}.entry[{index}]", what, code=ProblemCode.IMPLICIT_RULES) for index in range(len(entries))
        )
        return
    around = Entry(path, bundle=path, bundle_type=text_at(bundle, "type"))
    raws = [each.resource if isinstance(each, ReadEntry) else _NOTHING for each in entries]
    plain = plain_observations(raws, by_itself=by_itself)
    found: list[Entry] = []
    for index, (item, read) in enumerate(zip(entries, plain, strict=True)):
        where = f"{path}.entry[{index}]"
        if read is not None and isinstance(item, ReadEntry) and (item.is_alone or all(map(says_nothing, item.beside))):
            here = f"{where}.resource"
            found.append(holding_plain(here, read, item.fullUrl, path, around.bundle_type))
        else:
            found += _of_item(item, msgspec.structs.replace(around, where=where))
    yield from found if around.bundle_type == "history" else _without_twins(found)


def _of_item(item: object, around: Entry) -> Iterator[Entry]:
    """One entry of a Bundle, decoded; what cannot be decoded costs no other entry."""
    raw = item.json() if isinstance(item, ReadEntry) else item
    try:
        entry = decode(bytes(raw), where=around.where) if isinstance(raw, bytes | msgspec.Raw) else raw
    except InputUnreadable as error:
        yield _unreadable(around.where, error)
        return
    yield from _of_entry(entry, around)


def _of_entry(entry: object, around: Entry) -> Iterator[Entry]:
    if not isinstance(entry, dict):
        yield _broken(around.where, "the entry is no object but a {found}", {"found": type(entry).__name__})
        return
    resource = entry.get("resource")
    request, response = object_at(entry, "request"), object_at(entry, "response")
    if text_at(request, "method") == "DELETE":
        # The fullUrl names the server, too, and a request may go by a condition or a tenant's path.
        addresses = (text_at(entry, "fullUrl"), text_at(request, "url"))
        deletes = next(filter(literal, addresses), addresses[1])
        yield msgspec.structs.replace(around, deletes=deletes, deleted_at=text_at(response, "lastModified"))
    elif isinstance(resource, dict):
        path = f"{around.where}.resource"
        here = msgspec.structs.replace(around, where=path, full_url=text_at(entry, "fullUrl"))
        yield from _of_resource(resource, here, path)
    elif resource is not None:
        yield _broken(around.where, "the resource is no object but a {found}", {"found": type(resource).__name__})
    elif response.get("outcome"):
        here = msgspec.structs.replace(around, where=f"{around.where}.response.outcome")
        yield holding(here, object_at(response, "outcome"))
    else:
        yield around


def _without_twins(entries: list[Entry]) -> Iterator[Entry]:
    """Reject entries that claim to be the same version of the same resource and differ; of equal ones keep the first.

    bdl-7: "FullUrl must be unique in a bundle, or else entries with the same fullUrl must have different
    meta.versionId (except in history bundles)".
    """
    urls = [entry.full_url for entry in entries if entry.full_url]
    if len(urls) == len(set(urls)):
        yield from entries
        return
    counts = Counter((entry.full_url, entry.version) for entry in entries if entry.full_url)
    first: dict[tuple[str, str], Entry] = {}
    differing = set()
    for entry in entries:
        twin = first.setdefault((entry.full_url, entry.version), entry)
        if twin is not entry and twin.resource != entry.resource:
            differing.add((entry.full_url, entry.version))
    for entry in entries:
        key = (entry.full_url, entry.version)
        if counts[key] < 2 or (key not in differing and first[key] is entry):
            yield entry
        elif key in differing:
            what = "entries of one Bundle with the same fullUrl and version say different things"
            yield _rejected(entry, ProblemCode.BUNDLE_DUPLICATE, what, Severity.ERROR)
        else:
            yield _rejected(
                entry, ProblemCode.DUPLICATE, "the same entry stands twice in the Bundle", Severity.INFORMATION
            )


def _of_parameters(parameters: Json, path: str) -> Iterator[Entry]:
    for each in _parameters(parameters):
        if "resource" not in each:
            continue
        where = f"{path}.{each['path']}.resource"
        if isinstance(each["resource"], dict):
            yield from _of_resource(each["resource"], Entry(where), where)
        else:
            yield _broken(where, "the resource is no object")


def _parameters(element: Json, name: str = "parameter", path: str = "") -> Iterator[Json]:
    """Every parameter and part, however deep, as ``path`` and, where it holds one, ``resource``."""
    parts = element.get(name)
    for index, each in enumerate(parts if isinstance(parts, list) else []):
        if isinstance(each, dict):
            here = f"{path}{name}[{index}]"
            yield {"path": here, **({"resource": each["resource"]} if "resource" in each else {})}
            yield from _parameters(each, "part", f"{here}.")


def _rejected(entry: Entry, code: ProblemCode, what: str, severity: Severity) -> Entry:
    resource = f"{entry.type}/{entry.id}" if entry.id else entry.full_url
    then = "the entry was set aside"
    return msgspec.structs.replace(entry, problem=Problem(code, entry.where, what, then, resource, severity))


def _unreadable(where: str, error: InputUnreadable) -> Entry:
    return _broken(where, error.sentence, error.values, code=ProblemCode.JSON_INVALID)


def _broken(
    where: str,
    sentence: str,
    values: Mapping[str, str] = NO_VALUES,
    *,
    code: ProblemCode = ProblemCode.ENTRY_INVALID,
) -> Entry:
    return Entry(where, problem=Problem(code, where, sentence, "the entry was set aside", values=values))
