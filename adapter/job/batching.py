"""Several questions in one request, where a server takes a batch of them; what is unclear is left to be asked alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapter.errors import ServerError
from adapter.fhir.compact import spelled_out
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Response
from adapter.fhir_server.paging import page_of
from adapter.fhir_server.searching import query
from adapter.job.asking import Question


class Part(msgspec.Struct, frozen=True):
    """The answer to one request of a batch: its status, and its resource as it came."""

    status: int = 0
    body: bytes = b""


class _Said(msgspec.Struct):
    status: str = ""


class _Entry(msgspec.Struct):
    response: _Said = msgspec.field(default_factory=_Said)
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Answer(msgspec.Struct):
    entry: list[_Entry]
    type: str


_answer_in = msgspec.json.Decoder(_Answer).decode


def at_once(server: FhirServer, paths: Sequence[str]) -> list[Part] | None:
    """The answers to several GETs, in their order; ``None`` where the server takes no such batch.

    Raises:
        ServerError: The server cannot be asked now.
    """
    entries = [{"request": {"method": "GET", "url": path}} for path in paths]
    try:
        answer = server.send(
            "POST", "", encode({"resourceType": "Bundle", "type": "batch", "entry": entries}), is_repeatable=True
        )
    except ServerError as error:
        if error.may_retry:
            raise
        return None
    # What no JSON may hold costs the entry that holds it, and no other.
    found = _opened(answer.body) or _opened(spelled_out(answer.body))
    if found is None or found.type != "batch-response" or len(found.entry) != len(paths):
        return None
    return [Part(_status(entry.response.status), bytes(entry.resource)) for entry in found.entry]


def _opened(body: bytes) -> _Answer | None:
    try:
        return _answer_in(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def path_of(question: Question, *, page_size: int) -> str:
    """A search as the address of one request of a batch."""
    return f"{question.resource_type}?{query([*question.parameters, ('_count', str(page_size))])}"


def whole_answer(question: Question, part: Part) -> Source | None:
    """The answer to a search, if it is all there is of it; what failed or has more pages has to be asked for alone."""
    if not 200 <= part.status < 300:
        return None
    try:
        page = page_of(Response(part.status, {}, part.body))
    except ServerError:
        return None
    return None if page.next or page.is_partial else Source(f"{question.resource_type}?page=1", part.body)


def _status(said: str) -> int:
    """``200`` of "200 OK"."""
    number = said[:3]
    return int(number) if number.isascii() and number.isdigit() else 0
