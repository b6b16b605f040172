"""A FHIR server on the loopback address with patients on it, for a first try: made, filled, and gone afterwards."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from adapter.entrypoints.inputs import found
from adapter.errors import InputUnreadable, SettingsInvalid
from adapter.fhir.decoding import decode, encode
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.transport import RequestsTransport

Resource = dict[str, Any]
_HOST = "127.0.0.1"
_START_SECONDS = 60
# Ends as soon as its standard input is closed: so it never outlives us, however we end.
_PROGRAM = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from sekmet.cli import app
app()
"""


@contextmanager
def running(folder: Path, port: int) -> Iterator[str]:
    """A server on a folder that keeps what is written to it; gives its base address.

    Args:
        folder: Where it keeps its database; the same folder brings the same resources back.
        port: Where it listens; 0 finds a free one.

    Raises:
        SettingsInvalid: The extra is not installed, or the server does not start.
    """
    if importlib.util.find_spec("sekmet") is None:
        raise SettingsInvalid("the sandbox needs an extra: pip install 'osteo-fhir-adapter[sandbox]'")
    folder.mkdir(parents=True, exist_ok=True)
    port = _free(port)
    base = f"http://{_HOST}:{port}/fhir"
    # JSON is YAML too.
    (folder / "settings.yaml").write_text(json.dumps(_settings(folder, base, port)), "utf-8")
    with (folder / "log.txt").open("ab") as log:
        server = subprocess.Popen(  # noqa: S603 - our own interpreter, our own words
            [sys.executable, "-c", _PROGRAM, "serve", "--config", str(folder / "settings.yaml")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            # Ctrl-C is for us: we end the server after what we are doing.
            start_new_session=True,
        )
    try:
        _wait_for(server, port, folder)
        yield base
    finally:
        server.terminate()
        server.wait()


def fill(base: str, patients: Mapping[str, list[Resource]]) -> int:
    """Put these patients' resources on the server under their own ids, and say how many resources there are."""
    server = FhirServer(base, RequestsTransport())
    for resources in patients.values():
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in resources
        ]
        server.send("POST", "", encode({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    return sum(map(len, patients.values()))


def journeys() -> dict[str, list[Resource]]:
    """The patients that come with the adapter, one for each clinical state, called as their state.

    Raises:
        SettingsInvalid: They did not come with this installation.
    """
    package = files("adapter")
    folder = package.joinpath("journeys")
    root = folder if folder.is_dir() else package.joinpath("..", "fixtures", "journeys")
    if not root.is_dir():
        raise SettingsInvalid("no patients came with this installation; name a folder of Bundles by --load")
    states = sorted(each.name for each in root.iterdir() if each.joinpath("input.json").is_file())
    return {
        state: _called(state, _resources(root.joinpath(state, "input.json").read_bytes(), state)) for state in states
    }


def loaded(words: tuple[str, ...]) -> dict[str, list[Resource]]:
    """The resources in files and folders that a person named, as they are.

    Raises:
        SettingsInvalid: There is no such file.
        InputUnreadable: One of them is no Bundle of resources with ids.
    """
    return {name: _resources(Path(name).read_bytes(), name) for name in found(words)}


def _resources(data: bytes, name: str) -> list[Resource]:
    """The resources of a Bundle, each once: the last version of it that the Bundle holds."""
    bundle = decode(data, where=name)
    entries = bundle.get("entry", [{"resource": bundle}]) if isinstance(bundle, dict) else []
    resources = [each["resource"] for each in entries if isinstance(each, dict) and "resource" in each]
    if not all({"resourceType", "id"} <= each.keys() for each in resources):
        raise InputUnreadable(f"{name}: expected a Bundle of resources that all have an id")
    return list({(each["resourceType"], each["id"]): each for each in resources}.values())


def _called(state: str, resources: list[Resource]) -> list[Resource]:
    """The resources under ids of their own: in every fixture the patient is p-01."""
    patients = [each["id"] for each in resources if each["resourceType"] == "Patient"]
    ids = {
        f"{each['resourceType']}/{each['id']}": f"{each['resourceType']}/{_id(state, each['id'], patients)}"
        for each in resources
    }
    return [
        {**_relinked(each, ids), "id": ids[f"{each['resourceType']}/{each['id']}"].partition("/")[2]}
        for each in resources
    ]


def _id(state: str, id_: str, patients: list[str]) -> str:
    return state if patients[:1] == [id_] else f"{state[: 63 - len(id_)]}.{id_}"


def _relinked(node: Any, ids: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(node, dict):
        return {
            name: ids.get(part, part) if name == "reference" and isinstance(part, str) else _relinked(part, ids)
            for name, part in node.items()
        }
    return [_relinked(part, ids) for part in node] if isinstance(node, list) else node


def _settings(folder: Path, base: str, port: int) -> dict[str, Any]:
    return {
        "base_url": base,
        "host": _HOST,
        "port": port,
        "data_dir": str(folder),
        "own_private_key_path": str(folder / "own.pem"),
        "simulator": {"enabled": False},
        # The fixtures hold what real servers hold, also what is not valid.
        "validation": {"inbound": "warn"},
        "log_inbound": False,
    }


def _free(port: int) -> int:
    """The port, if nobody listens there; a free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise SettingsInvalid(f"--port {port}: {error.strerror}; choose another") from None
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection((_HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SettingsInvalid(f"the sandbox did not start; see {folder / 'log.txt'}")
