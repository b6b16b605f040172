"""``osteo-fhir mappings``: check, show and export what the adapter knows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from adapter.entrypoints.cli_assessing import DRY_RUN, FOLDER, FORCE, LANGUAGE, OVERLAYS
from adapter.entrypoints.cli_door import EXIT_INCOMPLETE, EXIT_OK, door


def _markers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The markers whose names begin so, for the shell."""
    from adapter.mapping_files import load_knowledge

    return sorted(marker for marker in load_knowledge().markers if marker.startswith(incomplete))


@click.group()
def mappings() -> None:
    """Check, show or export what the adapter knows: codes, units, limits, rules and their sources."""


@mappings.command("check")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=FOLDER)
def mappings_check(folders: tuple[Path, ...]) -> None:
    """Check folders of mappings laid over the shipped ones: file, key, and what was expected.

    \b
    Example:
      osteo-fhir mappings check site/
    """
    from adapter.entrypoints import knowing

    with door():
        findings, summary = knowing.check(folders)
        for finding in findings:
            click.echo(finding)
        click.echo(summary, err=True)
    sys.exit(EXIT_INCOMPLETE if findings else EXIT_OK)


@mappings.command("show")
@click.argument("marker", required=False, shell_complete=_markers)
@OVERLAYS
@LANGUAGE
def mappings_show(marker: str | None, overlays: tuple[Path, ...], language: str) -> None:
    """Show what is known about a marker, with its sources; without MARKER, list all markers.

    \b
    Example:
      osteo-fhir mappings show ctx
    """
    from adapter.entrypoints import knowing

    with door():
        click.echo(knowing.show(marker, overlays, language=language))


@mappings.command("export")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@OVERLAYS
@FORCE
@DRY_RUN
def mappings_export(out: Path, overlays: tuple[Path, ...], force: bool, dry_run: bool) -> None:
    """Export ConceptMap, ValueSet and ObservationDefinition for a terminology server.

    \b
    Example:
      osteo-fhir mappings export --out terminology/
    """
    from adapter.entrypoints import knowing, outputs

    with door():
        files = knowing.exported(out, overlays)
        if not dry_run:
            outputs.write_files(files, force=force)
        for path in files:
            click.echo(f"{'would write' if dry_run else 'wrote'} {path}", err=True)
