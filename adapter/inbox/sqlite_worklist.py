"""The worklist in one SQLite file that the worker writes, and the operator's commands."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

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
# News may put a task off, yet never beyond its delay, nor pull forward one that waits after a failure.
_WISH = """
    INSERT INTO task (reference, hint, first, due, news, attempts, tried_at, reason)
    VALUES (:reference, :hint, :first, :due, 1, 0, 0, '')
    ON CONFLICT (reference) DO UPDATE SET
        news = news + 1,
        hint = CASE excluded.hint WHEN '' THEN hint ELSE excluded.hint END,
        due = CASE WHEN attempts > 0 THEN due ELSE max(due, min(excluded.due, first + :delay)) END
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
_AGAIN = "UPDATE task SET attempts = 0, reason = '', first = max(due, ?1), due = max(due, ?1) WHERE reference = ?2"
_CURSOR = "cursor"


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
            for ended in turn.ended:
                _end(connection, ended)
                marks |= ended.marks
            _wish(connection, turn.wishes)
            connection.executemany(_WATCHED, map(_row_of, turn.watched))
            connection.executemany("INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)", marks.items())

    def due(self, now: float, *, most: int, but: Collection[str] = ()) -> list[Task]:
        """What is due, longest first, except some that are under way."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT reference, hint, first, due, news, attempts, tried_at, reason FROM task "
                "WHERE due <= ? ORDER BY due LIMIT ?",
                (now, most + len(but)),
            ).fetchall()
        tasks = (_task(*row) for row in rows if row[0] not in but)
        return [task for task, _ in zip(tasks, range(most), strict=False)]

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
        return [_watched(*row) for row in rows]

    def letters(self) -> list[Letter]:
        """What was given up, oldest first."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT id, reference, reason, attempts, first, at FROM letter ORDER BY id")
            return [_letter(*row) for row in rows]

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


def _wish(connection: sqlite3.Connection, wishes: Iterable[Wish]) -> None:
    connection.executemany(_WISH, [msgspec.structs.asdict(each) for each in wishes])


def _end(connection: sqlite3.Connection, ended: Ended) -> None:
    """Settle one task, and what follows from it."""
    task = ended.task
    _wish(connection, ended.wishes)
    if ended.ending is Ending.LATER:
        connection.execute(_LATER, (ended.due, ended.attempts, ended.at, ended.reason, task.reference))
        return
    # What there was news of meanwhile has to be done again.
    same = connection.execute("DELETE FROM task WHERE reference = ? AND news = ?", (task.reference, task.news)).rowcount
    if not same:
        connection.execute(_AGAIN, (ended.due, task.reference))
    if ended.ending is Ending.DEAD:
        letter = (task.reference, task.hint, ended.reason, ended.attempts, task.first, ended.at)
        connection.execute(_LETTER, letter)
    else:
        _forget_letter(connection, task.reference, ended.at)


def _forget_letter(connection: sqlite3.Connection, reference: str, now: float) -> None:
    """What was given up once and then done needs nobody any more."""
    row = connection.execute("SELECT id FROM letter WHERE reference = ?", (reference,)).fetchone()
    if row:
        _taken(connection, row, _noted("service", "done", now))


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
    numbers = msgspec.json.encode(each.numbers).decode()
    return (
        each.reference, numbers, each.status, each.heard_at, each.event_at, each.duplicates, each.gaps, each.resets,
    )  # fmt: skip


def _task(*row: object) -> Task:
    return msgspec.convert(dict(zip(Task.__struct_fields__, row, strict=True)), Task)


def _letter(*row: object) -> Letter:
    return msgspec.convert(dict(zip(Letter.__struct_fields__, row, strict=True)), Letter)


def _watched(reference: str, numbers: str, *row: object) -> Watched:
    known = msgspec.json.decode(numbers, type=Numbers)
    names = ("status", "heard_at", "event_at", "duplicates", "gaps", "resets")
    rest = dict(zip(names, row, strict=True))
    return msgspec.convert({"reference": reference, "numbers": known, **rest}, Watched)
