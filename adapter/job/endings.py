"""How it ended for one patient."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from adapter.clinical.assessment import Stratum
from adapter.ledger.entries import State
from adapter.problems import Problem

_OPEN = (Stratum.INDETERMINATE, Stratum.NOT_APPLICABLE)


class Ending(StrEnum):
    """How it ended."""

    WRITTEN = "written"  # the assessment is on the server since now
    UNCHANGED = "unchanged"  # it was there already, and nothing was sent
    WOULD_WRITE = "would-write"  # a dry run would have written
    NOTHING_TO_WRITE = "nothing-to-write"  # a gate forbids it: a child, no birth date
    MISSING = "missing"  # the server does not know the patient
    INCOMPLETE = "incomplete"  # not everything came that was asked for
    REFUSED = "refused"  # what came, or what would be written, is not fit to be used
    FAILED = "failed"  # the server could not be read or written
    FAULT = "fault"  # the adapter itself failed on it: report that
    ELSEWHERE = "elsewhere"  # another process is at work on the patient


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one patient.

    Attributes:
        patient: ``Patient/1``.
        ending: How it ended.
        reason: Why, where it did not end well: a code, never a clinical value.
        key: The assessment's id, where it is what the reason is about.
        stratum: The category, where there is one.
        way: How it was written.
        written: What stands on the server now, with versions.
        retracted: What was taken back, with versions.
        problems: What went otherwise than planned at the server.
        unread: How many entries could not be read at all.
        foreign: How many entries that came were left out, since they are somebody else's.
        may_retry: Whether another run may end better.
    """

    patient: str
    ending: Ending
    reason: str = ""
    key: str = ""
    stratum: str = ""
    way: str = ""
    written: tuple[str, ...] = ()
    retracted: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    unread: int = 0
    foreign: int = 0
    may_retry: bool = False

    @property
    def is_undetermined(self) -> bool:
        """Whether the patient could not be placed in a stratum."""
        return self.stratum in _OPEN

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do until something changes."""
        return self.ending in (Ending.WRITTEN, Ending.UNCHANGED)

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger knows how it ended, so that a later run finds what is left to do."""
        return self.ending not in (Ending.FAULT, Ending.ELSEWHERE, Ending.WOULD_WRITE)

    @property
    def remembered_as(self) -> State | None:
        """The state under which the patient as a whole is recorded; ``None`` where the assessment itself is."""
        match self.ending:
            case Ending.MISSING | Ending.INCOMPLETE | Ending.REFUSED:
                return State.QUARANTINED
            case Ending.NOTHING_TO_WRITE:
                return State.UNDETERMINED
            case Ending.FAILED if not self.key:
                # What time may mend is found again by the next run, as work that was begun.
                return State.ASSESSED if self.may_retry else State.DEAD
            case _:
                return None
