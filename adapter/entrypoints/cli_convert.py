"""``osteo-fhir convert``: files of any number and size into RiskAssessments."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from adapter.entrypoints.bulk_converting import ConvertCommand, bulk_options
from adapter.entrypoints.cli_assessing import DRY_RUN, FORCE, as_of_day, assessed, assessing, knowledge_of, options_of
from adapter.entrypoints.cli_door import EXIT_INCOMPLETE, EXIT_MISSING, EXIT_OK, door


@click.command(cls=ConvertCommand)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--out",
    default="-",
    show_default=True,
    metavar="DIR|FILE|-",
    help="Where to write: a folder, a file, or - for standard output.",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(["transaction", "resources"]),
    help="One transaction Bundle per patient, or the bare resources; default: bare of an export, else transaction.",
)
@FORCE
@DRY_RUN
@click.option(
    "--validate/--no-validate", default=True, show_default=True, help="Check everything written with fhir.resources."
)
@click.option("--label-ai", is_flag=True, help="Label what is written as asserted by an algorithm (AIAST).")
@bulk_options
@assessing
def convert(inputs: tuple[str, ...], out: str, shape: str | None, **options: Any) -> None:
    """Turn Bundles, resources or NDJSON into one RiskAssessment per patient.

    INPUT is a file, a folder, a glob, or - for standard input; plain or gzip'd. A folder of NDJSON, or the manifest of
    an export, may be of any size: it is read in pieces by several processes, if --out names a folder.

    \b
    Examples:
      osteo-fhir convert patient.json
      osteo-fhir convert exports/ --out assessed/ --as-of 2026-06-15
      cat bundle.json | osteo-fhir convert - --language zh
    """
    from adapter.entrypoints import bulk_converting, converting

    force, dry_run, validate = (options.pop(name) for name in ("force", "dry_run", "validate"))
    with door():
        if bulk_converting.is_asked(inputs, out, as_resources=shape != "transaction"):
            sys.exit(convert_export_into(inputs[0], out, options, force=force, dry_run=dry_run))
        shape = shape or "transaction"
        names, outcome, _ = assessed(inputs, options)
        outcome, refused = converting.sound(outcome) if validate else (outcome, [])
        for line in refused:
            click.echo(f"refused to write: {line}", err=True)
        plan = converting.planned(outcome, names, out, shape=shape)
        if not dry_run:
            converting.deliver(plan, force=force, stdout=sys.stdout.buffer)
        click.echo(converting.summary(outcome, plan, dry_run=dry_run), err=True)
    sys.exit(EXIT_INCOMPLETE if refused or converting.is_incomplete(outcome) else EXIT_OK)


def convert_export_into(source: str, out: str, chosen: dict[str, Any], *, force: bool, dry_run: bool) -> int:
    """Convert an export into a folder, tell of it, and give the exit code."""
    from time import monotonic

    from adapter.bulk.order import need_of
    from adapter.bulk.running import convert_export
    from adapter.entrypoints import bulk_converting

    export, target = bulk_converting.found(source, out, force=force, resume=chosen["resume"])
    settings = bulk_converting.settings(chosen, target, as_of=as_of_day(chosen["as_of"]), options=options_of(chosen))
    say = partial(click.echo, err=True)
    progress = bulk_converting.Progress(say, monotonic, is_terminal=sys.stderr.isatty())
    if dry_run:
        progress.needs(need_of(export, target))
        click.echo(f"{len(export.files)} files would be converted into {target}", err=True)
        return EXIT_OK
    finished = convert_export(export, target, knowledge_of(chosen), settings, progress)
    progress.ends()
    click.echo(bulk_converting.closing(finished, target), err=True)
    if bulk_converting.is_partial(finished.summary):
        return EXIT_MISSING
    return EXIT_INCOMPLETE if bulk_converting.is_incomplete(finished.summary) else EXIT_OK
