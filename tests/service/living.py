"""The service as users run it: a process of its own on the loopback address, started, asked and killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

SECRET = "-".join(("correct", "horse", "battery", "staple"))
# Ends as soon as its standard input is closed: that happens even when the test run is killed.
_PROGRAM = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from adapter.entrypoints.cli import main
main()
"""


class Service:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.base = f"http://127.0.0.1:{port}"
        self.endpoint = f"{self.base}/notify"

    def tell(self, method: str, path: str = "", body: bytes = b"", **headers: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                self.endpoint + path,
                data=body,
                headers={"Authorization": f"Bearer {SECRET}", **headers},
                timeout=30,
            )

    def ask(self, path: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(self.base + path, timeout=30)

    def figure(self, name: str) -> float:
        """One figure of /metrics, its labels included in the name."""
        lines = self.ask("/metrics").text.splitlines()
        found = [line.rpartition(" ")[2] for line in lines if line.rpartition(" ")[0] == f"osteo_fhir_{name}"]
        return float(found[0]) if found else 0

    def stop(self) -> int:
        """Stop as a service manager does."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """Stop as a power failure does."""
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(found: Callable[[], Any], *, seconds: float = 20) -> Any:
    """What is found once something is; an error of the test if nothing ever is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """``osteo-fhir`` with the files of a folder."""
    return subprocess.run(
        [sys.executable, "-c", "from adapter.entrypoints.cli import main; main()", *words],
        capture_output=True,
        env=_environment(folder),
        check=False,
        timeout=120,
    )


@contextmanager
def service(folder: Path, server: str, *options: str, port: int = 0) -> Iterator[Service]:
    """``osteo-fhir serve`` until the block ends; the same folder started again goes on where it was."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    secret = folder / "secret"
    if not secret.exists():
        secret.touch(0o600)
        secret.write_text(SECRET + "\n")
    words = ["serve", "--server", server, "--listen", f"127.0.0.1:{port}", "--secret-file", str(secret), *options]
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(folder),
        )
    try:
        started = Service(process, port, folder)
        _wait_until_it_answers(started)
        yield started
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def log(folder: Path) -> str:
    """What the service said, at every start."""
    return (folder / "log.txt").read_text("utf-8")


def lines(folder: Path) -> list[dict[str, Any]]:
    """Its events."""
    return [json.loads(line) for line in log(folder).splitlines() if line.startswith("{")]


def _environment(folder: Path) -> dict[str, str]:
    files = {"OSTEO_FHIR_INBOX": folder / "inbox.sqlite", "OSTEO_FHIR_LEDGER": folder / "ledger.sqlite"}
    return {**os.environ, "PYTHONPATH": os.getcwd(), **{name: str(path) for name, path in files.items()}}


def _wait_until_it_answers(started: Service) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and started.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(started.base.rpartition(":")[2])), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the service did not start: {log(started.folder)[-2000:]}")
