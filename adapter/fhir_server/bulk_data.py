"""Ask a server for a Bulk Data export, wait for it, and bring its files home whole."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin

import msgspec

from adapter.errors import OutputRefused, ServerError
from adapter.fhir.decoding import encode
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Response
from adapter.fhir_server.origins import is_same_origin
from adapter.fhir_server.outcomes import checked, error_of, is_transient, outcome_of
from adapter.fhir_server.retrying import retry_after
from adapter.fhir_server.searching import query

_ASYNC = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
_NDJSON = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip"}
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
# A server that takes no POST for it says so in one of these ways.
_POST_REFUSED = frozenset({400, 404, 405, 415, 501})
# A link to a file may have run out; a fresh manifest has fresh ones.
_EXPIRED = frozenset({401, 403, 404, 410})
_LONGEST_OUTCOME = 1_000_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What to export.

    Attributes:
        group: Id of a Group; empty is all patients.
        since: An instant of the server's clock (``transactionTime`` of the export before); empty is everything.
        types: Resource types.
        type_filters: Searches such as ``Observation?code=…``; a server may ignore them.
        by_get: Ask by GET at once; otherwise POST first, for later versions of the standard know no GET.
        allowed_origins: Other origins that files may come from.
    """

    group: str = ""
    since: str = ""
    types: tuple[str, ...] = ()
    type_filters: tuple[str, ...] = ()
    by_get: bool = False
    allowed_origins: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where to ask."""
        return f"Group/{self.group}/$export" if self.group else "Patient/$export"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export.

    Attributes:
        type: What is in it.
        url: Where it is.
        count: How many resources it must hold.
        kind: ``output``, ``deleted`` or ``error``.
        requires_token: Whether it is asked for with credentials; where not, they must not be sent.
    """

    type: str
    url: str
    count: int | None = None
    kind: str = "output"
    requires_token: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an export.

    Attributes:
        transaction_time: The server's clock: ``since`` of the next export.
        files: Output, deletions and errors.
        next: Where the rest of a partial manifest is.
    """

    transaction_time: str
    files: tuple[File, ...]
    next: str = ""


def kick_off(server: FhirServer, export: Export) -> str:
    """Ask for the export; where its status will be told.

    Raises:
        ServerError: The server exports nothing, or tells no place of the same origin.
    """
    if export.by_get:
        answer = _asked_by_get(server, export)
    else:
        try:
            answer = server.send("POST", export.path, encode(_parameters(export)), _ASYNC)
        except ServerError as error:
            if error.status not in _POST_REFUSED:
                raise
            answer = _asked_by_get(server, export)
    place = answer.headers.get("content-location", "")
    if answer.status != 202 or not place:
        raise ServerError("the export was not begun: expected 202 and a Content-Location", code="export-refused")
    url = urljoin(f"{server.base}/", place)
    if not is_same_origin(url, server.base):
        raise ServerError("the export's status is on another server; it is not followed", code="cross-origin-link")
    return url


def waited_for(server: FhirServer, status_url: str, *, seconds: float, tell: Callable[[str], None]) -> Manifest:
    """The manifest, once the server has it.

    Args:
        server: Where.
        status_url: What ``kick_off`` gave.
        seconds: After how long to give up.
        tell: Called with the server's ``X-Progress``, which is only shown.

    Raises:
        ServerError: The export failed, or took longer.
    """
    deadline = server.clock.seconds() + seconds
    pause = 1.0
    while True:
        answer = server.fetch(status_url, {"Accept": "application/json"})
        status = _status(answer)
        if status == 200:
            return _whole(server, manifest_of(checked(answer).body), status_url)
        if status != 202 and not is_transient(answer):
            raise error_of(answer)
        tell(answer.headers.get("x-progress", "")[:100])
        asked = retry_after(answer, now=server.clock.now())
        pause = min(pause * 2, 120.0) if asked is None else min(asked, 600.0)
        if server.clock.seconds() + pause > deadline:
            raise ServerError("the export takes longer than allowed", code="export-slow", may_retry=True)
        server.clock.sleep(pause)


def manifest_of(body: bytes) -> Manifest:
    """Read a manifest of any version: errors are called ``error`` or ``outcome``.

    Raises:
        ServerError: It is none.
    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("transactionTime"), str):
        raise ServerError("the export's manifest is not readable", code="unexpected-content")
    lists = {"output": "output", "deleted": "deleted", "error": "error", "outcome": "error"}
    # What is not said is taken as the safer of two: no token leaves. Each part of a manifest speaks for its own files.
    requires_token = found.get("requiresAccessToken") is True
    files = [
        msgspec.structs.replace(file, requires_token=requires_token)
        for name, kind in lists.items()
        for file in _files(found, name, kind)
    ]
    links = found.get("link")
    following = [each.get("url", "") for each in links if _is_next(each)] if isinstance(links, list) else []
    return Manifest(
        transaction_time=found["transactionTime"],
        files=tuple(files),
        next=str(following[0]) if following else "",
    )


def download(server: FhirServer, file: File, path: Path) -> int:
    """Bring one file home: under a temporary name until it is whole; how many resources it holds.

    Raises:
        ServerError: It did not come whole, or holds another number of resources than the manifest says.
        OutputRefused: It cannot be kept here: the disk is full, or the folder may not be written to.
    """
    try:
        return _downloaded(server, file, path)
    except (OSError, OutputRefused) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise OutputRefused(f"{path}: {why}; make room, then start again: what came so far is kept") from None


