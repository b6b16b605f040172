"""Take bytes apart into entries: one resource each, with its place; one broken entry never costs its neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from adapter.errors import InputUnreadable
from adapter.fhir.decoding import Json, decode, unpack
from adapter.problems import Problem, ProblemCode, Severity

_NDJSON = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Entry(msgspec.Struct, frozen=True):
    """One resource that came in, or what came in its stead.

    Attributes:
        where: ``a.json`` for a resource on its own, ``b.ndjson:17``, ``a.json#Bundle.entry[3].resource``.
        resource: The resource as decoded; ``None`` where the entry holds none.
        full_url: ``Bundle.entry.fullUrl`` as written.
        bundle: Path of the Bundle it came in; empty outside of one.
        bundle_type: That Bundle's type.
        deletes: For a deletion: the URL of the resource that is gone.
        deleted_at: For a deletion: when, as written.
        problem: Why the entry cannot be read; then there is no resource.
    """

    where: str
    resource: Json | None = None
    full_url: str = ""
    bundle: str = ""
    bundle_type: str = ""
    deletes: str = ""
    deleted_at: str = ""
    problem: Problem | None = None

    @property
    def type(self) -> str:
        """The resource's type, or empty."""
        name = self.resource.get("resourceType") if self.resource else None
        return name if isinstance(name, str) else ""

    @property
    def id(self) -> str:
        """The resource's logical id, or empty."""
        name = self.resource.get("id") if self.resource else None
        return name if isinstance(name, str) else ""

    @property
    def version(self) -> str:
        """``meta.versionId``, or empty."""
        return _text(_object(self.resource or {}, "meta"), "versionId")


def split(data: bytes, name: str) -> list[Entry]:
    """All entries of one source: a Bundle of any type, a single resource, or NDJSON; each may be packed by gzip.

    Raises:
        InputUnreadable: Nothing of the source can be read.
    """
    data = unpack(data, where=name).removeprefix(_BYTE_ORDER_MARK)
    _refuse_markup(data, name)
    if _is_ndjson(data, name):
        lines = enumerate(data.split(b"\n"), 1)
        return [entry for number, line in lines for entry in _of_line(line, f"{name}:{number}")]
    return list(_of_document(decode(data, where=name), name))


def _refuse_markup(data: bytes, name: str) -> None:
    start = data[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputUnreadable(f"{name}: this is an HTML page, perhaps of a login or a proxy, and no FHIR")
    if start.startswith(b"<"):
        raise InputUnreadable(f"{name}: FHIR in XML is not supported; ask for application/fhir+json")


def _is_ndjson(data: bytes, name: str) -> bool:
    """By its name, or because the first line is a whole object and another one follows."""
    if name.lower().endswith(_NDJSON):
        return True
    first, _, rest = data.lstrip().partition(b"\n")
    return first.startswith(b"{") and first.rstrip().endswith(b"}") and rest[:1000].lstrip().startswith(b"{")


def _of_line(line: bytes, where: str) -> Iterator[Entry]:
    # Only bytes that end a line in NDJSON end one here: U+2028 inside a text does not.
    if not line.strip():
        return
    try:
        yield from _of_document(decode(line, where=where), where)
    except InputUnreadable as error:
        yield _broken(where, str(error).removeprefix(f"{where}: "), code=ProblemCode.JSON_INVALID)


def _of_document(value: object, where: str) -> Iterator[Entry]:
    if isinstance(value, list):
        raise InputUnreadable(f"{where}: a JSON array is no FHIR; send a Bundle, or NDJSON with one resource a line")
    if not isinstance(value, dict):
        raise InputUnreadable(f"{where}: expected a FHIR resource, found a bare {type(value).__name__}")
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
            yield from _of_bundle(resource, around.where, f"{prefix}Bundle" if prefix.endswith("#") else prefix)
        case "Parameters" if any("resource" in each for each in _parameters(resource)):
            yield from _of_parameters(resource, f"{prefix}Parameters" if prefix.endswith("#") else prefix)
        case _:
            yield msgspec.structs.replace(around, resource=resource)


def _of_bundle(bundle: Json, where: str, path: str) -> Iterator[Entry]:
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        yield _broken(where, "Bundle.entry is no list")
        return
    if bundle.get("implicitRules"):
        what = "the Bundle demands implicitRules that are not known here"
        yield from (
            _broken(f"{path}.entry[{index}]", what, code=ProblemCode.IMPLICIT_RULES) for index in range(len(entries))
        )
        return
    bundle_type = _text(bundle, "type")
    found = [
        entry
        for index, each in enumerate(entries)
        for entry in _of_entry(each, Entry(f"{path}.entry[{index}]", bundle=path, bundle_type=bundle_type))
    ]
    yield from found if bundle_type == "history" else _without_twins(found)


def _of_entry(entry: object, around: Entry) -> Iterator[Entry]:
    if not isinstance(entry, dict):
        yield _broken(around.where, f"the entry is no object but a {type(entry).__name__}")
        return
    resource = entry.get("resource")
    request, response = _object(entry, "request"), _object(entry, "response")
    if _text(request, "method") == "DELETE":
        deleted_at = _text(response, "lastModified")
        yield msgspec.structs.replace(around, deletes=_text(request, "url"), deleted_at=deleted_at)
    elif isinstance(resource, dict):
        path = f"{around.where}.resource"
        here = msgspec.structs.replace(around, where=path, full_url=_text(entry, "fullUrl"))
        yield from _of_resource(resource, here, path)
    elif resource is not None:
        yield _broken(around.where, f"the resource is no object but a {type(resource).__name__}")
    elif response.get("outcome"):
        yield msgspec.structs.replace(
            around, where=f"{around.where}.response.outcome", resource=_object(response, "outcome")
        )
    else:
        yield around


def _without_twins(entries: list[Entry]) -> Iterator[Entry]:
    """Reject entries that claim to be the same version of the same resource and differ; of equal ones keep the first.

    bdl-7: "FullUrl must be unique in a bundle, or else entries with the same fullUrl must have different
    meta.versionId (except in history bundles)".
    """
    counts = Counter((entry.full_url, entry.version) for entry in entries if entry.full_url)
    first: dict[tuple[str, str], Entry] = {}
    differing = set()
    for entry in entries:
        twin = first.setdefault((entry.full_url, entry.version), entry)
        if twin.resource != entry.resource:
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


def _broken(where: str, what: str, *, code: ProblemCode = ProblemCode.ENTRY_INVALID) -> Entry:
    return Entry(where, problem=Problem(code, where, what, "the entry was set aside"))


def _object(element: Json, name: str) -> Json:
    found = element.get(name)
    return found if isinstance(found, dict) else {}


def _text(element: Json, name: str) -> str:
    found = element.get(name)
    return found if isinstance(found, str) else ""
