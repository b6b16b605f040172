"""The worklist in one SQLite file that the worker writes, and the operator's commands."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from adapter.errors import InboxUnusable
from adapter.inbox.holding import held
from adapter.inbox.numbering import Numbers
from adapter.inbox.worklist import Ended, Ending, Letter, Note, Task, Turn, Watched, Wish
from adapter.sqlite_file import Purpose, SqliteFile

_FIRST = (
    """
    CREATE TABLE task (
        reference TEXT PRIMARY KEY,
        hint TEXT NOT NULL,
        first REAL NOT NULL,
        due REAL NOT NULL,
        news INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        tried_at REAL NOT NULL,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX task_due ON task (due)",
    """
    CREATE TABLE letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        reference TEXT NOT NULL UNIQUE,
        hint TEXT NOT NULL,
        reason TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        first REAL NOT NULL,
        at REAL NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE watched (
        reference TEXT PRIMARY KEY,
        numbers TEXT NOT NULL,
        status TEXT NOT NULL,
        heard_at REAL NOT NULL,
        event_at REAL NOT NULL,
        duplicates INTEGER NOT NULL,
        gaps INTEGER NOT NULL,
        resets INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE note (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        who TEXT NOT NULL,
        action TEXT NOT NULL,
        reference TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT
    """,
)
# 0x6F734657 spells "osFW".
_PURPOSE = Purpose(0x6F734657, (_FIRST,), InboxUnusable)
_PATIENCE = 10.0
# Many by one statement: between two, another thread may take Python's lock, and keep it for a while.
# News may put a task off, yet never beyond its delay, nor pull forward one that waits after a failure.
_WISH = """
    INSERT INTO task (reference, hint, first, due, news, attempts, tried_at, reason)
    SELECT
        json_extract(value, '$.reference'), json_extract(value, '$.hint'), json_extract(value, '$.first'),
        json_extract(value, '$.due'), 1, 0, 0, ''
    FROM json_each(:wishes) WHERE true
    ON CONFLICT (reference) DO UPDATE SET
        news = news + 1,
        hint = CASE excluded.hint WHEN '' THEN hint ELSE excluded.hint END,
        due = CASE WHEN attempts > 0 THEN due ELSE max(due, min(excluded.due, first + :delay)) END
"""
_DUE = """
    SELECT json_group_array(json_object(
        'reference', reference, 'hint', hint, 'first', first, 'due', due, 'news', news, 'attempts', attempts,
        'tried_at', tried_at, 'reason', reason
    )) FROM (SELECT * FROM task WHERE due <= ? ORDER BY due LIMIT ?)
"""
# What there was news of meanwhile has to be done again.
_AGAIN = """
    UPDATE task SET attempts = 0, reason = '', first = max(task.due, ended.due), due = max(task.due, ended.due)
    FROM (SELECT json_extract(value, '$[0]') AS reference, json_extract(value, '$[1]') AS news,
        json_extract(value, '$[2]') AS due FROM json_each(?)) AS ended
    WHERE task.reference = ended.reference AND task.news <> ended.news
"""
_ENDED = """
    DELETE FROM task WHERE (reference, news) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))
"""
_WATCHED = """
    INSERT OR REPLACE INTO watched (reference, numbers, status, heard_at, event_at, duplicates, gaps, resets)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_LETTER = """
    INSERT INTO letter (reference, hint, reason, attempts, first, at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (reference) DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, at = excluded.at
"""
_LATER = "UPDATE task SET due = ?, attempts = ?, tried_at = ?, reason = ? WHERE reference = ?"
_CURSOR = "cursor"

_tasks_in = msgspec.json.Decoder(list[Task]).decode
_numbers_in = msgspec.json.Decoder(Numbers).decode


class SqliteWorklist:
    """Keeps what is to be done in a file; see ``Worklist``."""

    def __init__(self, path: Path, *, is_worker: bool = False) -> None:
        """Open or make the file.

        Args:
            path: The file.
            is_worker: Work it off: only one process may.

        Raises:
            InboxUnusable: The file cannot serve, or another process works it off.
        """
        self._lock = held(path) if is_worker else None
        self._file = SqliteFile(path, _PURPOSE, patience=_PATIENCE)

    def cursor(self) -> int:
        """The last event that was taken in."""
        return int(self.mark(_CURSOR) or 0)

    def mark(self, name: str) -> str:
        """What was remembered under a name; empty if nothing was."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def commit(self, turn: Turn) -> None:
        """Change all of it at once, safe from the loss of power."""
        marks = dict(turn.marks)
        if turn.cursor >= 0:
            marks[_CURSOR] = str(turn.cursor)
        with self._file.writing() as connection:
            _end(connection, turn.ended)
            _wish(connection, [wish for ended in turn.ended for wish in ended.wishes] + turn.wishes)
            for ended in turn.ended:
                marks |= ended.marks
            connection.executemany(_WATCHED, map(_row_of, turn.watched))
            connection.executemany("INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)", marks.items())

    def due(self, now: float, *, most: int, but: Collection[str] = ()) -> list[Task]:
        """What is due, longest first, except some that are under way."""
        with self._file.reading() as connection:
            (found,) = connection.execute(_DUE, (now, most + len(but))).fetchone()
        tasks = sorted(_tasks_in(found), key=attrgetter("due"))
        return [each for each in tasks if each.reference not in but][:most]

    def counts(self) -> tuple[int, int, float]:
        """How many tasks there are, how many letters, and when there was first news of the oldest task; 0 if none."""
        with self._file.reading() as connection:
            tasks, oldest = connection.execute("SELECT count(*), coalesce(min(first), 0) FROM task").fetchone()
            letters = connection.execute("SELECT count(*) FROM letter").fetchone()[0]
        return tasks, letters, oldest

    def watched(self) -> list[Watched]:
        """All Subscriptions that are known."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT reference, numbers, status, heard_at, event_at, duplicates, gaps, resets "
                "FROM watched ORDER BY reference"
            ).fetchall()
        return [_watched(row) for row in rows]

    def letters(self) -> list[Letter]:
        """What was given up, oldest first."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT id, reference, reason, attempts, first, at FROM letter ORDER BY id")
            return [_letter(row) for row in rows]

    def replay(self, ids: Sequence[int], *, who: str, now: float) -> int:
        """Put letters back among the tasks, due at once; how many there were."""
        with self._file.writing() as connection:
            taken = _taken(connection, ids, _noted(who, "replay", now))
            _wish(connection, [Wish(reference=each[0], hint=each[1], first=now, due=now) for each in taken])
        return len(taken)

    def drop(self, ids: Sequence[int], *, who: str, now: float) -> int:
        """Throw letters away; how many there were."""
        with self._file.writing() as connection:
            return len(_taken(connection, ids, _noted(who, "drop", now)))

    def notes(self) -> list[Note]:
        """Who decided what, oldest first."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT at, who, action, reference, reason FROM note ORDER BY id").fetchall()
        return [
            Note(at=at, who=who, action=action, reference=reference, reason=reason)
            for at, who, action, reference, reason in rows
        ]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _wish(connection: sqlite3.Connection, wishes: Sequence[Wish]) -> None:
    by_delay: dict[float, list[Wish]] = {}
    for each in wishes:
        by_delay.setdefault(each.delay, []).append(each)
    for delay, some in by_delay.items():
        connection.execute(_WISH, {"wishes": _json(some), "delay": delay})


def _end(connection: sqlite3.Connection, ended: Sequence[Ended]) -> None:
    """Settle what was tried."""
    settled = [each for each in ended if each.ending is not Ending.LATER]
    if settled:
        told = _json([(each.task.reference, each.task.news, each.due) for each in settled])
        connection.execute(_AGAIN, (told,))
        connection.execute(_ENDED, (told,))
        _forget_letters(connection, [each for each in settled if each.ending is Ending.DONE])
    for each in ended:
        task = each.task
        if each.ending is Ending.LATER:
            connection.execute(_LATER, (each.due, each.attempts, each.at, each.reason, task.reference))
        elif each.ending is Ending.DEAD:
            letter = (task.reference, task.hint, each.reason, each.attempts, task.first, each.at)
            connection.execute(_LETTER, letter)


def _forget_letters(connection: sqlite3.Connection, done: Sequence[Ended]) -> None:
    """What was given up once and then done needs nobody any more."""
    rows = connection.execute(
        "SELECT id FROM letter WHERE reference IN (SELECT value FROM json_each(?))",
        (_json([each.task.reference for each in done]),),
    ).fetchall()
    if rows:
        _taken(connection, [id_ for (id_,) in rows], _noted("service", "done", done[-1].at))


def _json(values: object) -> str:
    return msgspec.json.encode(values).decode()


_Noted = tuple[str, str, float]


def _noted(who: str, action: str, now: float) -> _Noted:
    return who, action, now


def _taken(connection: sqlite3.Connection, ids: Sequence[int], noted: _Noted) -> list[tuple[str, str]]:
    """Take letters away, and note who did it."""
    who, action, now = noted
    taken: list[tuple[str, str]] = []
    for id_ in ids:
        row = connection.execute("DELETE FROM letter WHERE id = ? RETURNING reference, hint, reason", (id_,)).fetchone()
        if row:
            taken.append((row[0], row[1]))
            connection.execute(
                "INSERT INTO note (at, who, action, reference, reason) VALUES (?, ?, ?, ?, ?)",
                (now, who, action, row[0], row[2]),
            )
    return taken


def _row_of(each: Watched) -> tuple[object, ...]:
    numbers = _json(each.numbers)
    return (
        each.reference, numbers, each.status, each.heard_at, each.event_at, each.duplicates, each.gaps, each.resets,
    )  # fmt: skip


def _letter(row: Sequence[Any]) -> Letter:
    return Letter(**dict(zip(Letter.__struct_fields__, row, strict=True)))


def _watched(row: Sequence[Any]) -> Watched:
    reference, numbers, *others = row
    names = ("status", "heard_at", "event_at", "duplicates", "gaps", "resets")
    rest = dict(zip(names, others, strict=True))
    return Watched(reference=reference, numbers=_numbers_in(numbers), **rest)
