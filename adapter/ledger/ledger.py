"""The ledger: which assessment is how far, who is at work on whom, and how far a server has been read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapter.ledger import rows
from adapter.ledger.entries import GIVEN_UP, MAY_STAND, UNFINISHED, Count, Entry, Lease, Progress, State
from adapter.ledger.presence import Presence, is_gone
from adapter.ledger.schema import PURPOSE
from adapter.sqlite_file import SqliteFile

_PATIENCE = 30.0

_CLAIM = """
    INSERT INTO lease (server, patient, owner, process, until) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (server, patient) DO UPDATE SET
        owner = excluded.owner, process = excluded.process, until = excluded.until
    WHERE lease.owner = excluded.owner OR lease.until <= ?6
"""


class Ledger:
    """What survives a crash. Threads may share one; each process, also a forked one, makes its own on the same file."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime], patience: float = _PATIENCE) -> None:
        """Open the file, make it where it is missing, and bring its tables up to date.

        Args:
            path: The file; mode 0600, in a folder on a local disk.
            clock: The time now, with its zone.
            patience: Seconds to wait for another process that is writing.

        Raises:
            LedgerUnusable: The file cannot serve; here, and from every method, the text says what to do.
        """
        self._path, self._clock = path, clock
        self._file = SqliteFile(path, PURPOSE, patience=patience)
        self._presence = Presence(path)

    def close(self) -> None:
        """Close the file; only when no thread is at work on it."""
        self._file.close()

    # Who is at work

    def claim(self, server: str, patient: str, *, owner: str, seconds: float) -> bool:
        """Take a patient for oneself, or say that somebody else is at work.

        To claim again what one has holds it for longer, and tells whether somebody has taken over meanwhile: do so just
        before writing.

        Args:
            server: The server's base address.
            patient: ``Patient/1``.
            owner: One worker: no two threads or processes have the same.
            seconds: How long nobody else may take it; should this process die, not even that long.
        """
        return self._taken(server, patient, owner=owner, seconds=seconds) or (
            self._is_free_after_all(server, patient) and self._taken(server, patient, owner=owner, seconds=seconds)
        )

    def _taken(self, server: str, patient: str, *, owner: str, seconds: float) -> bool:
        now = self._clock()
        until = _stamp(now + timedelta(seconds=seconds))
        # Not durable: with the power went the worker too.
        with self._file.writing(durable=False) as connection:
            taken = connection.execute(_CLAIM, (server, patient, owner, self._presence.name, until, _stamp(now)))
            return taken.rowcount == 1

    def _is_free_after_all(self, server: str, patient: str) -> bool:
        """Whether nobody holds the patient any more, or only a dead process did, which then holds nothing any more."""
        with self._file.reading() as connection:
            holder = connection.execute(
                "SELECT process FROM lease WHERE server = ? AND patient = ?", (server, patient)
            ).fetchone()
        if holder is None:
            return True
        if not is_gone(self._path, *holder):
            return False
        with self._file.writing(durable=False) as connection:
            connection.execute("DELETE FROM lease WHERE process = ?", holder)
        return True

    def release(self, server: str, patient: str, *, owner: str) -> None:
        """Let a patient go; nothing happens where somebody else has taken over."""
        with self._file.writing(durable=False) as connection:
            connection.execute(
                "DELETE FROM lease WHERE server = ? AND patient = ? AND owner = ?", (server, patient, owner)
            )

    def leases(self) -> list[Lease]:
        """Who is at work now, the longest first to end."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT server, patient, owner, until FROM lease WHERE until > ? ORDER BY until", (self._now(),)
            )
            return [Lease(*row) for row in found]

    # How far each assessment is

    def record(self, entry: Entry) -> None:
        """Keep an entry, in place of what was known under its key.

        A new state survives the loss of power. What else is new, as what was written so far, survives the death of the
        process; without it the server is asked once more.
        """
        values = rows.values(entry, self._now())
        with self._file.reading() as connection:
            is_news = rows.is_news(connection, values)
        with self._file.writing(durable=is_news) as connection:
            if is_news:
                rows.put(connection, values, entry.evidence)
            else:
                rows.go_on(connection, values)

    def entry(self, server: str, key: str) -> Entry | None:
        """What is known of one assessment."""
        return self._first("server = ? AND key = ?", (server, key))

    def current(self, server: str, patient: str) -> Entry | None:
        """The newest assessment of a patient that is on the server and stands."""
        return self._first(
            "server = ? AND patient = ? AND state = ? ORDER BY turn DESC", (server, patient, State.WRITTEN)
        )

    def history(self, server: str, patient: str) -> list[Entry]:
        """Every entry of a patient, the one that was begun first before the others."""
        return self._all("server = ? AND patient = ? ORDER BY id", (server, patient))

    def resting_on(self, server: str, reference: str) -> list[Entry]:
        """The assessments that still say something on the server, or may, and rest on this resource in any version.

        Those that a newer one has replaced count too, and those whose writing was tried: they may be there.
        """
        # The plus signs keep SQLite from looking through all entries of the server (sqlite.org/optoverview.html).
        return self._all(
            f"+server = ? AND +state IN ({_marks(MAY_STAND)}) "  # noqa: S608
            "AND id IN (SELECT entry FROM evidence WHERE reference = ?) ORDER BY patient, turn DESC",
            (server, *MAY_STAND, rows.unversioned(reference)),
        )

    def unfinished(self, server: str) -> list[str]:
        """The patients whose assessment was begun and not brought to an end, or is to be tried again."""
        with self._file.reading() as connection:
            found = connection.execute(
                f"SELECT patient FROM entry WHERE server = ? AND state IN ({_marks(UNFINISHED)})",  # noqa: S608
                (server, *UNFINISHED),
            )
            return sorted({patient for (patient,) in found})

    def entries(
        self, *, states: Sequence[State] = (), server: str = "", patient: str = "", limit: int = -1
    ) -> list[Entry]:
        """Entries, the last recorded first; all of them, unless a state, server or patient is named."""
        where, values = _chosen(state=states, server=[server] * bool(server), patient=[patient] * bool(patient))
        # Of one patient the order is known without a clock.
        order = "turn DESC" if patient else "updated_at DESC, turn DESC"
        return self._all(f"{where} ORDER BY {order}, key LIMIT ?", (*values, limit))

    def counts(self, server: str = "") -> dict[State, int]:
        """How many entries are in each state; states without any are left out."""
        where, values = _chosen(server=[server] * bool(server))
        with self._file.reading() as connection:
            found = connection.execute(f"SELECT state, count(*) FROM entry WHERE {where} GROUP BY state", values)  # noqa: S608
            return {State(state): count for state, count in found}

    def reasons(self) -> list[Count]:
        """How many entries of each server are in each state for each reason, the most frequent first."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT server, state, reason, count(*) AS number FROM entry GROUP BY server, state, reason "
                "ORDER BY server, number DESC, state, reason"
            )
            return [Count(server, State(state), reason, number) for server, state, reason, number in found]

    def retry(self, *, keys: Sequence[str] = (), patient: str = "", dry_run: bool = False) -> list[Entry]:
        """Let what was given up be tried again, and say what it was; everything, unless keys or a patient are named."""
        where, values = _chosen(state=GIVEN_UP, key=keys, patient=[patient] * bool(patient))
        with self._file.writing() as connection:
            found = rows.found(connection, f"{where} ORDER BY patient, key", values)
            if not dry_run:
                # Whose writing was tried may be on the server, though no answer said so.
                connection.execute(
                    f"UPDATE entry SET state = CASE WHEN attempts > 0 OR written <> '[]' THEN ? ELSE ? END, "  # noqa: S608
                    f"attempts = 0, updated_at = ? WHERE {where}",
                    (State.WRITING, State.ASSESSED, self._now(), *values),
                )
        return found

    def purge(self, before: datetime, *, standing: bool = False, dry_run: bool = False) -> dict[State, int]:
        """Forget what came to an end before a day, and say how many of each state that was.

        What is unfinished is never forgotten. Nor is what stands on the server, unless told: without it, a correction
        of the evidence no longer finds the assessment that must be corrected.

        Args:
            before: What was recorded last before this instant.
            standing: Forget also what stands on the server.
            dry_run: Only count.
        """
        kept = UNFINISHED if standing else (*UNFINISHED, State.WRITTEN)
        where = f"updated_at < ? AND state NOT IN ({_marks(kept)})"
        values = (_stamp(before), *kept)
        with self._file.writing() as connection:
            found = connection.execute(f"SELECT state, count(*) FROM entry WHERE {where} GROUP BY state", values)  # noqa: S608
            counts = {State(state): count for state, count in found}
            if not dry_run:
                connection.execute(f"DELETE FROM entry WHERE {where}", values)  # noqa: S608
                connection.execute("DELETE FROM lease WHERE until <= ?", (self._now(),))
        if not dry_run:
            self._file.forget_deleted()
        return counts

    # How far a server has been read

    def begin_run(self, server: str, scope: str, *, until: str, patients: Iterable[str]) -> int:
        """Note all patients that a search has found, before the first is done, and those that earlier runs left undone.

        A run of the same scope that is still going on goes on, and leaves the watermark to this one.

        Args:
            server: The server's base address.
            scope: What was searched: runs of different scopes have different watermarks.
            until: The server's time of the search: where the watermark goes when all are done. Empty where the search
                was not complete: the watermark then stays.
            patients: Those found.
        """
        with self._file.writing() as connection:
            begun = connection.execute(
                "INSERT INTO run (server, scope, until) VALUES (?, ?, ?) RETURNING id", (server, scope, until)
            )
            run: int = begun.fetchone()[0]
            connection.executemany(
                "INSERT OR IGNORE INTO pending (run, patient) VALUES (?, ?)", ((run, patient) for patient in patients)
            )
            unfinished = "SELECT id FROM run WHERE server = ?2 AND scope = ?3 AND finished = 0 AND id < ?1"
            values = (run, server, scope)
            connection.execute(f"UPDATE OR IGNORE pending SET run = ?1 WHERE run IN ({unfinished})", values)  # noqa: S608
            connection.execute(f"DELETE FROM run WHERE id IN ({unfinished})", values)  # noqa: S608
        return run

    def pending(self, run: int, *, after: str = "", limit: int = -1) -> list[str]:
        """The patients of a run that are still to do, in their order, from behind one of them and so many at most."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT patient FROM pending WHERE run = ? AND patient > ? ORDER BY patient LIMIT ?",
                (run, after, limit),
            )
            return [patient for (patient,) in found]

    def settle(self, run: int, patient: str) -> None:
        """A patient is done: written, or recorded with the reason why not."""
        # Not durable: at worst the patient is done once more, and nothing is written twice.
        with self._file.writing(durable=False) as connection:
            connection.execute("DELETE FROM pending WHERE run = ? AND patient = ?", (run, patient))

    def finish_run(self, run: int) -> bool:
        """Move the watermark to where this run ended, or say that it may not be moved.

        It may not while a patient of the run is pending, nor by a run after which another of its scope was begun.
        """
        try:
            with self._file.writing() as connection:
                finished = connection.execute("UPDATE run SET finished = 1 WHERE id = ?", (run,))
                # Those before are done with, but for the one that holds the watermark where this one brings none.
                connection.execute(
                    "DELETE FROM run WHERE (server, scope, TRUE) = (SELECT server, scope, until <> '' FROM run "
                    "WHERE id = ?1) AND id < ?1",
                    (run,),
                )
                return finished.rowcount == 1
        except sqlite3.IntegrityError:
            return False

    def watermark(self, server: str, scope: str) -> str:
        """Up to when everything of this scope is done, by the server's clock; empty where no run was finished."""
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT until FROM run WHERE server = ? AND scope = ? AND finished = 1 AND until <> '' "
                "ORDER BY id DESC LIMIT 1",
                (server, scope),
            ).fetchone()
        return row[0] if row else ""

    def set_watermark(self, server: str, scope: str, value: str) -> bool:
        """Put the watermark somewhere by hand; refused, and said so, while patients of this scope are pending."""
        return self.finish_run(self.begin_run(server, scope, until=value, patients=()))

    def progress(self) -> list[Progress]:
        """Every scope with its watermark, and how many patients are pending in it."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT server, scope, count(DISTINCT patient) FROM run LEFT JOIN pending ON run = id "
                "GROUP BY server, scope ORDER BY server, scope"
            ).fetchall()
        return [Progress(server, scope, self.watermark(server, scope), pending) for server, scope, pending in found]

    def _now(self) -> str:
        return _stamp(self._clock())

    def _first(self, where: str, values: Sequence[str]) -> Entry | None:
        return next(iter(self._all(f"{where} LIMIT 1", values)), None)

    def _all(self, where: str, values: Sequence[str | int]) -> list[Entry]:
        with self._file.reading() as connection:
            return rows.found(connection, where, values)


def _chosen(**wanted: Sequence[str]) -> tuple[str, list[str]]:
    """A condition that each named column has one of the wanted values; a column with none wanted may have any."""
    conditions = [f"{column} IN ({_marks(values)})" for column, values in wanted.items() if values]
    return " AND ".join(conditions) or "TRUE", [value for values in wanted.values() for value in values]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _stamp(time: datetime) -> str:
    """An instant of fixed width in UTC, so that earlier instants sort first."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
