"""The ledger's tables, as steps from each version of them to the next."""

from __future__ import annotations

from adapter.errors import LedgerUnusable
from adapter.sqlite_file import Purpose

_FIRST = (
    """
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        key TEXT NOT NULL,
        patient TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('assessed', 'writing', 'written', 'undetermined', 'quarantined', 'dead',
                                             'superseded', 'retracted')),
        evidence TEXT NOT NULL,
        written TEXT NOT NULL,
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        reason TEXT NOT NULL,
        replaces TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        -- Counts up with every change of a patient's entries: which is newest does not hang on a clock.
        turn INTEGER NOT NULL,
        UNIQUE (server, key)
    ) STRICT
    """,
    "CREATE INDEX entry_of_patient ON entry (server, patient, turn)",
    "CREATE INDEX entry_in_state ON entry (state, server)",
    """
    CREATE TABLE evidence (
        -- Without its version, so that a change of the resource finds the assessment.
        reference TEXT NOT NULL,
        entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
        PRIMARY KEY (reference, entry)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX evidence_of_entry ON evidence (entry)",
    """
    CREATE TABLE lease (
        server TEXT NOT NULL,
        patient TEXT NOT NULL,
        owner TEXT NOT NULL,
        -- The process behind the owner: with its death the lease ends, whatever it was taken until.
        process TEXT NOT NULL,
        until TEXT NOT NULL,
        PRIMARY KEY (server, patient)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE run (
        -- Never used again, so that "begun later" is "greater".
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        server TEXT NOT NULL,
        scope TEXT NOT NULL,
        until TEXT NOT NULL,
        finished INTEGER NOT NULL DEFAULT 0 CHECK (finished IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX run_of_scope ON run (server, scope, id)",
    """
    CREATE TABLE pending (
        run INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        patient TEXT NOT NULL,
        PRIMARY KEY (run, patient)
    ) STRICT, WITHOUT ROWID
    """,
    # The watermark is where the last finished run of a scope ended. So this is what keeps it behind unfinished work,
    # whatever a program that opens the file may try.
    """
    CREATE TRIGGER run_ends_when_nothing_is_pending BEFORE UPDATE OF finished ON run
    WHEN NEW.finished = 1 AND EXISTS (SELECT 1 FROM pending WHERE run = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'patients are pending'); END
    """,
    """
    CREATE TRIGGER run_begins_unfinished BEFORE INSERT ON run
    WHEN NEW.finished <> 0
    BEGIN SELECT RAISE(ABORT, 'a run begins unfinished'); END
    """,
)

# One tuple of statements for each version; a file of version n has seen the first n. 0x6F73464C spells "osFL".
PURPOSE = Purpose(0x6F73464C, (_FIRST,), LedgerUnusable)
