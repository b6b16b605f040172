"""The audit trail: which patients' records were read and what was written, in a file, at the server, or both."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from adapter.errors import LedgerUnusable, ServerError
from adapter.fhir.audit_event import CHANGED, CREATED, EXPORTED, READ, Event, audit_event
from adapter.fhir.decoding import encode
from adapter.fhir.releases import Release
from adapter.fhir_server.client import FhirServer
from adapter.job.endings import Done, Ending
from adapter.problems import Problem, ProblemCode, Severity

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class AuditFile:
    """AuditEvents, one a line, in a file that only its owner may read; several processes may share it.

    It is opened for each line, so that it may be moved away and kept elsewhere at any time.
    """

    def __init__(self, path: Path) -> None:
        """Take where it is; it is made with its first line."""
        self._path = path

    def add(self, event: bytes) -> None:
        """Append one event.

        Raises:
            LedgerUnusable: It cannot be written: what cannot be accounted for is not done.
        """
        line = event + b"\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, _FLAGS, 0o600)
            try:
                written = os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise LedgerUnusable(f"{self._path}: {error.strerror}; name another file with audit_file") from None
        if written != len(line):
            raise LedgerUnusable(f"{self._path}: the disk is full; name another file with audit_file")


class Audit:
    """What is told of each patient, and where."""

    def __init__(
        self, server: FhirServer, *, clock: Callable[[], datetime], file: AuditFile | None, to_server: bool
    ) -> None:
        """Take the server it is about, and where events go; with neither, nothing is recorded."""
        self._server, self._clock, self._file, self._to_server = server, clock, file, to_server

    def read(self, patient: str, release: Release, *, succeeded: bool) -> None:
        """Record that a patient's record was asked for.

        Raises:
            LedgerUnusable, ServerError: It cannot be recorded; then what was read is not to be used.
        """
        self._record(Event(done=READ, patient=patient, succeeded=succeeded), release)

    def exported(self, group: str, release: Release, *, succeeded: bool) -> None:
        """Record that the records of a Group, or of all patients, were exported.

        Raises:
            LedgerUnusable, ServerError: It cannot be recorded.
        """
        others = (f"Group/{group}",) if group else ()
        self._record(Event(done=EXPORTED, others=others, succeeded=succeeded), release)

    def done(self, done: Done, release: Release) -> Done:
        """Record what was written for a patient and what was taken back; what the server does not record is told.

        Raises:
            LedgerUnusable: It cannot be recorded.
        """
        try:
            if done.ending is Ending.WRITTEN:
                self._record(Event(done=CREATED, patient=done.patient, others=done.written), release)
            if done.retracted:
                self._record(Event(done=CHANGED, patient=done.patient, others=done.retracted), release)
        except ServerError as error:
            return msgspec.structs.replace(done, problems=(*done.problems, _not_stored(error)))
        return done

    def _record(self, event: Event, release: Release) -> None:
        if self._file is None and not self._to_server:
            return
        recorded = self._clock().isoformat(timespec="milliseconds")
        id_, base = str(uuid4()), self._server.base
        written = encode(audit_event(event, id_=id_, server=base, recorded=recorded, release=release))
        if self._file is not None:
            self._file.add(written)
        if self._to_server:
            self._server.send("POST", "AuditEvent", written)


def _not_stored(error: ServerError) -> Problem:
    told = f"the server did not take the AuditEvent of what was written [{error.code}]"
    then = "what was written stands"
    return Problem(ProblemCode.AUDIT_NOT_STORED, "AuditEvent", told, then, severity=Severity.WARNING, used=True)
