"""Stands between the job and a server, and kills the job with SIGKILL at the moment that a test chooses."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding", "date", "server"}


class Moment(StrEnum):
    """Where the job is in the work on a patient when it dies."""

    READING = "a question is on its way"
    ARRIVED = "the ledger knows of the write, the server does not"
    APPLIED = "the server has written, and its answer never comes"
    UNRECORDED = "the answer has come, and the ledger cannot take it down"
    RECORDED = "the answer was or is being taken down"


@dataclass
class Trap:
    """The server as the job sees it.

    Attributes:
        base: Its address.
        behind: The real server's address.
        ledger: The job's ledger.
        refuses_transactions: Whether a Bundle is answered with 405, so that resources are written one by one.
        moment: When to kill; ``None`` lets it live.
        countdown: At which occurrence of that moment.
        victim: The process to kill.
        sprung: Whether it was killed here.
    """

    base: str
    behind: str
    ledger: Path
    refuses_transactions: bool = False
    moment: Moment | None = None
    countdown: int = 0
    delay: float = 0
    victim: Popen[bytes] | None = None
    sprung: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, moment: Moment | None, countdown: int = 1, *, delay: float = 0) -> None:
        """Lie in wait."""
        with self.lock:
            self.moment, self.countdown, self.delay = moment, countdown, delay
            self.victim, self.sprung = None, False

    def is_now(self, moment: Moment) -> bool:
        """Count down, and say whether it is time."""
        with self.lock:
            if self.moment is not moment or self.sprung:
                return False
            self.countdown -= 1
            self.sprung = self.countdown == 0
            return self.sprung

    def kill(self) -> None:
        """End the job at once."""
        while self.victim is None:
            time.sleep(0.001)
        self.victim.kill()
        self.victim.wait()


@contextmanager
def trapped(behind: str, ledger: Path, *, refuses_transactions: bool = False) -> Iterator[Trap]:
    """Stand before a server until the block ends."""
    trap = Trap("", behind, ledger, refuses_transactions)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(trap))
    http.daemon_threads = True
    trap.base = f"http://127.0.0.1:{http.server_address[1]}/fhir"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield trap
    finally:
        http.shutdown()
        http.server_close()


def _handler(trap: Trap) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one piece, or the client's system waits 40 ms between them.
        wbufsize = -1

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            is_write = self.command in ("PUT", "POST") and not self.path.endswith("/_search")
            if trap.is_now(Moment.ARRIVED if is_write else Moment.READING):
                return self._die()
            if trap.refuses_transactions and is_write and self.path.strip("/") == "fhir":
                return self._send(405, {}, b"")
            status, headers, answer = self._passed_on(body)
            if not is_write:
                return self._send(status, headers, answer)
            if trap.is_now(Moment.APPLIED):
                return self._die()
            if trap.is_now(Moment.UNRECORDED):
                with _kept_from_writing(trap.ledger):
                    self._send(status, headers, answer)
                    time.sleep(0.05)
                    return self._die()
            self._send(status, headers, answer)
            if trap.is_now(Moment.RECORDED):
                time.sleep(trap.delay)
                self._die()
            return None

        def _die(self) -> None:
            trap.kill()
            self.close_connection = True

        def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            address = urlsplit(trap.behind)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            with closing(HTTPConnection(address.hostname or "", address.port, timeout=60)) as connection:
                # Nagle's wait would cost more than the server.
                connection.request(self.command, self.path, _swapped(body, trap.base, trap.behind), headers)
                answer = connection.getresponse()
                content = _swapped(answer.read(), trap.behind, trap.base)
                named = {name: value.replace(trap.behind, trap.base) for name, value in answer.getheaders()}
                return answer.status, named, content

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def handle(self) -> None:
            """A client that was killed leaves a broken connection: that is what this is about."""
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    return Handler


def _swapped(content: bytes, old: str, new: str) -> bytes:
    """Where the server names itself it names the trap: the job must not meet another origin."""
    return content.replace(old.encode(), new.encode())


@contextmanager
def _kept_from_writing(ledger: Path) -> Iterator[None]:
    with closing(sqlite3.connect(ledger, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
