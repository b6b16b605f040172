"""Law: "the doors agree", on what real systems send: each source as lines, and as the exports among them lie there."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.bulk.building import converted, laid_out, said_by_bulk, said_by_files
from tests.shared.sources import AS_OF


def _lines(source: Path) -> Iterator[bytes]:
    """Each file of a source on a line of its own, each file of lines as it is; what is no JSON stays a bad line."""
    for path in sorted(source.rglob("*.json*")) + sorted(source.rglob("*.ndjson*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if ".ndjson" in path.name:
            yield from data.split(b"\n")
            continue
        try:
            yield msgspec.json.format(data.removeprefix(b"\xef\xbb\xbf"), indent=-1)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield data.replace(b"\n", b" ")


@pytest.mark.parametrize("source", AS_OF)
def test_bulk_says_what_the_file_door_says_of_a_source(source: str, shared_data: Path, tmp_path: Path) -> None:
    lines = list(_lines(shared_data / source))
    files = {f"{number}.ndjson": b"\n".join(lines[number::3]) for number in range(3)}
    folder = laid_out(tmp_path / "in", {name: data for name, data in files.items() if data})

    finished = converted(folder, tmp_path / "out")

    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)


@pytest.mark.parametrize("source", ["gen-clinosim-us", "synthea-bulk-2025", "synthea-pathling"])
def test_bulk_says_what_the_file_door_says_of_a_real_export(source: str, shared_data: Path, tmp_path: Path) -> None:
    exports = {
        Path(root) for root, _, names in os.walk(shared_data / source) if any(".ndjson" in name for name in names)
    }
    for number, lying in enumerate(sorted(exports)):
        folder = laid_out(tmp_path / f"in{number}", {path.name: path.read_bytes() for path in lying.glob("*.ndjson*")})
        target = tmp_path / str(number)
        assert said_by_bulk(target, converted(folder, target)) == said_by_files(folder)
