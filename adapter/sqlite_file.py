"""One SQLite file, safe for several threads and several processes; what goes wrong says what to do."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

from adapter.errors import AdapterError

# Strict tables came with 3.37 (sqlite.org/stricttables.html).
_OLDEST_SQLITE = (3, 37, 0)
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_CACHE_KIBIBYTES = 256

_LET = "let this user write the file and its folder, or name another file"
_HELD = "is held by another process; end the one that hangs, or start again later"
# By primary result code (sqlite.org/rescode.html): what happened, and what to do.
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; make room and start again, what was recorded before is safe",
    sqlite3.SQLITE_IOERR: "the disk cannot be written or read; look at its room, quota and health, then start again",
    sqlite3.SQLITE_READONLY: f"may not be written to; {_LET}",
    sqlite3.SQLITE_CANTOPEN: f"cannot be opened; {_LET}",
    sqlite3.SQLITE_PERM: f"may not be opened; {_LET}",
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_NOTADB: "is no database; name another file",
    sqlite3.SQLITE_CORRUPT: "is damaged; put a backup in its place, or move it away and start with a new one",
}


class Purpose(NamedTuple):
    """What a file is for, and how its tables came to be.

    Attributes:
        application: What tells it from another program's file (sqlite.org/pragma.html#pragma_application_id).
        steps: The statements that lead from each version of its tables to the next.
        unusable: What is raised where the file cannot serve.
    """

    application: int
    steps: Sequence[Sequence[str]]
    unusable: type[AdapterError]


class _Connection(sqlite3.Connection):
    """A connection that can be held weakly: with its thread it goes."""


class SqliteFile:
    """Short transactions on one file; each thread has its own connection."""

    def __init__(self, path: Path, purpose: Purpose, *, patience: float) -> None:
        """Open the file, make it where it is missing, and bring its tables up to date.

        Args:
            path: The file; folders above it are made.
            purpose: What it is for; every method raises its error, whose text says what to do.
            patience: Seconds to wait for another process that is writing.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise purpose.unusable(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 is the least")
        self._path, self._purpose, self._patience = path, purpose, patience
        self._own = threading.local()
        self._opened: WeakSet[_Connection] = WeakSet()
        # Threads of one process take turns here, woken at once; SQLite's own waiting sleeps between looks.
        self._turn = threading.Lock()
        try:
            _make_private(path)
        except OSError as error:
            raise self._unusable(f"{error.strerror}; {_LET}") from error
        with self._explained():
            self._migrate(self._connection())

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from; each statement sees one state of the file."""
        with self._explained():
            yield self._connection()

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is in the file afterwards, or nothing.

        Args:
            durable: It also survives the loss of power. What is not durable survives the death of the process.
        """
        with self._explained(), self._turn:
            connection = self._connection()
            # In WAL mode FULL waits for the disk at each commit and NORMAL does not; neither can tear the file
            # (sqlite.org/pragma.html#pragma_synchronous).
            connection.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
            # IMMEDIATE: what begins by reading and then wants to write could not wait for another writer.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def forget_deleted(self) -> None:
        """Let what was deleted leave the log beside the file too, where no other process is reading it."""
        with self._explained():
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connections of all threads, when what is being written is in the file; nobody may be reading."""
        with self._turn:
            for connection in list(self._opened):
                connection.close()
        self._own = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        # Autocommit: transactions are begun by us alone. Used by one thread, but closed by any.
        connection = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False, factory=_Connection
        )
        self._opened.add(connection)
        self._refuse_foreign(connection)
        _write_ahead(connection, self._patience)
        connection.execute("PRAGMA foreign_keys = ON")
        # Every thread has a connection of its own, and the system keeps the pages of the file for all of them.
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        # What is deleted is overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete).
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        steps = self._purpose.steps
        if _version(connection) == len(steps):
            return
        with self.writing():
            # Another process may have been quicker.
            for statements in steps[_version(connection) :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {self._purpose.application}")
            connection.execute(f"PRAGMA user_version = {len(steps)}")

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        """Touch no other program's file, and none that a newer version of this one has made."""
        # One statement, so that it sees one state of a file that another process is just making.
        program, version, tables = connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
            "FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if program != self._purpose.application and tables:
            raise self._unusable("is another program's database; name another file")
        if version > (known := len(self._purpose.steps)):
            raise self._unusable(
                f"was made by a newer version (schema {version}; this one knows up to {known}); "
                "upgrade osteo-fhir-adapter, or name another file"
            )

    def _unusable(self, advice: str) -> AdapterError:
        return self._purpose.unusable(f"{self._path}: {advice}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The low byte is the primary code (sqlite.org/rescode.html).
            advice = _ADVICE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
            if advice is None:
                raise
            raise self._unusable(advice) from error


def _make_private(path: Path) -> None:
    """Have the file, readable by this user alone. The files that SQLite puts beside it take over its mode."""
    path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    # Only who makes the file closes it: closing a second descriptor of a file that a connection of this process
    # has open would drop that connection's locks (sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE))
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            if each.stat().st_mode & 0o077:
                each.chmod(_PRIVATE_FILE)


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Let readers and a writer not wait for each other (sqlite.org/wal.html)."""
    until = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself here: seen when four processes made one file.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
