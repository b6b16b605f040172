"""SQLite files of our own: private, durable, of a known schema; what goes wrong says what to do."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from adapter.errors import InboxUnusable

if sys.platform != "win32":
    import fcntl

# Strict tables came with 3.37 (sqlite.org/stricttables.html).
_OLDEST_SQLITE = (3, 37, 0)
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_PATIENCE = 10

# By primary result code (sqlite.org/rescode.html): what happened, and what to do.
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk cannot be written or read; look at its room, quota and health",
    sqlite3.SQLITE_READONLY: "may not be written to; let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; let this user write the file and its folder",
    sqlite3.SQLITE_PERM: "may not be opened; let this user write the file and its folder",
    sqlite3.SQLITE_BUSY: "is held by another process; end the one that hangs",
    sqlite3.SQLITE_LOCKED: "is held by another process; end the one that hangs",
    sqlite3.SQLITE_NOTADB: "is no database; name another file",
    sqlite3.SQLITE_CORRUPT: "is damaged; put a backup in its place, or move it away and start with a new one",
}


class File:
    """One SQLite file with a connection to write and one to read, each used by one thread at a time."""

    def __init__(self, path: Path, *, application: int, steps: Sequence[Sequence[str]]) -> None:
        """Open the file, make it where it is missing, and bring its tables up to date.

        Args:
            path: The file; folders above it are made.
            application: What tells our file from others (sqlite.org/pragma.html#pragma_application_id).
            steps: The statements that lead from each version of the tables to the next.

        Raises:
            InboxUnusable: The file cannot serve; the text says what to do.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise InboxUnusable(f"SQLite {sqlite3.sqlite_version} is too old for the inbox; 3.37 is the least")
        self._path = path
        self._turns = (threading.Lock(), threading.Lock())
        self._connections: list[sqlite3.Connection] = []
        _make_private(path)
        with self._explained():
            self._connections = [_connect(path), _connect(path)]
            self._bring_up_to_date(application, steps)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it survives the loss of power once it is over, or nothing of it is there."""
        with self._explained(), self._turns[0]:
            connection = self._connections[0]
            # IMMEDIATE: what begins by reading and then wants to write could not wait for another writer.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from; each statement sees one state of the file."""
        with self._explained(), self._turns[1]:
            yield self._connections[1]

    def close(self) -> None:
        """Close the connections, when nobody uses them any more."""
        with self._turns[0], self._turns[1]:
            for connection in self._connections:
                connection.close()

    def _bring_up_to_date(self, application: int, steps: Sequence[Sequence[str]]) -> None:
        with self.writing() as connection:
            ours = _pragma(connection, "application_id") == application
            empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            version = _pragma(connection, "user_version")
            if not ours and not empty:
                raise InboxUnusable(f"{self._path}: is another program's database; name another file")
            if version > len(steps):
                raise InboxUnusable(f"{self._path}: was made by a newer version; upgrade, or name another file")
            for statement in (each for step in steps[version:] for each in step):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {application}")
            connection.execute(f"PRAGMA user_version = {len(steps)}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The low byte is the primary code (sqlite.org/rescode.html).
            advice = _ADVICE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
            if advice is None:
                raise
            raise InboxUnusable(f"{self._path}: {advice}") from error


def held(path: Path) -> int | None:
    """Make this process the only one that works a file off, until it ends or closes what this gives.

    Where the system has no such locks there is nothing to close, and the operator must see to it.

    Raises:
        InboxUnusable: Another process does.
    """
    if sys.platform == "win32":
        return None
    _make_private(path)
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
    except OSError as error:
        raise InboxUnusable(f"{path}: {error.strerror}; let this user write its folder") from error
    try:
        # Held by the open file, and so gone with the process however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise InboxUnusable(f"{path}: another process works it off; end it, or name another inbox") from error
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit: transactions are begun by us alone. Each connection is used by one thread at a time, under its lock.
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode FULL alone waits for the disk at each commit (sqlite.org/pragma.html#pragma_synchronous).
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _make_private(path: Path) -> None:
    """Have the file, readable by this user alone; the files that SQLite puts beside it take over its mode."""
    try:
        path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), _PRIVATE_FILE))
        if path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE_FILE)
    except OSError as error:
        raise InboxUnusable(f"{path}: {error.strerror}; let this user write the file and its folder") from error