def _downloaded(server: FhirServer, file: File, path: Path) -> int:
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "w+b") as sink:
            answer = server.fetch(file.url, _NDJSON, with_credentials=file.requires_token, sink=sink)
            if answer.status != 200:
                raise error_of(answer)
            sink.flush()
            os.fsync(sink.fileno())
            count = _counted(sink, file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _counted(sink: BinaryIO, file: File) -> int:
    """How many resources came.

    Raises:
        ServerError: It is no NDJSON, an error in its place, or not whole.
    """
    sink.seek(0)
    first = sink.readline(_LONGEST_OUTCOME).removeprefix(_BYTE_ORDER_MARK)
    is_error = file.kind == "output" and outcome_of(first).is_grave
    is_json = first.lstrip()[:1] in (b"", b"{")
    if is_error or not (is_json or file.kind == "error"):
        raise ServerError(f"something else came in the place of a file of {file.type}", code="unexpected-content")
    sink.seek(0)
    count, last = 0, b""
    for line in sink:
        if line.strip():
            count, last = count + 1, line
    if file.count is not None and count != file.count:
        what = f"a file of {file.type} holds {count} resources, and the manifest says {file.count}"
        raise ServerError(what, code="count-mismatch", may_retry=True)
    if file.count is None and last and not last.endswith(b"\n") and not _is_whole(last):
        raise ServerError(f"a file of {file.type} ends within a resource", code="count-mismatch", may_retry=True)
    return count


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def is_allowed(server: FhirServer, export: Export, file: File) -> bool:
    """Whether a file's origin is the server's, or one that was allowed by name."""
    return any(is_same_origin(file.url, each) for each in (server.base, *export.allowed_origins))


def is_expired(error: ServerError) -> bool:
    """Whether the link may have run out, so that a fresh manifest may help."""
    return error.status in _EXPIRED


def local_name(file: File, number: int) -> str:
    """A safe name for a file, whatever the server calls it."""
    kind = "" if file.kind == "output" else f"{file.kind}."
    return f"{kind}{file.type}.{number:04d}.ndjson"


def finished(server: FhirServer, status_url: str) -> None:
    """Tell the server that the files may go; that it cannot is no failure."""
    try:
        server.discard(status_url)
    except ServerError:
        return


def errors_in(body: bytes) -> Iterator[str]:
    """Severity and code of every grave issue in an ``error`` file: one OperationOutcome a line."""
    for line in filter(bytes.strip, body.split(b"\n")):
        outcome = outcome_of(line)
        if outcome.is_grave:
            yield from (issue.told() for issue in outcome.issues)
        elif not outcome.issues:
            yield "something that is no OperationOutcome"


def _whole(server: FhirServer, manifest: Manifest, asked: str) -> Manifest:
    """The manifest with the files of all its parts."""
    seen = {asked}
    files, following = list(manifest.files), manifest.next
    while following:
        url = urljoin(asked, following)
        if url in seen or not is_same_origin(url, server.base):
            raise ServerError("the parts of the manifest lead in a circle or elsewhere", code="cross-origin-link")
        seen.add(url)
        part = manifest_of(checked(server.fetch(url, {"Accept": "application/json"})).body)
        files, following = [*files, *part.files], part.next
    return msgspec.structs.replace(manifest, files=tuple(files), next="")


def _status(answer: Response) -> int:
    """The state of the export: some servers answer 200 always and tell it in a header."""
    told = answer.headers.get("x-export-status", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) == 3 else answer.status


def _asked_by_get(server: FhirServer, export: Export) -> Response:
    parameters = {
        "_type": ",".join(export.types),
        "_since": export.since,
        "_typeFilter": ",".join(export.type_filters),
        "_outputFormat": "application/fhir+ndjson",
    }
    given = [pair for pair in parameters.items() if pair[1]]
    return server.send("GET", f"{export.path}?{query(given)}", headers=_ASYNC)


def _parameters(export: Export) -> dict[str, Any]:
    """The request as Parameters; lists are repeated, for later versions of the standard forbid commas."""
    pairs: list[Mapping[str, str]] = [{"name": "_outputFormat", "valueString": "application/fhir+ndjson"}]
    if export.since:
        pairs.append({"name": "_since", "valueInstant": export.since})
    pairs += [{"name": "_type", "valueString": each} for each in export.types]
    pairs += [{"name": "_typeFilter", "valueString": each} for each in export.type_filters]
    return {"resourceType": "Parameters", "parameter": pairs}


def _files(manifest: Mapping[str, Any], name: str, kind: str) -> Sequence[File]:
    """One list of a manifest; that nothing was exported is said by an empty one, not by none."""
    found = manifest.get(name, None if name == "output" else [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ServerError(f"the manifest has no list of files as {name}", code="unexpected-content")
    return [_file(each, kind) for each in found]


def _file(found: Mapping[str, Any], kind: str) -> File:
    type_, url, count = found.get("type"), found.get("url"), found.get("count")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ServerError("the manifest names a file by no http URL", code="unexpected-content")
    safe = type_ if isinstance(type_, str) and _TYPE.fullmatch(type_) else "Mixed"
    if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
        raise ServerError("the manifest counts a file's resources by no whole number", code="unexpected-content")
    return File(type=safe, url=url, count=count, kind=kind)


def _is_next(link: object) -> bool:
    return isinstance(link, dict) and link.get("relation") == "next"
