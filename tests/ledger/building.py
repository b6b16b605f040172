"""Ledgers with a clock that only moves when told, and entries made with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapter.ledger import Entry, Ledger, State

SERVER, OTHER_SERVER = "https://fhir.example.org/r4", "https://elsewhere.example.org"
PATIENT, OTHER_PATIENT = "Patient/1", "Patient/2"


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 15, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Let time pass, in ``seconds``, ``days`` …"""
        self.now += timedelta(**by)


def ledger_in(folder: Path, clock: Clock | None = None, *, patience: float = 30) -> Ledger:
    """A ledger in a folder; the same folder gives the same ledger again."""
    return Ledger(folder / "ledger.sqlite", clock=clock or Clock(), patience=patience)


def entry(
    key: str = "k",
    state: State = State.WRITTEN,
    *,
    patient: str = PATIENT,
    evidence: Sequence[str] = (),
    server: str = SERVER,
    reason: str = "",
) -> Entry:
    """An entry about one assessment."""
    return Entry(server=server, key=key, patient=patient, state=state, evidence=tuple(evidence), reason=reason)
