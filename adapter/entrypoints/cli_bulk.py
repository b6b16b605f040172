"""``osteo-fhir export``, ``upload`` and ``bulk``: bring a Bulk Data export home, and what was made of it back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapter.entrypoints.bulk_converting import MEMORY, size_of
from adapter.entrypoints.cli_assessing import DRY_RUN
from adapter.entrypoints.cli_convert import convert_export_into
from adapter.entrypoints.cli_door import EXIT_MISSING, EXIT_OK, door
from adapter.entrypoints.cli_options import settings_options, taken_settings
from adapter.entrypoints.cli_telling import Told, exit_code, stoppable

if TYPE_CHECKING:
    from adapter.fhir_server.bulk_data import Export
    from adapter.fhir_server.client import FhirServer
    from adapter.job.auditing import Audit
    from adapter.job.exporting import Fetched
    from adapter.job.running import Tally
    from adapter.ledger.ledger import Ledger
    from adapter.settings.model import Settings

_LAST = "last"
# What is missing would read as if the patients did not have it.
_NOT_WHOLE = (
    "nothing was uploaded, for the server reports that its export is not whole: read {work}/assessed/problems.ndjson; "
    "then export anew with another --work, or, if what is missing does not matter, osteo-fhir upload {work}/assessed"
)
EXPORTING = (
    click.option("--group", default="", metavar="ID", help="Only the members of this Group; default: all patients."),
    click.option(
        "--type", "types", multiple=True, metavar="TYPE", help="Resource type; default: all that is assessed."
    ),
    click.option(
        "--type-filter", "type_filters", multiple=True, metavar="SEARCH", help="Such as 'Observation?code=…'; a hint."
    ),
    click.option("--get", "by_get", is_flag=True, help="Ask by GET at once, for servers that answer a POST oddly."),
    click.option("--hours", default=24.0, show_default=True, help="How long the server may take to prepare it."),
)


SINCE = click.option(
    "--since", default="", metavar="INSTANT|last", help="Only what changed since then, by the server's clock."
)


def exporting(command: Any) -> Any:
    """Give a command the options of an export."""
    for option in reversed(EXPORTING):
        command = option(command)
    return command


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@SINCE
@exporting
@settings_options("server", "authorisation", "asking", "work")
def export(out: Path, **options: Any) -> None:
    """Ask a server for a Bulk Data export and bring its files home, to be converted.

    Call it again after an interruption: an export that was begun is gone on with. Ctrl-C gives it up, there too.

    \b
    Examples:
      osteo-fhir export --server https://fhir.example.org/r4 --group osteo-clinic --out export/
      osteo-fhir export --config site.toml --since last --out export/
    """
    from adapter.entrypoints.working import audit_of

    with door():
        settings = taken_settings(options)
        server, ledger = _opened(settings)
        wanted = _wanted(server, options, settings, ledger)
        fetched = fetched_into(out, wanted, server, audit_of(settings, server), hours=options["hours"])
        if fetched.is_complete:
            _remember(server, ledger, options["group"], fetched)
    sys.exit(EXIT_OK if fetched.is_complete else EXIT_MISSING)


@click.command()
@click.option(
    "--work",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the export and its results.",
)
@click.option("--as-of", metavar="DATE", help="Assess as of the end of this day (YYYY-MM-DD); default: today.")
@MEMORY
@click.option("--keep", is_flag=True, help="Keep the folder; otherwise it is removed once everything is written.")
@DRY_RUN
@exporting
@settings_options("server", "authorisation", "assessing", "asking", "work")
def bulk(work: Path, as_of: str | None, memory: str, keep: bool, dry_run: bool, **options: Any) -> None:
    """The whole round: export, convert, upload. Called again after an interruption it goes on where it was.

    \b
    Examples:
      osteo-fhir bulk --server https://fhir.example.org/r4 --work round/ --dry-run
      osteo-fhir bulk --config site.toml --group osteo-clinic --work round/
    """
    from adapter.entrypoints.rounds import is_assessed, is_partial, removed
    from adapter.entrypoints.working import audit_of

    with door():
        settings = taken_settings(options)
        # A slip of the pen is to be told before an export of hours.
        size_of(memory)
        server, ledger = _opened(settings)
        exported, assessed = work / "export", work / "assessed"
        wanted = _wanted(server, options, settings, ledger)
        audit = audit_of(settings, server, may_send=not dry_run)
        fetched = fetched_into(exported, wanted, server, audit, hours=options["hours"], may_be_done=True)
        if not is_assessed(assessed):
            chosen = {**_chosen(settings, as_of, assessed), "memory": memory}
            convert_export_into(str(exported), str(assessed), chosen, force=False, dry_run=False)
        if not fetched.is_complete or is_partial(assessed):
            click.echo(_NOT_WHOLE.format(work=work), err=True)
            sys.exit(EXIT_MISSING)
        tally = uploaded(assessed, settings, dry_run=dry_run)
        if not tally.is_incomplete and not dry_run:
            _remember(server, ledger, options["group"], fetched)
            if not keep:
                removed(work)
    sys.exit(exit_code(tally))


def _chosen(settings: Settings, as_of: str | None, assessed: Path) -> dict[str, Any]:
    """The settings as `convert` knows them; what was begun before is gone on with."""
    import os

    return {
        # More processes than cores only take memory.
        "workers": min(settings.workers, os.cpu_count() or 1),
        "sample": None,
        "resume": assessed.exists(),
        "as_of": as_of,
        "overlays": settings.mappings,
        "release": settings.fhir,
        "language": settings.language,
        "allow_preliminary": settings.allow_preliminary,
        "read_text": settings.read_text,
        "use_issued": settings.use_issued,
        "qfracture": settings.qfracture,
        "label_ai": settings.label_ai,
    }


def fetched_into(
    out: Path, wanted: Export, server: FhirServer, audit: Audit, *, hours: float, may_be_done: bool = False
) -> Fetched:
    """Bring an export into a folder and tell of it."""
    from adapter.fhir.releases import Release
    from adapter.job.asking import said_by
    from adapter.job.exporting import fetch_export

    release, succeeded = said_by(server).release or Release.R4, False
    try:
        fetched = fetch_export(server, wanted, out, seconds=hours * 3600, tell=_tell, may_be_done=may_be_done)
        succeeded = fetched.is_complete
    finally:
        audit.exported(wanted.group, release, succeeded=succeeded)
    _summary(fetched, out, wanted.since)
    return fetched


def _opened(settings: Settings) -> tuple[FhirServer, Ledger]:
    from datetime import UTC, datetime

    from adapter.entrypoints.connecting import connected
    from adapter.ledger.ledger import Ledger

    return connected(settings), Ledger(settings.ledger, clock=lambda: datetime.now(UTC))


def _wanted(server: FhirServer, options: dict[str, Any], settings: Settings, ledger: Ledger) -> Export:
    from adapter.errors import SettingsInvalid
    from adapter.fhir.identity import IS_ID
    from adapter.fhir_server.bulk_data import Export

    if options["group"] and not IS_ID.fullmatch(options["group"]):
        raise SettingsInvalid("--group: expected the id of a Group: letters, digits, hyphens and points")
    since = options.get("since", "")
    if since == _LAST:
        since = ledger.watermark(server.base, _scope(options["group"]))
    return Export(
        group=options["group"],
        since=since,
        types=tuple(options["types"]) or _needed(server),
        type_filters=tuple(options["type_filters"]),
        by_get=options["by_get"],
        allowed_origins=settings.allowed_origins,
    )


def _remember(server: FhirServer, ledger: Ledger, group: str, fetched: Fetched) -> None:
    """Let the next export go on from the moment of this one, if that is a moment to be believed."""
    from adapter.fhir_server.searching import believed_instant

    moment = believed_instant(fetched.transaction_time, server.clock.now())
    if moment:
        ledger.set_watermark(server.base, _scope(group), moment)
    else:
        _tell("the server's transactionTime cannot be its clock; --since last goes on from where it was")


def _needed(server: FhirServer) -> tuple[str, ...]:
    """The types that are read, of those that the server says it has."""
    from adapter.job.asking import CONTEXT

    needed = ("Patient", "Observation", *CONTEXT, "Medication", "Specimen")
    offered = server.capabilities().types
    return tuple(each for each in needed if not offered or each in offered)


def _scope(group: str) -> str:
    return f"export {group}".strip()


def _tell(line: str) -> None:
    if line:
        click.echo(f"export: {line}", err=True)


def _summary(fetched: Fetched, out: Path, since: str) -> None:
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(fetched.resources.items())) or "nothing"
    click.echo(f"{out}: {counts}; as of {fetched.transaction_time}", err=True)
    for each in (*fetched.refused, *(f"the server reports {told}" for told in fetched.server_errors)):
        click.echo(f"missing: {each}", err=True)
    if fetched.refused:
        click.echo("what came is not the whole export and is not converted: export anew into another folder", err=True)
    elif since:
        click.echo("this is only what changed: put it beside the export it follows, and convert both as one", err=True)
    else:
        click.echo(f"next: osteo-fhir convert {out} --out assessed/", err=True)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@DRY_RUN
@settings_options("server", "authorisation", "assessing", "asking", "work")
def upload(folder: Path, dry_run: bool, **options: Any) -> None:
    """Write to a server what `convert` made of an export: by the job's writer and ledger, so each assessment once.

    \b
    Example:
      osteo-fhir upload assessed/ --server https://fhir.example.org/r4 --dry-run
    """
    with door():
        tally = uploaded(folder, taken_settings(options), dry_run=dry_run)
    sys.exit(exit_code(tally))


def uploaded(folder: Path, settings: Settings, *, dry_run: bool) -> Tally:
    """Write every assessment in a folder, tell of each, and close with a summary."""
    import time
    from datetime import UTC, datetime

    from adapter.entrypoints import working
    from adapter.fhir.releases import Release
    from adapter.job.running import run
    from adapter.job.uploading import assessed_in, writing

    job = working.job_of(settings, as_of=lambda: datetime.now(UTC), dry_run=dry_run)
    release = Release[settings.fhir] if settings.fhir != "auto" else job.server.capabilities().release or Release.R4
    start = time.monotonic()
    base = job.server.base
    told = Told(verbose=False)
    count = sum(1 for _ in assessed_in(folder, base))
    with stoppable() as stop, told.progress(count, base) as tell:
        tally = run(writing(job, release), assessed_in(folder, base), workers=settings.workers, tell=tell, stop=stop)
    told.end(tally, time.monotonic() - start)
    return tally
