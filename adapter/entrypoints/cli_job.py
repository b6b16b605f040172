"""``osteo-fhir run`` and ``osteo-fhir doctor``: assess the patients of a server, and find out what a server can do."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

import click

from adapter.entrypoints.cli_assessing import as_of_day
from adapter.entrypoints.cli_door import EXIT_MISSING, EXIT_OK, door
from adapter.entrypoints.cli_options import settings_options, taken_settings
from adapter.entrypoints.cli_telling import Told, exit_code, stoppable

if TYPE_CHECKING:
    from adapter.job.doing import Job
    from adapter.job.running import Tally


@click.command()
@click.option("--patient", "patients", multiple=True, metavar="ID", help="This patient; may be repeated.")
@click.option(
    "--patients", "listed", type=click.File("r"), metavar="FILE", help="The patients in a file, one id a line."
)
@click.option("--group", default="", metavar="ID", help="The members of this Group.")
@click.option("--all", "everyone", is_flag=True, help="All patients of the server.")
@click.option("--since", default="", metavar="MOMENT|last", help="Those of whom something changed since then.")
@click.option("--as-of", metavar="DATE", help="Assess as of the end of this day (YYYY-MM-DD); default: today.")
@click.option("--dry-run", is_flag=True, help="Do everything but write, to the server and to the ledger.")
@click.option("--allow-incomplete", is_flag=True, help="Write also where not everything came that was asked for.")
@click.option("--verbose", is_flag=True, help="Tell every exchange with the server, not only those that failed.")
@settings_options("server", "authorisation", "assessing", "work", "asking")
def run(
    patients: tuple[str, ...],
    listed: TextIO | None,
    group: str,
    everyone: bool,
    since: str,
    as_of: str | None,
    **options: Any,
) -> None:
    """Read patients from a FHIR server, assess them, and write each assessment back, once.

    Run it as often as you like: nothing is sent where nothing changed, and a run that was stopped is gone on with.

    \b
    Examples:
      osteo-fhir run --server https://fhir.example.org/r4 --patient 1234 --dry-run
      osteo-fhir run --config site.toml --since last
    """
    from adapter.entrypoints import working
    from adapter.job.choosing import named

    told = Told(verbose=options.pop("verbose"))
    dry_run, allow_incomplete = options.pop("dry_run"), options.pop("allow_incomplete")
    with door():
        moment = as_of_day(as_of)
        settings = taken_settings(options)
        names = tuple(named([*patients, *(listed or ())]))
        selection = working.selection_of(settings, patients=names, group=group, everyone=everyone, since=since)
        job = working.job_of(
            settings,
            as_of=lambda: moment,
            dry_run=dry_run,
            allow_incomplete=allow_incomplete,
            announce=told.exchange,
        )
        tally = _carried_out(job, selection, told, workers=settings.workers, dry_run=dry_run)
    sys.exit(exit_code(tally))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of sentences for people.")
@settings_options("server", "authorisation", "asking")
def doctor(as_json: bool, **options: Any) -> None:
    """Say in plain words what a server can do for us, how it will be written to, and what to ask its administrator.

    It reads the CapabilityStatement and the SMART configuration and tries a search for nobody. Nothing is written.

    \b
    Example:
      osteo-fhir doctor --server https://fhir.example.org/r4
    """
    import msgspec

    from adapter.entrypoints.connecting import connected
    from adapter.job.asking import known_codes
    from adapter.job.examining import examine
    from adapter.mapping_files import load_knowledge

    with door():
        findings = examine(connected(taken_settings(options)), known_codes(load_knowledge()))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            click.echo(f"{finding.about:9} {finding.told}")
        for finding in findings:
            if finding.ask:
                click.echo(f"ask       {finding.ask}")
    sys.exit(EXIT_MISSING if any(finding.hinders for finding in findings) else EXIT_OK)


def _carried_out(job: Job, selection: Any, told: Told, *, workers: int, dry_run: bool) -> Tally:
    from adapter.job.campaign import carry_out, plan

    start = time.monotonic()
    campaign = plan(job, selection, dry_run=dry_run)
    with stoppable() as stop, told.progress(len(campaign.patients), job.server.base) as tell:
        tally = carry_out(job, campaign, workers=workers, tell=tell, stop=stop)
    told.end(tally, time.monotonic() - start)
    return tally
