"""Whether a process that shares the ledger still lives: shown by a lock, which the system drops when it dies."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4
from weakref import finalize

if sys.platform != "win32":
    import fcntl

_A_DAY = 86_400.0


class Presence:
    """One process that is alive; others, in other containers too if they share the folder, can ask whether it is."""

    def __init__(self, ledger: Path) -> None:
        """Take a name that no process has had, and hold a lock on a file of that name beside the ledger.

        Where the system has no such locks the name is empty, and nobody can tell.
        """
        self.name = ""
        if sys.platform != "win32":
            # Where no file can be made or locked, leases end by their time alone.
            with suppress(OSError):
                self.name = self._shown(ledger, uuid4().hex)

    def _shown(self, ledger: Path, name: str) -> str:
        path = _path(ledger, name)
        # As long as the process lives this stays open; the lock goes with it, however it ends.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        finalize(self, _leave, path, file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sweep(ledger, os.fstat(file).st_mtime)
        return name


def is_gone(ledger: Path, name: str) -> bool:
    """Whether the process of this name has certainly ended; what it left behind is then tidied up."""
    if not name or sys.platform == "win32":
        return False
    path = _path(ledger, name)
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        # Shared: somebody else who asks at this moment must not look like the one who is asked about.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
        return True
    except OSError:
        return False
    finally:
        os.close(file)


def _sweep(ledger: Path, now: float) -> None:
    """Tidy up after those who died without holding a patient; young files may be about to be locked."""
    prefix = _path(ledger, "").name
    for path in ledger.parent.glob(f"{prefix}*"):
        with suppress(OSError):
            if now - path.stat().st_mtime > _A_DAY:
                is_gone(ledger, path.name.removeprefix(prefix))


def _path(ledger: Path, name: str) -> Path:
    return Path(f"{ledger}-alive-{name}")


def _leave(path: Path, file: int) -> None:
    path.unlink(missing_ok=True)
    os.close(file)
