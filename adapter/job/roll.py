"""The patients of a run: a list as long as a hospital's, in little memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator


class Roll(Collection[str]):
    """Patients, each once, in the order met; on disk, in a file that nobody else sees and that goes with the roll."""

    def __init__(self, patients: Iterable[str] = ()) -> None:
        """Begin with these patients."""
        # Without a name it is SQLite's own temporary file (sqlite.org/inmemorydb.html#temp_db).
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("CREATE TABLE patient (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        self.add(patients)

    def add(self, patients: Iterable[str]) -> None:
        """Take in those that are not there yet."""
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR IGNORE INTO patient (name) VALUES (?)", ((each,) for each in patients))
        self._file.execute("COMMIT")

    def __len__(self) -> int:
        """How many they are."""
        count: int = self._file.execute("SELECT count(*) FROM patient").fetchone()[0]
        return count

    def __iter__(self) -> Iterator[str]:
        """Every patient, in the order met."""
        return (name for (name,) in self._file.execute("SELECT name FROM patient ORDER BY number"))

    def __contains__(self, patient: object) -> bool:
        """Whether a patient is among them."""
        return self._file.execute("SELECT 1 FROM patient WHERE name = ?", (patient,)).fetchone() is not None
