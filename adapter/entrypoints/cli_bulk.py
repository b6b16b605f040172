"""``osteo-fhir export`` and ``upload``: bring a Bulk Data export home, and what was made of it back to the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapter.entrypoints.cli import _DRY_RUN, EXIT_OK, _Door
from adapter.entrypoints.cli_job import EXIT_MISSING, Told, _ServerDoor, exit_code, stoppable
from adapter.entrypoints.cli_options import settings_options, taken_settings

if TYPE_CHECKING:
    from adapter.fhir_server.bulk_data import Export
    from adapter.fhir_server.client import FhirServer
    from adapter.job.exporting import Fetched
    from adapter.job.running import Tally
    from adapter.ledger.ledger import Ledger
    from adapter.settings.model import Settings

_LAST = "last"
EXPORTING = (
    click.option("--group", default="", metavar="ID", help="Only the members of this Group; default: all patients."),
    click.option(
        "--since", default="", metavar="INSTANT|last", help="Only what changed since then, by the server's clock."
    ),
    click.option(
        "--type", "types", multiple=True, metavar="TYPE", help="Resource type; default: all that is assessed."
    ),
    click.option(
        "--type-filter", "type_filters", multiple=True, metavar="SEARCH", help="Such as 'Observation?code=…'; a hint."
    ),
    click.option("--get", "by_get", is_flag=True, help="Ask by GET at once, for servers that answer a POST oddly."),
    click.option("--hours", default=24.0, show_default=True, help="How long the server may take to prepare it."),
)


def exporting(command: Any) -> Any:  # noqa: ANN401 - click's decorators keep the type of a command
    """Give a command the options of an export."""
    for option in reversed(EXPORTING):
        command = option(command)
    return command


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@exporting
@settings_options("server", "authorisation", "asking", "work")
def export(out: Path, **options: Any) -> None:  # noqa: ANN401 - click hands options over
    """Ask a server for a Bulk Data export and bring its files home, to be converted.

    Call it again after an interruption: an export that was begun is gone on with. Ctrl-C gives it up, there too.

    \b
    Examples:
      osteo-fhir export --server https://fhir.example.org/r4 --group osteo-clinic --out export/
      osteo-fhir export --config site.toml --since last --out export/
    """  # noqa: D301 - click reads \b as "do not wrap"
    with _Door(), _ServerDoor():
        settings = taken_settings(options)
        server, ledger = _opened(settings)
        fetched = fetched_into(out, options, settings, server, ledger)
        if fetched.is_complete:
            ledger.set_watermark(server.base, _scope(options["group"]), fetched.transaction_time)
    sys.exit(EXIT_OK if fetched.is_complete else EXIT_MISSING)


def fetched_into(out: Path, options: dict[str, Any], settings: Settings, server: FhirServer, ledger: Ledger) -> Fetched:
    """Bring an export into a folder and tell of it."""
    from adapter.job.exporting import fetch_export

    last = ledger.watermark(server.base, _scope(options["group"]))
    wanted = _wanted(server, options, settings, last=last)
    fetched = fetch_export(server, wanted, out, seconds=options["hours"] * 3600, tell=_tell)
    _summary(fetched, out)
    return fetched


def _opened(settings: Settings) -> tuple[FhirServer, Ledger]:
    from datetime import UTC, datetime

    from adapter.entrypoints.connecting import connected
    from adapter.ledger.ledger import Ledger

    return connected(settings), Ledger(settings.ledger, clock=lambda: datetime.now(UTC))


def _wanted(server: FhirServer, options: dict[str, Any], settings: Settings, *, last: str) -> Export:
    from adapter.fhir_server.bulk_data import Export

    since = last if options["since"] == _LAST else options["since"]
    return Export(
        group=options["group"],
        since=since,
        types=tuple(options["types"]) or _needed(server),
        type_filters=tuple(options["type_filters"]),
        by_get=options["by_get"],
        allowed_origins=settings.allowed_origins,
    )


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
        click.echo(line, err=True)


def _summary(fetched: Fetched, out: Path) -> None:
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(fetched.resources.items())) or "nothing"
    click.echo(f"{out}: {counts}; as of {fetched.transaction_time}", err=True)
    for each in (*fetched.refused, *(f"the server reports {told}" for told in fetched.server_errors)):
        click.echo(f"missing: {each}", err=True)
    click.echo(f"next: osteo-fhir convert {out} --out assessed/", err=True)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_DRY_RUN
@settings_options("server", "authorisation", "assessing", "asking", "work")
def upload(folder: Path, dry_run: bool, **options: Any) -> None:  # noqa: ANN401, FBT001 - click hands options over
    """Write to a server what `convert` made of an export: by the job's writer and ledger, so each assessment once.

    \b
    Example:
      osteo-fhir upload assessed/ --server https://fhir.example.org/r4 --dry-run
    """  # noqa: D301 - click reads \b as "do not wrap"
    with _Door(), _ServerDoor():
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
