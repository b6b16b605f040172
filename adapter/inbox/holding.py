"""One process works a file off, and the system knows which."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from adapter.errors import InboxUnusable

if sys.platform != "win32":
    import fcntl


def held(path: Path) -> int | None:
    """Make this process the only one that works a file off, until it ends or closes what this gives.

    Where the system has no such locks there is nothing to close, and the operator must see to it.

    Raises:
        InboxUnusable: Another process does.
    """
    if sys.platform == "win32":
        return None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InboxUnusable(f"{path}: {error.strerror}; let this user write the file and its folder") from error
    try:
        # Held by the open file, and so gone with the process however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise InboxUnusable(f"{path}: another process works it off; end it, or name another inbox") from error
    return lock
