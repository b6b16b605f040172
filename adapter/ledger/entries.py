"""What the ledger remembers: facts about writing, never a clinical value."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

# A code, not a sentence: a sentence could carry what the server or the laboratory said about a person.
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_CODE = 64


class State(StrEnum):
    """How far an assessment has come on its way to the server."""

    ASSESSED = "assessed"  # known here, nothing sent yet
    WRITING = "writing"  # a write was begun: it may be on the server, or not
    WRITTEN = "written"  # on the server, and it stands
    UNDETERMINED = "undetermined"  # nothing could be written, for a reason in the data
    QUARANTINED = "quarantined"  # what came in, or what came out, is not fit to be used; a person must look
    DEAD = "dead"  # the server refused for good, or too often
    SUPERSEDED = "superseded"  # a newer one has taken its place; on the server, if it ever came there
    RETRACTED = "retracted"  # on the server as entered-in-error


# Work that a run has begun and that the next one goes on with.
UNFINISHED = (State.ASSESSED, State.WRITING)
# What may say something on the server that is not marked as entered in error.
MAY_STAND = (State.WRITTEN, State.WRITING, State.SUPERSEDED, State.DEAD)
# Work that was given up, until a person asks for another try.
GIVEN_UP = (State.QUARANTINED, State.DEAD)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One assessment and how far it has come.

    Attributes:
        server: The server's base address.
        key: The id of the RiskAssessment, which follows from its content.
        patient: ``Patient/1``.
        state: How far it has come.
        evidence: What it rests on, with versions: ``Observation/1/_history/2``.
        written: What is safely on the server, with versions where the server told them.
        attempts: How often writing was tried.
        reason: Why it is in this state, as a code: ``http-422``, ``unit-unknown``; empty where there is nothing to say.
        replaces: The key of the assessment in whose place it stands.
        updated_at: When it was recorded; the ledger's own clock, whatever is given.
    """

    server: str
    key: str
    patient: str
    state: State
    evidence: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    attempts: int = 0
    reason: str = ""
    replaces: str = ""
    updated_at: str = ""

    def __post_init__(self) -> None:
        """Keep sentences out.

        Raises:
            ValueError: The reason is no code.
        """
        if self.reason and (len(self.reason) > _LONGEST_CODE or not _CODE.fullmatch(self.reason)):
            raise ValueError("the reason of an entry is a code of small letters, digits and hyphens, never a sentence")


class Lease(msgspec.Struct, frozen=True):
    """Who is at work on a patient, and until when nobody else may be."""

    server: str
    patient: str
    owner: str
    until: str


class Count(msgspec.Struct, frozen=True):
    """How many assessments for one server are in one state for one reason."""

    server: str
    state: State
    reason: str
    number: int


class Progress(msgspec.Struct, frozen=True):
    """How far a server has been read in one scope, and how many patients found there are still to do."""

    server: str
    scope: str
    watermark: str
    pending: int
