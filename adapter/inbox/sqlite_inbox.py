"""The inbox in one SQLite file that the receiver alone writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

import msgspec

from adapter.errors import InboxUnusable
from adapter.fhir.notifications import Kind
from adapter.inbox.events import Arrival, Kept
from adapter.sqlite_file import Purpose, SqliteFile

_FIRST = (
    """
    CREATE TABLE event (
        -- Never used twice, so that "later" is "greater" (sqlite.org/autoinc.html).
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT UNIQUE,
        kind TEXT NOT NULL,
        subscription TEXT NOT NULL,
        number INTEGER NOT NULL,
        count INTEGER NOT NULL,
        focus TEXT NOT NULL,
        hint TEXT NOT NULL,
        status TEXT NOT NULL,
        at REAL NOT NULL
    ) STRICT
    """,
)
# 0x6F734649 spells "osFI".
_PURPOSE = Purpose(0x6F734649, (_FIRST,), InboxUnusable)
_PATIENCE = 10.0
# All of them by one statement: between two, another thread may take Python's lock, and keep it for a while.
_INSERT = """
    INSERT INTO event (key, kind, subscription, number, count, focus, hint, status, at)
    SELECT
        nullif(json_extract(value, '$.key'), ''), json_extract(value, '$.kind'), json_extract(value, '$.subscription'),
        json_extract(value, '$.number'), json_extract(value, '$.count'), json_extract(value, '$.focus'),
        json_extract(value, '$.hint'), json_extract(value, '$.status'), ?
    FROM json_each(?) WHERE true ON CONFLICT (key) DO NOTHING
"""
# As one row, for the same reason.
_AFTER = """
    SELECT json_group_array(json_object(
        'id', id, 'key', coalesce(key, ''), 'kind', kind, 'subscription', subscription, 'number', number,
        'count', count, 'focus', focus, 'hint', hint, 'status', status, 'at', at
    )) FROM (SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?)
"""
# So few at a time that nobody who waits for an acknowledgement notices.
_FORGOTTEN_AT_ONCE = 5_000

_SEARCH = msgspec.json.encode([Arrival(key="", kind=Kind.PING)]).decode()
_kept_in = msgspec.json.Decoder(list[Kept]).decode


class SqliteInbox:
    """Keeps events in a file; see ``Inbox``."""

    def __init__(self, path: Path, *, clock: Callable[[], float], remembered: int = 100_000) -> None:
        """Open or make the file.

        Args:
            path: The file.
            clock: Seconds, for when events arrived.
            remembered: How many events that are done are kept to know repetitions.

        Raises:
            InboxUnusable: The file cannot serve.
        """
        self._file = SqliteFile(path, _PURPOSE, patience=_PATIENCE)
        self._clock, self._remembered = clock, remembered

    def store(self, arrivals: Sequence[Arrival]) -> int:
        """Keep all of them, safe from the loss of power, or none; how many were not kept before."""
        with self._file.writing() as connection:
            kept = connection.execute(_INSERT, (self._clock(), msgspec.json.encode(arrivals).decode())).rowcount
            if kept < len(arrivals) and any(each.may_be_another for each in arrivals):
                connection.execute(_INSERT, (self._clock(), _SEARCH))
            return kept

    def after(self, cursor: int, *, most: int) -> list[Kept]:
        """The events after one of them, oldest first."""
        with self._file.reading() as connection:
            (found,) = connection.execute(_AFTER, (cursor, most)).fetchone()
        # An aggregate promises no order (sqlite.org/json1.html#jgrouparray).
        return sorted(_kept_in(found), key=attrgetter("id"))

    def waiting(self, cursor: int) -> tuple[int, float]:
        """How many events came after one of them, and when the oldest of these arrived; 0 if there is none."""
        with self._file.reading() as connection:
            first = connection.execute("SELECT at FROM event WHERE id > ? ORDER BY id LIMIT 1", (cursor,)).fetchone()
            # The numbers have no holes to speak of, and counting rows would read them all.
            last = connection.execute("SELECT max(id) FROM event").fetchone()[0] or 0
            return (last - cursor, first[0]) if first else (0, 0.0)

    def prune(self, cursor: int) -> int:
        """Forget events up to this one, except as many as are needed to know repetitions; how many were forgotten."""
        with self._file.writing() as connection:
            return connection.execute(
                "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id <= ? ORDER BY id LIMIT ?)",
                (cursor - self._remembered, _FORGOTTEN_AT_ONCE),
            ).rowcount

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
