"""What ``run`` does between its options and its output: the job made from settings, events and the closing summary."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from adapter.entrypoints.connecting import connected, options_of
from adapter.fhir_server.client import Event, FhirServer
from adapter.job.auditing import Audit, AuditFile
from adapter.job.campaign import Selection
from adapter.job.choosing import Since
from adapter.job.doing import Choices, Job
from adapter.job.endings import Done, Ending
from adapter.job.running import Tally
from adapter.ledger.ledger import Ledger
from adapter.mapping_files import load_knowledge
from adapter.settings.model import Settings

Told = dict[str, Any]


def job_of(
    settings: Settings,
    *,
    as_of: Callable[[], datetime],
    dry_run: bool = False,
    allow_incomplete: bool = False,
    announce: Callable[[Event], None] = lambda event: None,
) -> Job:
    """What assesses and writes one patient after the other, as the settings say.

    Raises:
        SettingsInvalid: Something about them does not fit.
        LedgerUnusable: The ledger cannot be opened.
    """
    server = connected(settings, announce=announce)
    ledger = Ledger(settings.ledger, clock=lambda: datetime.now(UTC))
    choices = Choices(
        options=options_of(settings), owner=uuid4().hex, dry_run=dry_run, allow_incomplete=allow_incomplete
    )
    audit = audit_of(settings, server, may_send=not dry_run)
    job = Job(server, ledger, load_knowledge(settings.mappings), choices, as_of=as_of, audit=audit)
    # What is loaded here lives as long as the process: garbage collection need not look at it again and again.
    gc.freeze()
    return job


def audit_of(settings: Settings, server: FhirServer, *, may_send: bool = True) -> Audit:
    """Where it is recorded whose records were read and what was written, as the settings say.

    Args:
        settings: What the operator chose.
        server: Whose records they are.
        may_send: Whether the server may be written to; a dry run reads, so its file is written all the same.
    """
    path = settings.audit_file or settings.ledger.with_suffix(".audit.ndjson")
    return Audit(
        server,
        clock=lambda: datetime.now(UTC),
        file=AuditFile(path) if settings.audit in ("file", "both") else None,
        to_server=may_send and settings.audit in ("server", "both"),
    )


def selection_of(settings: Settings, *, patients: tuple[str, ...], group: str, everyone: bool, since: str) -> Selection:
    """Whom to assess: as the options say, or else what changed, where the settings ask for that."""
    named = bool(patients or group or everyone or since)
    return Selection(
        patients=patients,
        group=group,
        everyone=everyone,
        since=since if named or settings.incremental == "full" else "last",
        by=Since.DATE if settings.incremental == "date" else Since.LAST_UPDATED,
        overlap_seconds=settings.overlap_seconds,
        limit=settings.limit,
    )


def begun(patients: int) -> Told:
    """The event that a run begins."""
    return _event("run", patients=patients)


def ended(done: Done, base: str) -> Told:
    """The event that one patient came to an end, without anything that names the patient or says how she is."""
    return _event(
        "patient",
        patient=pseudonym(base, done.patient),
        ending=done.ending,
        reason=done.reason,
        way=done.way,
        retracted=len(done.retracted),
        unread=done.unread,
        foreign=done.foreign,
        problems=sorted({problem.code.value for problem in done.problems}),
    )


def exchanged(event: Event) -> Told:
    """The event of one exchange with the server."""
    return _event(
        "exchange",
        what=event.what,
        status=event.status,
        seconds=event.seconds,
        attempt=event.attempt,
        error=event.error,
        request_id=event.request_id,
        server_request_id=event.server_request_id,
    )


def summed_up(tally: Tally, seconds: float) -> Told:
    """The closing event."""
    return _event(
        "summary",
        patients=tally.patients,
        **{ending.value: tally.endings[ending] for ending in Ending if tally.endings[ending]},
        undetermined=tally.undetermined,
        unread=tally.unread,
        foreign=tally.foreign,
        retracted=tally.retracted,
        reasons=dict(sorted(tally.reasons.items())),
        noticed=dict(sorted(tally.noticed.items())),
        shortfalls=list(tally.shortfalls),
        not_offered=list(tally.not_offered),
        stopped=tally.stopped,
        moved_watermark=tally.moved_watermark,
        seconds=round(seconds, 3),
        per_second=round(tally.patients / seconds, 1) if seconds else 0,
    )


def summary(tally: Tally, seconds: float) -> str:
    """The closing lines for people: how many patients ended how, and why not well."""
    endings = ", ".join(f"{count} {ending}" for ending, count in sorted(tally.endings.items())) or "none"
    lines = [
        f"{tally.patients} {'patient' if tally.patients == 1 else 'patients'}: {endings}"
        f"; {tally.undetermined} undetermined; {seconds:.1f} s, {tally.patients / (seconds or 1):.1f}/s",
        _counted("why", dict(tally.reasons)),
        _counted("noticed", dict(tally.noticed)),
        f"earlier assessments taken back: {tally.retracted}" if tally.retracted else "",
        f"entries that could not be read: {tally.unread}" if tally.unread else "",
        f"entries that came and are somebody else's, left out: {tally.foreign}" if tally.foreign else "",
        f"not all patients could be listed: {', '.join(tally.shortfalls)}" if tally.shortfalls else "",
        f"not offered by this server, so not known of anybody: {', '.join(tally.not_offered)}"
        if tally.not_offered
        else "",
        "another process is still at work on some of them; run again to be sure of those"
        if tally.endings[Ending.ELSEWHERE]
        else "",
        "stopped before the end; run again to go on" if tally.stopped else "",
        "see `osteo-fhir status` for who and why" if tally.is_incomplete or tally.is_open else "",
    ]
    return "\n".join(line for line in lines if line)


def pseudonym(base: str, patient: str) -> str:
    """A patient in events: the same each time, and no id of any server."""
    return sha256(f"{base}\n{patient}".encode()).hexdigest()[:16]


def _counted(title: str, reasons: dict[str, int]) -> str:
    return f"{title}: " + ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) if reasons else ""


def _event(name: str, **told: object) -> Told:
    """An event with its time; what has nothing to say is left out."""
    kept = {key: value for key, value in told.items() if value not in ("", [], {}, 0, False) or key == "patients"}
    return {"event": name, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **kept}
