"""``osteo-fhir settings``: which values are in force, and who said so."""

from __future__ import annotations

import json
from typing import Any

import click

from adapter.entrypoints.cli_door import door
from adapter.entrypoints.cli_options import settings_options, taken_settings
from adapter.settings.loading import shown


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of a table for people.")
@settings_options()
def settings(as_json: bool, **options: Any) -> None:
    """Show every setting with its value and where it came from; secrets are masked.

    A flag goes before the environment (OSTEO_FHIR_...), that before the TOML file, and that before the default.

    \b
    Examples:
      osteo-fhir settings
      osteo-fhir settings --config site.toml --json
    """
    with door():
        rows = list(shown(taken_settings(options)))
        if as_json:
            click.echo(json.dumps({name: {"value": value, "from": origin} for name, value, origin in rows}, indent=2))
            return
        width = max(len(name) for name, _, _ in rows)
        for name, value, origin in rows:
            click.echo(f"{name:{width}} {value or '-':40} {origin}")
