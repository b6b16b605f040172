"""A small FHIR server on the loopback address whose habits a test chooses: what it takes, refuses, ignores and loses.

``with picky(refuses=...) as server:`` runs it in a thread. It keeps numbers exactly and every version of a resource.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import msgspec

Json = dict[str, Any]
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
Said = tuple[int, Mapping[str, str], bytes]
Refusal = Callable[[str, str, Mapping[str, str]], int]


@dataclass
class Habits:
    """What the server does otherwise than a good one.

    Attributes:
        metadata: Its CapabilityStatement; without one it answers 404.
        refuses: Told method, path and headers; a status other than 0 is answered and nothing done.
        loses: Told method and path; where true it does what it was asked and hangs up without an answer.
        takes_our_ids: Whether a PUT creates.
        is_silent: Success is answered without body, Location and ETag.
        race_seconds: How long a conditional create waits between looking and creating, with nothing locked.
        ignores_conditions: ``If-None-Exist`` is not looked at.
        ignores_parameters: A search gives everything of the type.
        has_versions: Whether it counts versions.
        answers_transaction: Changes the entries of a transaction's answer.
        says: Told method, path and headers; status, headers and body that it gives are sent instead, and nothing done.
    """

    metadata: Json | None = None
    refuses: Refusal = lambda method, path, headers: 0
    loses: Callable[[str, str], bool] = lambda method, path: False
    takes_our_ids: bool = True
    is_silent: bool = False
    race_seconds: float = 0
    ignores_conditions: bool = False
    ignores_parameters: bool = False
    has_versions: bool = True
    answers_transaction: Callable[[list[Json]], list[Json]] = lambda entries: entries
    says: Callable[[str, str, Mapping[str, str]], Said | None] = lambda method, path, headers: None


@dataclass
class Picky:
    """The running server as its test sees it."""

    habits: Habits
    base: str = ""
    requests: list[str] = field(default_factory=list)
    versions: dict[str, list[Json]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def found(self, kind: str) -> list[Json]:
        """Every resource of a type as it stands now."""
        with self.lock:
            return [held[-1] for place, held in self.versions.items() if place.startswith(f"{kind}/") and held[-1]]

    def store(self, resource: Json, id_: str) -> Json:
        """Put a resource at an id, as its next version."""
        with self.lock:
            held = self.versions.setdefault(f"{resource['resourceType']}/{id_}", [])
            meta = {name: value for name, value in resource.get("meta", {}).items() if name != "versionId"}
            if self.habits.has_versions:
                meta["versionId"] = str(len(held) + 1)
            held.append({**resource, "id": id_, "meta": meta})
            return held[-1]

    def remove(self, place: str) -> None:
        """Delete a resource."""
        self.versions[place].append({})

    def searched(self, kind: str, condition: str) -> list[Json]:
        """What a search by identifier, tag or nothing gives."""
        asked = [] if self.habits.ignores_parameters else parse_qsl(condition.replace("%7C", "|"))
        return [each for each in self.found(kind) if all(_fits(each, name, value) for name, value in asked)]

    def created(self, resource: Json, condition: str) -> tuple[int, Json]:
        """A conditional create, without a lock where it has a race."""
        if not self.habits.race_seconds:
            with self.lock:
                return self._created(resource, condition)
        return self._created(resource, condition)

    def _created(self, resource: Json, condition: str) -> tuple[int, Json]:
        kind = resource["resourceType"]
        if condition and not self.habits.ignores_conditions:
            there = self.searched(kind, unquote(condition))
            if len(there) > 1:
                return 412, {}
            if there:
                return 200, there[0]
            time.sleep(self.habits.race_seconds)
        return 201, self.store({**resource, "resourceType": kind}, uuid4().hex)


@contextmanager
def picky(**habits: Any) -> Iterator[Picky]:
    """Run the server until the block ends."""
    server = Picky(Habits(**habits))
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.base = f"http://127.0.0.1:{http.server_address[1]}/fhir"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def statement(*, transaction: bool = True, update_create: bool = False, conditional_create: bool = False) -> Json:
    """A CapabilityStatement that says these things of the three types we write."""
    types = [
        {"type": kind, "updateCreate": update_create, "conditionalCreate": conditional_create}
        for kind in ("Device", "RiskAssessment", "Provenance")
    ]
    interactions = [{"code": "transaction"}] if transaction else [{"code": "search-system"}]
    rest = [{"mode": "server", "resource": types, "interaction": interactions}]
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest}


def _fits(resource: Json, name: str, value: str) -> bool:
    system, _, code = value.partition("|")
    if name == "identifier":
        return {"system": system, "value": code} in resource.get("identifier", [])
    if name == "_tag":
        return {"system": system, "code": code} in resource.get("meta", {}).get("tag", [])
    return True


def _handler(server: Picky) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"picky": server})


class _Handler(BaseHTTPRequestHandler):
    picky: Picky
    protocol_version = "HTTP/1.1"
    # Head and body in one piece, or the client's system waits 40 ms between them.
    wbufsize = -1

    def _answer(self) -> None:
        path = self.path.removeprefix("/fhir").lstrip("/")
        length = int(self.headers.get("content-length") or 0)
        content = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.picky.requests.append(f"{self.command} {path.partition('?')[0]}")
        said = self.picky.habits.says(self.command, path, headers)
        if said is None:
            self._do(path, headers, content)
        else:
            self._say(*said)

    def _do(self, path: str, headers: Mapping[str, str], content: bytes) -> None:
        is_json = "json" in headers.get("content-type", "")
        body = json.loads(content, parse_float=Decimal) if content and is_json else None
        refusal = self.picky.habits.refuses(self.command, path, headers)
        status, resource = (refusal, {}) if refusal else _done(self.picky, self.command, path, headers, body)
        if not refusal and self.picky.habits.loses(self.command, path):
            self.close_connection = True
            self.connection.close()
            return
        self._send(status, resource)

    def _say(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/fhir+json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send(self, status: int, resource: Json) -> None:
        is_silent = self.picky.habits.is_silent and self.command != "GET" and status < 300
        meta = resource.get("meta", {})
        content = b"" if is_silent else _ENCODE(resource)
        self.send_response(status)
        self.send_header("content-type", "application/fhir+json")
        self.send_header("content-length", str(len(content)))
        if "versionId" in meta and not is_silent:
            self.send_header("etag", f'W/"{meta["versionId"]}"')
            self.send_header("location", f"{self.picky.base}/{_place(resource)}/_history/{meta['versionId']}")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _done(server: Picky, method: str, path: str, headers: Mapping[str, str], body: Any) -> tuple[int, Json]:
    place, _, query = path.partition("?")
    if method == "GET":
        return _got(server, place, query)
    if method == "DELETE":
        server.remove(place)
        return 200, {}
    return _put(server, place, headers, body) if method == "PUT" else _posted(server, place, headers, body)


def _posted(server: Picky, place: str, headers: Mapping[str, str], body: Any) -> tuple[int, Json]:
    if place.endswith("/_search"):
        return 405, {}
    if not place:
        return 200, _transacted(server, body)
    # A good server ignores an id; Medplum refuses it where it finds another.
    return (400, {}) if "id" in body else server.created(body, headers.get("if-none-exist", ""))


def _put(server: Picky, place: str, headers: Mapping[str, str], body: Any) -> tuple[int, Json]:
    with server.lock:
        held = server.versions.get(place, [])
        current = held[-1].get("meta", {}).get("versionId") if held else None
        if "if-match" in headers and headers["if-match"] != f'W/"{current}"':
            return 412, {}
        if not held and not server.habits.takes_our_ids:
            return 405, {}
        return (200 if held else 201), server.store(body, place.partition("/")[2])


def _got(server: Picky, place: str, query: str) -> tuple[int, Json]:
    if place == "metadata":
        return (200, server.habits.metadata) if server.habits.metadata else (404, {})
    kind, _, id_ = place.partition("/")
    if not id_:
        entries = [{"resource": each} for each in server.searched(kind, query)]
        return 200, {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    held = server.versions.get(place)
    if not held:
        return 404, {}
    return (200, held[-1]) if held[-1] else (410, {})


def _transacted(server: Picky, bundle: Json) -> Json:
    """All entries in their order, each reference by URN rewritten; with a lock unless conditional creates race."""
    text = _ENCODE(bundle).decode()
    answers: list[Json] = []
    for index in range(len(bundle["entry"])):
        entry = json.loads(text, parse_float=Decimal)["entry"][index]
        resource, request = entry["resource"], entry["request"]
        if request["method"] == "PUT":
            status, held = 201, server.store(resource, urlsplit(request["url"]).path.partition("/")[2])
        else:
            status, held = server.created(resource, request.get("ifNoneExist", ""))
        full_url = bundle["entry"][index]["fullUrl"]
        text = text.replace(f'"reference":"{full_url}"', f'"reference":"{_place(held)}"')
        version = held.get("meta", {}).get("versionId")
        location = f"{_place(held)}/_history/{version}" if version else _place(held)
        answers.append({"response": {"status": str(status), "location": location}})
    answers = server.habits.answers_transaction(answers)
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}


def _place(resource: Json) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"
