"""The private folder of one run: nobody else reads it, it goes when the run is done, and tells what is done already."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from adapter.errors import OutputRefused, SettingsInvalid

FOLDER = ".osteo-fhir-bulk"
_PLAN = "plan.json"
_LOCK = "lock"
_PATIENCE = 15.0
_Done = TypeVar("_Done")

_plan_in = msgspec.json.Decoder(dict[str, object]).decode


class Workplace:
    """A folder in the output folder, with mode 0700, held by one process at a time."""

    def __init__(self, target: Path) -> None:
        """Name the folder within the output folder; nothing is made yet."""
        self.folder = target / FOLDER
        self._lock = -1

    def open(self, plan: Mapping[str, object], *, resume: bool) -> None:
        """Take the folder: empty, or as an earlier run of the same plan left it.

        Args:
            plan: All that decides what is written, in JSON's terms.
            resume: Go on where the earlier run ended; without it what it left is removed.

        Raises:
            SettingsInvalid: The earlier run had other inputs, options or knowledge.
            OutputRefused: Another run is at work there.
        """
        shutil.rmtree(self.folder.with_name(f"{FOLDER}.done"), ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._take()
        earlier = self.earlier_plan()
        if resume and earlier:
            differing = sorted(name for name in plan.keys() | earlier.keys() if plan.get(name) != earlier.get(name))
            if differing:
                what = f"the interrupted run had other {', '.join(differing)}"
                raise SettingsInvalid(f"{self.folder.parent}: {what}; repeat it as it was, or start without --resume")
            return
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.finish(_PLAN, plan)

    def earlier_plan(self) -> dict[str, object]:
        """The plan of an interrupted run; empty if there is none."""
        return self.done(_PLAN, _plan_in) or {}

    def path(self, name: str) -> Path:
        """A file in the folder."""
        return self.folder / name

    def done(self, name: str, read: Callable[[bytes], _Done]) -> _Done | None:
        """What was noted when a step was finished; ``None`` if it was not."""
        path = self.path(name)
        return read(path.read_bytes()) if path.exists() else None

    def finish(self, name: str, note: object) -> None:
        """Note that a step is finished, in one step itself, so that it is known even after a power cut."""
        write_durably(self.path(name), msgspec.json.encode(note))

    def close(self) -> None:
        """Let another run have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Leave nothing behind; a run that is ended while it does so is not gone on with."""
        gone = self.folder.with_name(f"{FOLDER}.done")
        self.folder.rename(gone)
        shutil.rmtree(gone)
        self.close()

    def _take(self) -> None:
        # Workers whose run was killed end at their next step, and hold the lock until then.
        self._lock = os.open(self.path(_LOCK), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    self.close()
                    raise OutputRefused(f"{self.folder.parent}: another run is at work there") from None
                time.sleep(0.1)
            else:
                return


def write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; once this returns, a power cut does not take it back."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of the files in a folder as lasting as what they hold."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
