"""A Bulk Data server on loopback that can be as awkward as real ones."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STATUS, MANIFEST_PART = "/bulk/status/1", "/bulk/status/1?part=2"


@dataclass
class Habits:
    """How the server behaves; the defaults are those of a good one."""

    takes_post: bool = True
    polls_before_ready: int = 1
    retry_after: str = "0"
    requires_token: bool | None = True
    error_key: str = "error"
    counts: Mapping[str, int | None] = field(default_factory=dict)
    status_origin: str = ""
    time: str = "2026-06-01T00:00:00Z"
    file_origin: str = ""
    fails_with: int = 0
    transient_polls: int = 0
    truncates: bool = False
    damages_gzip: bool = False
    expires_once: bool = False
    expires: str = ""
    fresh_origin: str = ""
    second_requires_token: bool | None = None
    parts: bool = False
    answers_200_with_status_header: bool = False
    content_location: bool = True


class BulkServer:
    """Serves one export of the files given, and remembers every request it was sent."""

    def __init__(self, files: Mapping[str, bytes], habits: Habits, errors: Mapping[str, bytes], deleted: bytes) -> None:
        self.files, self.habits, self.errors, self.deleted = files, habits, errors, deleted
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.polls = 0
        self.manifests = 0
        self.is_discarded = False
        self.port = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manifest(self) -> dict[str, Any]:
        self.manifests += 1
        fresh = self.habits.fresh_origin if self.manifests > 1 else ""
        where = fresh or self.habits.file_origin or self.origin
        output = [
            {
                "type": name.partition(".")[0],
                "url": f"{where}/files/{self.manifests}/{name}",
                "count": self.habits.counts.get(name, content.count(b"\n")),
            }
            for name, content in self.files.items()
        ]
        found: dict[str, Any] = {
            "transactionTime": self.habits.time,
            "request": f"{self.base}/Patient/$export",
            "output": output[:1] if self.habits.parts else output,
            "deleted": [{"type": "Bundle", "url": f"{where}/files/{self.manifests}/deleted"}] if self.deleted else [],
            self.habits.error_key: [
                {"type": "OperationOutcome", "url": f"{where}/files/{self.manifests}/{name}"} for name in self.errors
            ],
        }
        if self.habits.requires_token is not None:
            found["requiresAccessToken"] = self.habits.requires_token
        if self.habits.parts:
            found["link"] = [{"relation": "next", "url": f"{self.origin}{MANIFEST_PART}"}]
        return found

    def second_part(self) -> dict[str, Any]:
        self.habits.parts = False
        whole = self.manifest()
        self.habits.parts = True
        needs = self.habits.second_requires_token
        told = {} if needs is None else {"requiresAccessToken": needs}
        return {**whole, "output": whole["output"][1:], **told}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bulk: BulkServer

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.bulk.requests.append((method, self.path, dict(self.headers), body))
        if self.path.partition("?")[0].endswith("$export"):
            self._kick_off(method)
        elif method == "DELETE":
            self.bulk.is_discarded = True
            self._send(202)
        elif self.path.startswith("/bulk/status"):
            self._poll()
        else:
            self._file(self.path.rpartition("/")[2])

    def _kick_off(self, method: str) -> None:
        habits = self.bulk.habits
        if method == "POST" and not habits.takes_post:
            self._send(405)
        else:
            place = f"{habits.status_origin or self.bulk.origin}{STATUS}"
            self._send(202, headers={"Content-Location": place} if habits.content_location else {})

    def _poll(self) -> None:
        habits, bulk = self.bulk.habits, self.bulk
        if self.path == MANIFEST_PART:
            self._json(200, bulk.second_part())
            return
        bulk.polls += 1
        if bulk.polls <= habits.transient_polls:
            issue = {"severity": "error", "code": "transient"}
            self._json(500, {"resourceType": "OperationOutcome", "issue": [issue]})
        elif habits.fails_with:
            issue = {"severity": "fatal", "code": "exception", "diagnostics": "export of Patient/secret-name failed"}
            self._json(habits.fails_with, {"resourceType": "OperationOutcome", "issue": [issue]})
        elif bulk.polls <= habits.polls_before_ready + habits.transient_polls:
            headers = {"Retry-After": habits.retry_after, "X-Progress": "50%"}
            if habits.answers_200_with_status_header:
                self._send(200, headers={**headers, "X-Export-Status": "202"})
            else:
                self._send(202, headers=headers)
        else:
            self._json(200, bulk.manifest())

    def _file(self, name: str) -> None:
        bulk, habits = self.bulk, self.bulk.habits
        is_first = f"/files/{bulk.manifests}/" in self.path and bulk.manifests == 1
        if habits.expires_once and is_first and habits.expires in ("", name):
            self._send(410)
            return
        content = bulk.deleted if name == "deleted" else {**bulk.files, **bulk.errors}.get(name, b"")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            packed = gzip.compress(content)
            packed = packed[: len(packed) // 2] if habits.damages_gzip else packed
            self._send(200, packed, {"Content-Encoding": "gzip", "Content-Type": "application/fhir+ndjson"})
        else:
            self._send(200, content, {"Content-Type": "application/fhir+ndjson"})

    def _json(self, status: int, content: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(
            body[: len(body) // 2] if self.bulk.habits.truncates and b"files" in self.path.encode() else body
        )
        if self.bulk.habits.truncates:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def bulk_server(
    files: Mapping[str, bytes],
    habits: Habits | None = None,
    *,
    errors: Mapping[str, bytes] | None = None,
    deleted: bytes = b"",
) -> Iterator[BulkServer]:
    """A server with these files, named ``Observation.1``, as long as the block lasts."""
    bulk = BulkServer(files, habits or Habits(), errors or {}, deleted)
    handler = type("Handler", (_Handler,), {"bulk": bulk, "wbufsize": -1})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    bulk.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield bulk
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
