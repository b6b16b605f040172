"""Bring a whole Bulk Data export into a folder: begun once, resumed after an interruption, nothing half there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from adapter.errors import OutputRefused, ServerError
from adapter.fhir_server.bulk_data import (
    Export,
    File,
    Manifest,
    download,
    errors_in,
    finished,
    is_allowed,
    is_expired,
    kick_off,
    local_name,
    waited_for,
)
from adapter.fhir_server.client import FhirServer

MANIFEST = "manifest.json"
# Where the status URL is kept until everything is here; its name is none that a reader of exports looks for.
_STATE = ".export-state"
_DONE = ".export-done"


class _State(msgspec.Struct):
    """What must be known to go on after an interruption; the addresses are those of the files, in their order."""

    base: str
    export: Export
    status_url: str
    addresses: tuple[str, ...] = ()


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What an export brought home.

    Attributes:
        transaction_time: ``since`` of the next export.
        resources: How many, by resource type; deletions and errors are not among them.
        refused: Files that were not fetched, and why.
        server_errors: What the server's own error files say: severity and code.
    """

    transaction_time: str
    resources: dict[str, int]
    refused: tuple[str, ...] = ()
    server_errors: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all that the server promised came, and it reports no failure of its own."""
        return not self.refused and not self.server_errors


class _Done(msgspec.Struct):
    """What was asked for, and what came of it."""

    base: str
    export: Export
    home: Fetched


_state_in = msgspec.json.Decoder(_State).decode
_done_in = msgspec.json.Decoder(_Done).decode


def fetch_export(
    server: FhirServer,
    export: Export,
    folder: Path,
    *,
    seconds: float,
    tell: Callable[[str], None],
    may_be_done: bool = False,
) -> Fetched:
    """Export into a folder: files named by type and number, and a ``manifest.json`` that names them.

    Args:
        server: Where from.
        export: What.
        folder: Where to; one that holds another export is refused, one that holds this export's beginning is resumed.
        seconds: How long the server may take to prepare.
        tell: Called with a line of progress.
        may_be_done: Take what the folder holds, if it is this very export, brought home before.

    Raises:
        OutputRefused: The folder holds something else.
        ServerError: The server exports nothing, or failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if may_be_done and (done := _done(server, export, folder)) is not None:
        return done
    state = _begun(server, export, folder)
    try:
        manifest = waited_for(server, state.status_url, seconds=seconds, tell=tell)
    except ServerError as error:
        if not error.may_retry:
            (folder / _STATE).unlink(missing_ok=True)
        raise
    except KeyboardInterrupt:
        abandon(server, folder)
        raise
    fetched, refused = _files(server, state, manifest, folder, tell)
    errors = [told for name in fetched if name.startswith("error.") for told in errors_in((folder / name).read_bytes())]
    resources: dict[str, int] = {}
    for file, count in fetched.values():
        if file.kind == "output":
            resources[file.type] = resources.get(file.type, 0) + count
    home = Fetched(
        transaction_time=manifest.transaction_time,
        resources=resources,
        refused=tuple(refused),
        server_errors=tuple(errors),
    )
    _write(folder / MANIFEST, _own_manifest(manifest, fetched, state))
    _write(folder / _DONE, msgspec.json.encode(_Done(state.base, export, home)))
    (folder / _STATE).unlink()
    finished(server, state.status_url)
    return home


def abandon(server: FhirServer, folder: Path) -> None:
    """Tell the server that the export is not wanted any more."""
    state = _known(folder)
    if state is not None:
        finished(server, state.status_url)
        (folder / _STATE).unlink(missing_ok=True)


def _done(server: FhirServer, export: Export, folder: Path) -> Fetched | None:
    """What was brought home before, if it was the same export."""
    try:
        done = _done_in((folder / _DONE).read_bytes())
    except FileNotFoundError:
        return None
    return done.home if (done.base, done.export) == (server.base, export) else None


