"""``osteo-fhir explain`` and ``coverage``: what would be assessed and why, and which codes and units are known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from adapter.entrypoints.cli_assessing import FORCE, OVERLAYS, RELEASE, assessed, assessing, release_of
from adapter.entrypoints.cli_door import EXIT_INCOMPLETE, EXIT_OK, door

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of a page for people.")
@click.option(
    "--html", type=_FILE, help="Write a page with pictures to this file (- for standard output) instead, for a browser."
)
@FORCE
@assessing
def explain(inputs: tuple[str, ...], as_json: bool, html: Path | None, force: bool, **options: Any) -> None:
    """Show what would be assessed and why, line by line: values, limits, sources, and what was set aside.

    \b
    Examples:
      osteo-fhir explain patient.json
      osteo-fhir explain patient.json --html patient.html --language zh
      osteo-fhir explain patient.json --json | jq .patients[0].set_aside
    """
    from adapter.entrypoints import converting, explaining, outputs

    if as_json and html is not None:
        raise click.UsageError("--json and --html are two answers; ask for one of them")
    with door():
        is_file = html is not None and str(html) != "-"
        if html is not None and is_file:
            outputs.refuse_existing([html], force=force)
        _, outcome, knowledge = assessed(inputs, options)
        if html is not None:
            from adapter.report.page import report

            page = report(outcome, knowledge, language=options["language"])
            outputs.write_files({html: page}, force=force) if is_file else sys.stdout.buffer.write(page)
            click.echo(f"{html}: {converting.several(len(outcome.patients), 'patient', 'patients')}", err=True)
        elif as_json:
            sys.stdout.buffer.write(explaining.as_json(outcome, knowledge))
        else:
            click.echo(explaining.page(outcome, knowledge, language=options["language"]))
    sys.exit(EXIT_INCOMPLETE if converting.is_incomplete(outcome) else EXIT_OK)


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of tables for people.")
@click.option(
    "--concept-map",
    type=_FILE,
    help="Write a ConceptMap skeleton for the unknown codes to this file.",
)
@FORCE
@RELEASE
@OVERLAYS
def coverage(
    inputs: tuple[str, ...],
    as_json: bool,
    concept_map: Path | None,
    force: bool,
    release: str,
    overlays: tuple[Path, ...],
) -> None:
    """Show which codes and units in these data are known, which are not, how often, with near candidates.

    \b
    Examples:
      osteo-fhir coverage exports/
      osteo-fhir coverage exports/ --concept-map site/codes.json
    """
    from adapter.entrypoints import covering, outputs
    from adapter.entrypoints import inputs as finding
    from adapter.mapping_files import load_knowledge

    if str(concept_map) == "-":
        raise click.UsageError("--concept-map - would mix with the report on standard output; name a file")
    with door():
        outputs.refuse_existing([concept_map] if concept_map else [], force=force)
        knowledge = load_knowledge(overlays)
        sources = finding.read_all(finding.found(inputs))
        report = covering.cover(sources, knowledge, release=release_of(release))
        sys.stdout.buffer.write(covering.as_json(report)) if as_json else click.echo(covering.page(report))
        if concept_map is not None:
            outputs.write_files({concept_map: covering.skeleton(report)}, force=force)
            click.echo(f"{concept_map}: a ConceptMap skeleton for {len(report.unknown)} unknown codes", err=True)
    sys.exit(EXIT_INCOMPLETE if report.unread else EXIT_OK)
