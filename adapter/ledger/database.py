"""One SQLite file, safe for several threads and several processes; what goes wrong says what to do."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

from adapter.errors import LedgerUnusable
from adapter.ledger.schema import APPLICATION_ID, STEPS

# Strict tables came with 3.37 (sqlite.org/stricttables.html).
_OLDEST_SQLITE = (3, 37, 0)
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700

_LET = "let this user write the file and its folder, or name another ledger"
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
    sqlite3.SQLITE_NOTADB: "is no ledger; name another file",
    sqlite3.SQLITE_CORRUPT: "is damaged; put a backup in its place, or move it away and start with a new one",
}


class _Connection(sqlite3.Connection):
    """A connection that can be held weakly: with its thread it goes."""


class Database:
    """Short transactions on one file; each thread has its own connection."""

    def __init__(self, path: Path, *, patience: float) -> None:
        """Open the file, make it where it is missing, and bring its tables up to date.

        Args:
            path: The file; folders above it are made.
            patience: Seconds to wait for another process that is writing.

        Raises:
            LedgerUnusable: The file cannot serve; the text says what to do.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise LedgerUnusable(f"SQLite {sqlite3.sqlite_version} is too old for the ledger; 3.37 is the least")
        self._path, self._patience = path, patience
        self._own = threading.local()
        self._opened: WeakSet[_Connection] = WeakSet()
        # Threads of one process take turns here, woken at once; SQLite's own waiting sleeps between looks.
        self._turn = threading.Lock()
        _make_private(path)
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
        """Close the connections of all threads; only when none of them is at work."""
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
        _refuse_foreign(connection, self._path)
        _write_ahead(connection, self._patience)
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten with zeros (sqlite.org/pragma.html#pragma_secure_delete).
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if _version(connection) == len(STEPS):
            return
        with self.writing():
            # Another process may have been quicker.
            for statements in STEPS[_version(connection) :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(STEPS)}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The low byte is the primary code (sqlite.org/rescode.html).
            advice = _ADVICE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
            if advice is None:
                raise
            raise LedgerUnusable(f"{self._path}: {advice}") from error


def _make_private(path: Path) -> None:
    """Have the file, readable by this user alone. The files that SQLite puts beside it take over its mode."""
    try:
        path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        # Only who makes the file closes it: closing a second descriptor of a file that a connection of this process
        # has open would drop that connection's locks (sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled).
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE))
        for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with suppress(FileNotFoundError):
                if each.stat().st_mode & 0o077:
                    each.chmod(_PRIVATE_FILE)
    except OSError as error:
        raise LedgerUnusable(f"{path}: {error.strerror}; {_LET}") from error


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


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Touch no other program's file, and none that a newer version of this one has made."""
    # One statement, so that it sees one state of a file that another process is just making.
    program, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if program != APPLICATION_ID and tables:
        raise LedgerUnusable(f"{path}: is another program's database; name another file")
    if version > len(STEPS):
        raise LedgerUnusable(
            f"{path}: was made by a newer version (schema {version}; this one knows up to {len(STEPS)}); "
            "upgrade osteo-fhir-adapter, or name another ledger"
        )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
