"""Walk a folder as a person sees it: links to folders are followed, and a folder that is closed is no empty one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def walked(folder: Path, refuse: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk``, also behind links; each folder once, so that none of them leads in a circle.

    Args:
        folder: Where to begin.
        refuse: Is given why a folder cannot be looked into, and says so by raising.
    """
    seen = {os.path.realpath(folder)}
    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        # Of several names of one folder the last one here stays: one that is not hidden, the first by the alphabet.
        names_by_rank = sorted(folders, key=lambda name: (name.startswith("."), name), reverse=True)
        real = {os.path.realpath(os.path.join(root, name)): name for name in names_by_rank}
        folders[:] = sorted(name for path, name in real.items() if path not in seen)
        seen |= real.keys()
        yield root, folders, names
