"""A disk that is full, by SQLite's own bound on the size of a file (sqlite.org/pragma.html#pragma_max_page_count)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adapter.sqlite_file import SqliteFile

_ROOMY = 1_000_000


@contextmanager
def full_disk(file: SqliteFile) -> Iterator[None]:
    """Let the file grow no more, through any connection that it has by now."""
    with file.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    _bound(file, pages)
    yield
    _bound(file, _ROOMY)


def _bound(file: SqliteFile, pages: int) -> None:
    for connection in list(file._opened):
        connection.execute(f"PRAGMA max_page_count = {pages}")
