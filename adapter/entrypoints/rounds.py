"""Where a round of export, conversion and upload stands, by what lies in its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def is_assessed(folder: Path) -> bool:
    """Whether the conversion into this folder was finished: its summary is written last."""
    return (folder / "summary.json").exists()


def is_partial(folder: Path) -> bool:
    """Whether the server said, in what was converted, that something is missing."""
    summary = json.loads((folder / "summary.json").read_bytes())
    return bool(summary["told_errors"])


def removed(folder: Path) -> None:
    """Remove the folder of a round that is over: it holds patients' data, and all of it is on the server."""
    for name in ("export", "assessed"):
        shutil.rmtree(folder / name)
    if not any(folder.iterdir()):
        folder.rmdir()
