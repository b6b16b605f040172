"""The command ``osteo-fhir``: each subcommand is imported only when it is called, so that ``--help`` is instant."""

from __future__ import annotations

from typing import Any

import click

from adapter import __version__
from adapter.entrypoints.cli_door import EXIT_MISSING
from adapter.entrypoints.lazy import LazyGroup

# name → where it lives, and its line in the list of commands.
_LATER: dict[str, tuple[str, str]] = {
    "convert": (
        "adapter.entrypoints.cli_convert:convert",
        "Turn Bundles, resources or NDJSON into one RiskAssessment per patient.",
    ),
    "explain": ("adapter.entrypoints.cli_files:explain", "Show what would be assessed and why, line by line."),
    "coverage": ("adapter.entrypoints.cli_files:coverage", "Show which codes and units in these data are known."),
    "mappings": ("adapter.entrypoints.cli_mappings:mappings", "Check, show or export what the adapter knows."),
    "bulk": ("adapter.entrypoints.cli_bulk:bulk", "The whole round: export, convert, upload."),
    "doctor": ("adapter.entrypoints.cli_job:doctor", "Say what a server can do, and what to ask its administrator."),
    "export": ("adapter.entrypoints.cli_bulk:export", "Bring a Bulk Data export of a server into a folder."),
    "keys": ("adapter.entrypoints.cli_keys:keys", "Make the key of a SMART client, and show what to register of it."),
    "purge": ("adapter.entrypoints.cli_ledger:purge", "Forget what came to an end long ago."),
    "retry": ("adapter.entrypoints.cli_ledger:retry", "Have the next run try again what was given up."),
    "run": (
        "adapter.entrypoints.cli_job:run",
        "Assess the patients of a server, and write each assessment back, once.",
    ),
    "sandbox": (
        "adapter.entrypoints.cli_sandbox:sandbox",
        "Run a FHIR server with patients on this machine, to try things.",
    ),
    "settings": ("adapter.entrypoints.cli_settings:settings", "Show every setting and where it came from."),
    "serve": ("adapter.entrypoints.cli_service:serve", "Be told by a server what changed, assess, and write back."),
    "inbox": ("adapter.entrypoints.cli_service:inbox", "See what notifications led to and could not be done."),
    "status": ("adapter.entrypoints.cli_ledger:status", "Show what was written, what was given up, and why."),
    "subscribe": ("adapter.entrypoints.cli_subscriptions:subscribe", "Have the server tell us what changed."),
    "upload": ("adapter.entrypoints.cli_bulk:upload", "Write to a server what was made of an export."),
    "unsubscribe": ("adapter.entrypoints.cli_subscriptions:unsubscribe", "Have the server no longer tell us."),
}


class _Stoppable(LazyGroup):
    """The commands; one that is stopped ends with the code of what is not finished."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click by itself would end with 1 after Ctrl-C, which is a usual end of a batch."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("osteo-fhir: stopped before the end; each file that was written is whole", err=True)
            ctx.exit(EXIT_MISSING)


@click.group(cls=_Stoppable, later=_LATER, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="osteo-fhir")
def main() -> None:
    """Read FHIR bone-marker results, assess osteoporosis risk, write a FHIR RiskAssessment.

    Decision support only: markers alone never diagnose, and a clinician decides.
    """
