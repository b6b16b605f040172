"""Entries as rows of their table, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from adapter.ledger.entries import Entry, State

_COLUMNS = "server, key, patient, state, evidence, written, attempts, reason, replaces, updated_at"
_PUT = f"""
    INSERT INTO entry ({_COLUMNS}, turn) VALUES (
        :server, :key, :patient, :state, :evidence, :written, :attempts, :reason, :replaces, :updated_at,
        (SELECT coalesce(max(turn), 0) + 1 FROM entry WHERE server = :server AND patient = :patient)
    )
    ON CONFLICT (server, key) DO UPDATE SET
        patient = excluded.patient, state = excluded.state, evidence = excluded.evidence, written = excluded.written,
        attempts = excluded.attempts, reason = excluded.reason, replaces = excluded.replaces,
        updated_at = excluded.updated_at, turn = excluded.turn
    RETURNING id
"""  # noqa: S608 - the columns are ours
_SAME = """
    SELECT 1 FROM entry WHERE server = :server AND key = :key
    AND patient = :patient AND state = :state AND evidence = :evidence
"""
# Touches no index, for it is done after each resource that is safely on the server.
_GO_ON = """
    UPDATE entry SET
        written = :written, attempts = :attempts, reason = :reason, replaces = :replaces, updated_at = :updated_at
    WHERE server = :server AND key = :key
"""

Values = dict[str, str | int]

_texts_in = msgspec.json.Decoder(tuple[str, ...]).decode


def values(entry: Entry, now: str) -> Values:
    """An entry as its columns, recorded now."""
    return {
        "server": entry.server,
        "key": entry.key,
        "patient": entry.patient,
        "state": entry.state,
        "evidence": _listed(entry.evidence),
        "written": _listed(entry.written),
        "attempts": entry.attempts,
        "reason": entry.reason,
        "replaces": entry.replaces,
        "updated_at": now,
    }


def is_news(connection: sqlite3.Connection, values: Values) -> bool:
    """Whether state, patient or evidence are not known yet."""
    return connection.execute(_SAME, values).fetchone() is None


def go_on(connection: sqlite3.Connection, values: Values) -> None:
    """Keep what changes while the state stays."""
    connection.execute(_GO_ON, values)


def put(connection: sqlite3.Connection, values: Values, evidence: Sequence[str]) -> None:
    """Keep an entry and what finds it by its evidence."""
    known = connection.execute("SELECT evidence FROM entry WHERE server = :server AND key = :key", values).fetchone()
    row = connection.execute(_PUT, values).fetchone()
    if known == (values["evidence"],):
        return
    connection.execute("DELETE FROM evidence WHERE entry = ?", row)
    references = {unversioned(each) for each in evidence}
    connection.executemany(
        "INSERT INTO evidence (reference, entry) VALUES (?, ?)", ((each, *row) for each in references)
    )


def found(connection: sqlite3.Connection, where: str, values: Sequence[str | int]) -> list[Entry]:
    """The entries of a condition, in its order."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM entry WHERE {where}", values)  # noqa: S608 - conditions are ours
    return [_as_entry(row) for row in rows]


def _as_entry(row: Sequence[Any]) -> Entry:
    server, key, patient, state, evidence, written, attempts, reason, replaces, updated_at = row
    return Entry(
        server=server,
        key=key,
        patient=patient,
        state=State(state),
        evidence=_texts_in(evidence),
        written=_texts_in(written),
        attempts=attempts,
        reason=reason,
        replaces=replaces,
        updated_at=updated_at,
    )


def _listed(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


def unversioned(reference: str) -> str:
    """A reference without its version."""
    return reference.partition("/_history/")[0]
