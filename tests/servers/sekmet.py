"""An independent FHIR R4 server in a process of its own, on a free port of the loopback address.

``with sekmet(tmp_path) as server:`` starts ``sekmet-fhir``; it ends with the block, and when the test run is killed.
The same folder started again holds the same resources.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

Json = dict[str, Any]
# Opens every door of a guarded server to the test itself.
ADMINISTRATOR = "administrator-of-the-test-server"
# Ends as soon as its standard input is closed: that happens even when the test run is killed.
_PROGRAM = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from sekmet.cli import app
app()
"""


@dataclass(frozen=True)
class SmartClient:
    """A client that the server knows by its public keys.

    Attributes:
        client_id: Its name.
        jwks: Its public keys.
        scopes: What it may be granted.
    """

    client_id: str
    jwks: Mapping[str, Any]
    scopes: str = "system/*.cruds"


@dataclass(frozen=True)
class Sekmet:
    """A running server, seen by the test as its administrator."""

    base: str
    process: subprocess.Popen[bytes]

    def load(self, resources: Sequence[Mapping[str, Any]]) -> None:
        """Put each resource under its own id, in one transaction."""
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in resources
        ]
        self.ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})

    def read(self, reference: str) -> Json:
        """One resource as the server holds it."""
        return self.ask("GET", reference)

    def found(self, search: str) -> list[Json]:
        """All resources that a search finds, over all pages: ``RiskAssessment?_count=500``."""
        found: list[Json] = []
        url = f"{self.base}/{search}"
        while url:
            page = self._answer("GET", url)
            found += [entry["resource"] for entry in page.get("entry", [])]
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), "")
        return found

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """The answer to one request below the base; anything but a success is an error of the test."""
        return self._answer(method, f"{self.base}/{path}" if path else self.base, body)

    def kill(self) -> None:
        """Stop it at once, as a power failure would."""
        self.process.kill()
        self.process.wait()

    def _answer(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Json:
        headers = {"authorization": f"Bearer {ADMINISTRATOR}", "content-type": "application/fhir+json"}
        data = None if body is None else json.dumps(body).encode()
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, data=data, headers=headers, timeout=60)
        assert answer.ok, f"{method} {url}: {answer.status_code} {answer.text[:500]}"
        return dict(answer.json()) if answer.content else {}


@contextmanager
def sekmet(
    data_dir: Path,
    *,
    port: int = 0,
    smart_clients: Sequence[SmartClient] = (),
    token_seconds: int = 300,
    absolute_references: bool = False,
    notify_method: str = "put-resource",
    validation: str = "strict",
) -> Iterator[Sekmet]:
    """Run the server on a folder until the block ends.

    Args:
        data_dir: Where it keeps its database and its log; it is made if it is not there.
        port: The port to listen on; 0 finds a free one. Give the port of before to come back at the same address.
        smart_clients: Who may ask for tokens; without any the server asks nobody who they are.
        token_seconds: How long a token lives.
        absolute_references: Answer with absolute references, as some servers do.
        notify_method: Notify subscribers by ``put-resource`` (HAPI's way) or ``post-endpoint``. Subscriptions may
            point to the loopback address; a delivery is tried once, then twice again.
        validation: ``strict``, ``warn`` or ``off`` for what is written to it.
    """
    if importlib.util.find_spec("sekmet") is None:
        pytest.skip("sekmet-fhir is not installed")
    data_dir.mkdir(parents=True, exist_ok=True)
    chosen = port or _free_port()
    guarded = {
        "types": ["smart", "bearer"],
        "tokens": [ADMINISTRATOR],
        "token_lifetime": token_seconds,
        "smart_clients": [vars(client) for client in smart_clients],
    }
    settings = {
        "base_url": f"http://127.0.0.1:{chosen}/fhir",
        "host": "127.0.0.1",
        "port": chosen,
        "data_dir": str(data_dir),
        "own_private_key_path": str(data_dir / "own.pem"),
        "simulator": {"enabled": False},
        "server_auth": guarded if smart_clients else {"types": ["none"]},
        "server_behaviour": {"absolute_references": absolute_references},
        "subscriptions": {"notify_method": notify_method},
        "validation": {"inbound": validation},
        # Its own record of every exchange costs more than the exchange.
        "log_inbound": False,
    }
    with _running(data_dir, settings) as server:
        yield server


@contextmanager
def _running(data_dir: Path, settings: Mapping[str, Any]) -> Iterator[Sekmet]:
    # JSON is YAML too.
    (data_dir / "settings.yaml").write_text(json.dumps(settings), "utf-8")
    with (data_dir / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, "serve", "--config", str(data_dir / "settings.yaml")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=data_dir,
        )
    try:
        _wait_until_it_answers(process, settings["port"], data_dir)
        yield Sekmet(str(settings["base_url"]), process)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, data_dir: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"sekmet did not start: {(data_dir / 'log.txt').read_text('utf-8')[-2000:]}")
