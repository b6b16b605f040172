"""Write results so that a file is either whole or not there, and nothing is overwritten unasked."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from adapter.errors import OutputRefused

_UNSAFE = re.compile(r"[^A-Za-z0-9.\-]+")


def refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    """Check before any work that nothing stands in the way.

    Raises:
        OutputRefused: A target exists and ``--force`` was not given, or it is a link or a folder.
    """
    for path in paths:
        # os.path, for pathlib raises where a name is too long to be one.
        if os.path.islink(path) or os.path.isdir(path):
            raise OutputRefused(f"{path}: is a link or a folder; name another output")
        if os.path.exists(path) and not force:
            raise OutputRefused(f"{path}: exists already; choose another output or add --force")


def write_files(files: Mapping[Path, bytes], *, force: bool) -> None:
    """Write each file under a temporary name beside it, then move it into place in one step.

    Raises:
        OutputRefused: A target stands in the way, or the system does not let it be written.
    """
    refuse_existing(files, force=force)
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content)
        except OSError as error:
            raise OutputRefused(f"{path}: {error.strerror}; nothing was written there") from error


def safe_name(text: str) -> str:
    """A file name from an id: letters, digits, dot and hyphen only, never a path."""
    return _UNSAFE.sub("-", text).strip(".-")[:80] or "patient"


def _write_whole(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