def _begun(server: FhirServer, export: Export, folder: Path) -> _State:
    state = _known(folder)
    if state is not None:
        if (state.base, state.export) != (server.base, export):
            raise OutputRefused(f"{folder}: holds the beginning of another export; name another folder")
        return state
    if any(folder.iterdir()):
        raise OutputRefused(f"{folder}: is not empty; name another folder for the export")
    state = _State(server.base, export, kick_off(server, export))
    _write(folder / _STATE, msgspec.json.encode(state))
    return state


def _known(folder: Path) -> _State | None:
    path = folder / _STATE
    try:
        return _state_in(path.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise OutputRefused(f"{path}: is damaged; empty the folder and begin anew") from error


_Files = dict[str, tuple[File, int]]


class _Expired(Exception):
    """A link ran out."""


def _files(
    server: FhirServer, state: _State, manifest: Manifest, folder: Path, tell: Callable[[str], None]
) -> tuple[_Files, list[str]]:
    """Every file, once; after an interruption only those that are missing; once again where a link ran out."""
    _aligned(state, manifest, folder)
    try:
        return _in_turn(server, state, manifest, folder, tell, may_expire=True)
    except _Expired:
        fresh = waited_for(server, state.status_url, seconds=60, tell=lambda progress: None)
    _aligned(state, fresh, folder)
    return _in_turn(server, state, fresh, folder, tell, may_expire=False)


def _aligned(state: _State, manifest: Manifest, folder: Path) -> None:
    """Keep what came under another manifest only where it names the same files in the same order.

    A file is known by its address, for two of one type may change places; what follows a question mark signs the link.
    """
    addresses = tuple(urlsplit(file.url)._replace(query="", fragment="").geturl() for file in manifest.files)
    if addresses == state.addresses:
        return
    for path in folder.glob("*.ndjson"):
        path.unlink()
    state.addresses = addresses
    _write(folder / _STATE, msgspec.json.encode(state))


def _in_turn(
    server: FhirServer,
    state: _State,
    manifest: Manifest,
    folder: Path,
    tell: Callable[[str], None],
    *,
    may_expire: bool,
) -> tuple[_Files, list[str]]:
    fetched: _Files = {}
    refused: list[str] = []
    for number, file in enumerate(manifest.files, 1):
        name = local_name(file, number)
        if not is_allowed(server, state.export, file):
            refused.append(f"{name}: lies on another server, which is not allowed")
            continue
        tell(f"{number} of {len(manifest.files)}: {file.type}")
        try:
            fetched[name] = (file, _brought(server, file, folder / name))
        except ServerError as error:
            if may_expire and is_expired(error):
                raise _Expired from error
            refused.append(f"{name}: {error}")
    return fetched, refused


def _brought(server: FhirServer, file: File, path: Path) -> int:
    """How many resources one file holds, once it is here; a truncated one is asked for once more."""
    if path.exists():
        return _lines(path)
    try:
        return download(server, file, path)
    except ServerError as error:
        if error.code != "count-mismatch":
            raise
        return download(server, file, path)


def _own_manifest(manifest: Manifest, fetched: _Files, state: _State) -> bytes:
    """The server's manifest, with local names; its request tells if it is all.

    A file that did not come stands in it too: so nobody takes what lies in the folder for the whole export.
    """
    since = f"?_since={state.export.since}" if state.export.since else ""
    lists: dict[str, list[dict[str, object]]] = {"output": [], "deleted": [], "error": []}
    for number, file in enumerate(manifest.files, 1):
        name = local_name(file, number)
        count = {"count": fetched[name][1]} if name in fetched else {}
        lists[file.kind].append({"type": file.type, "url": name, **count})
    content = {
        "transactionTime": manifest.transaction_time,
        "request": f"{state.base}/{state.export.path}{since}",
        "requiresAccessToken": False,
        **lists,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _lines(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip())


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
