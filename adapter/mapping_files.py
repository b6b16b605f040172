"""Where the mappings lie: those shipped with the adapter, and the folders a site adds."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from adapter.errors import MappingsInvalid
from adapter.knowledge.loading import load_layers
from adapter.knowledge.model import Knowledge

_ENDINGS = (".toml", ".json")


def load_knowledge(overlays: Sequence[Path] = ()) -> Knowledge:
    """The shipped knowledge with the folders of a site laid over it, later ones winning."""
    return load_layers([shipped(), *(folder(overlay) for overlay in overlays)])


def shipped() -> dict[str, bytes]:
    """The mapping files that come with the adapter, by their name within the set."""
    package = files("adapter")
    # In a wheel the mappings lie inside the package; in a checkout they lie beside it, where clinicians edit them.
    inside = package.joinpath("mappings")
    root = inside if inside.is_dir() else package.joinpath("..", "mappings")
    return dict(_read(root, ""))


def folder(path: Path) -> dict[str, bytes]:
    """The mapping files of one folder and the folders in it; raises ``MappingsInvalid`` where there are none."""
    if not path.is_dir():
        raise MappingsInvalid(f"{path}: expected a folder of mapping files")
    found = dict(_read(path, ""))
    if not found:
        raise MappingsInvalid(f"{path}: expected at least one file that ends in .toml or .json")
    return found


def _read(root: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in root.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_ENDINGS) and not entry.name.startswith("."):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
