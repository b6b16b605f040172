"""``osteo-fhir status``, ``retry`` and ``purge``: what was written, what was given up, and what may be forgotten."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from adapter.entrypoints.cli_door import EXIT_INCOMPLETE, EXIT_OK, door
from adapter.ledger.entries import State

if TYPE_CHECKING:
    from adapter.ledger.ledger import Ledger

_Command = TypeVar("_Command", bound=Callable[..., Any])
_WHERE = (
    click.option("--ledger", metavar="PATH", help="The ledger; default: the one that the settings name."),
    click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="TOML file of settings; default: the one that OSTEO_FHIR_CONFIG names.",
    ),
)
_AGE = re.compile(r"(\d{1,5})([dw])")
_DAYS = {"d": 1, "w": 7}


def _where(command: _Command) -> _Command:
    """Give a command the options that name the ledger."""
    for option in reversed(_WHERE):
        command = option(command)
    return command


def _age(context: click.Context, option: click.Parameter, value: str) -> timedelta:
    found = _AGE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no age; write days as 400d, or weeks as 8w", context, option)
    return timedelta(days=int(found[1]) * _DAYS[found[2]])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of a page for people.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="List what is in this state; may be repeated. Default: quarantined and dead.",
)
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="List at most so many; 0 is all.")
@_where
def status(states: tuple[str, ...], limit: int, *, as_json: bool, **where: Any) -> None:
    """Show what is written, undetermined, quarantined or dead, and why; who is at work; how far each server was read.

    Ends with 1 where something was given up and waits for a person, else with 0.

    \b
    Examples:
      osteo-fhir status
      osteo-fhir status --state undetermined --limit 0 --json
    """
    from adapter.entrypoints import recounting
    from adapter.ledger.entries import GIVEN_UP

    with door(), _opened(where) as ledger:
        account = recounting.account(ledger, states=[State(each) for each in states] or GIVEN_UP, limit=limit)
        click.echo(recounting.as_json(account) if as_json else recounting.page(account))
    sys.exit(EXIT_INCOMPLETE if account.is_waiting else EXIT_OK)


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "everything", is_flag=True, help="Everything that was given up.")
@click.option("--patient", default="", metavar="REF", help="What was given up of this patient, such as Patient/1.")
@click.option("--dry-run", is_flag=True, help="Only say what would be tried again.")
@_where
def retry(keys: tuple[str, ...], patient: str, *, everything: bool, dry_run: bool, **where: Any) -> None:
    """Have the next run try again what was given up: the quarantined and the dead.

    KEY is the first column of `osteo-fhir status`. Ends with 1 where what was named was not given up.

    \b
    Examples:
      osteo-fhir retry --all --dry-run
      osteo-fhir retry --patient Patient/1
    """
    from adapter.entrypoints import recounting

    if sum((bool(keys), bool(patient), everything)) != 1:
        raise click.UsageError("name what to try again in one way: KEY..., --patient or --all")
    with door(), _opened(where) as ledger:
        found = ledger.retry(keys=keys, patient=patient, dry_run=dry_run)
        click.echo("\n".join(recounting.line(each) for each in found), nl=bool(found))
        click.echo(f"{len(found)} {'would be' if dry_run else 'will be'} tried again by the next run", err=True)
        lacking = sorted(set(keys) - {each.key for each in found})
        for key in lacking:
            click.echo(f"{key}: was not given up, or is not known", err=True)
    sys.exit(EXIT_INCOMPLETE if lacking or (patient and not found) else EXIT_OK)


@click.command()
@click.option("--older-than", "age", required=True, callback=_age, metavar="AGE", help="Recorded longer ago: 400d, 8w.")
@click.option(
    "--written", is_flag=True, help="Forget also what stands: a correction of its evidence will not find it any more."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be forgotten.")
@_where
def purge(age: timedelta, *, written: bool, dry_run: bool, **where: Any) -> None:
    """Forget what came to an end long ago, and overwrite its place in the file.

    What is unfinished is never forgotten; what stands on the server only with --written. Nothing changes on a server.

    \b
    Examples:
      osteo-fhir purge --older-than 400d --dry-run
      osteo-fhir purge --older-than 400d
    """
    with door(), _opened(where) as ledger:
        counts = ledger.purge(datetime.now(UTC) - age, standing=written, dry_run=dry_run)
        for state, count in sorted(counts.items()):
            click.echo(f"{state:13}{count:9}")
        click.echo(f"{sum(counts.values())} {'would be ' if dry_run else ''}forgotten", err=True)


@contextmanager
def _opened(where: dict[str, Any]) -> Iterator[Ledger]:
    """The ledger that the options and the settings name; it must be there.

    Raises:
        SettingsInvalid: No file is there.
        LedgerUnusable: What is there cannot serve.
    """
    from adapter.entrypoints.cli_options import taken_settings
    from adapter.errors import SettingsInvalid
    from adapter.ledger.ledger import Ledger

    path = taken_settings(where).ledger
    if not path.exists():
        raise SettingsInvalid(f"{path}: no ledger is there; `osteo-fhir run` makes one, --ledger names another")
    ledger = Ledger(path, clock=lambda: datetime.now(UTC))
    try:
        yield ledger
    finally:
        ledger.close()
