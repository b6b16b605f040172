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


class Way(StrEnum):
    """What the server takes, and with what words it refuses the rest."""

    TRANSACTIONS = "transactions"
    ONE_BY_ONE = "single resources"
    PLAIN_CREATES = "creates without conditions or ids of ours"

    def refuses(self, method: str, path: str, *, is_conditional: bool) -> int:
        """The status of a refusal; 0 where it is taken."""
        if self is Way.TRANSACTIONS:
            return 0
        if method == "POST" and not path.strip("/"):
            return 405
        if self is Way.PLAIN_CREATES and (method == "PUT" or is_conditional):
            return 405 if method == "PUT" else 400
        return 0


@dataclass
class Trap:
    """The server as the job sees it.

    Attributes:
        base: Its address.
        behind: The real server's address.
        ledger: The job's ledger.
        way: What it takes.
        moment: When to kill; ``None`` lets it live.
        countdown: At which occurrence of that moment.
        victim: The process to kill.
        sprung: Whether it was killed here.
    """

    base: str
    behind: str
    ledger: Path
    way: Way = Way.TRANSACTIONS
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
def trapped(behind: str, ledger: Path, way: Way) -> Iterator[Trap]:
    """Stand before a server until the block ends."""
    trap = Trap("", behind, ledger, way)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(trap))
    http.daemon_threads = True
    trap.base = f"http://127.0.0.1:{http.server_address[1]}{urlsplit(behind).path}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield trap
    finally:
        http.shutdown()
        http.server_close()


def _handler(trap: Trap) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"trap": trap})


class _Handler(BaseHTTPRequestHandler):
    trap: Trap
    protocol_version = "HTTP/1.1"
    # Head and body in one piece, or the client's system waits 40 ms between them.
    wbufsize = -1

    def _asked(self) -> None:
        if self.trap.is_now(Moment.READING):
            return self._die()
        return self._send(*self._passed_on())

    def _told(self) -> None:
        if self.path.endswith("/_search"):
            return self._asked()
        if self.trap.is_now(Moment.ARRIVED):
            return self._die()
        answer = self._passed_on()
        if self.trap.is_now(Moment.APPLIED):
            return self._die()
        if self.trap.is_now(Moment.UNRECORDED):
            with _kept_from_writing(self.trap.ledger):
                self._send(*answer)
                time.sleep(0.05)
                return self._die()
        self._send(*answer)
        if self.trap.is_now(Moment.RECORDED):
            time.sleep(self.trap.delay)
            self._die()
        return None

    def _die(self) -> None:
        self.trap.kill()
        self.close_connection = True

    def _passed_on(self) -> tuple[int, dict[str, str], bytes]:
        trap, address = self.trap, urlsplit(self.trap.behind)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.removeprefix(address.path)
        refusal = trap.way.refuses(self.command, path, is_conditional="if-none-exist" in self.headers)
        if refusal:
            return refusal, {}, b""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        with closing(HTTPConnection(address.hostname or "", address.port, timeout=60)) as connection:
            connection.request(self.command, self.path, _swapped(body, trap.base, trap.behind), headers)
            answer = connection.getresponse()
            named = {name: value.replace(trap.behind, trap.base) for name, value in answer.getheaders()}
            return answer.status, named, _swapped(answer.read(), trap.behind, trap.base)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = _asked  # noqa: N815 - the library's names
    do_POST = do_PUT = _told  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """A client that was killed leaves a broken connection: that is what this is about."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True


def _swapped(content: bytes, old: str, new: str) -> bytes:
    """Where the server names itself it names the trap: the job must not meet another origin."""
    return content.replace(old.encode(), new.encode())


@contextmanager
def _kept_from_writing(ledger: Path) -> Iterator[None]:
    with closing(sqlite3.connect(ledger, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
