"""``osteo-fhir serve`` and ``osteo-fhir inbox``: be told what changed, and look after what could not be done."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from adapter.entrypoints.cli_door import EXIT_INCOMPLETE, door
from adapter.entrypoints.cli_options import settings_options, taken_settings
from adapter.entrypoints.cli_telling import Told

if TYPE_CHECKING:
    from adapter.inbox.sqlite_worklist import SqliteWorklist
    from adapter.inbox.worklist import Letter
    from adapter.settings.model import Settings

_IDS = click.argument("ids", nargs=-1, type=int, metavar="NUMBER...")
_ALL = click.option("--all", "everything", is_flag=True, help="All that was given up.")
_REASON = click.option("--reason", default="", metavar="CODE", help="All that was given up for this reason.")
_NOTIFIED = settings_options("work", "notifications")


@click.command()
@click.option("--insecure", is_flag=True, help="Take notifications without a secret; on a loopback address alone.")
@click.option("--verbose", is_flag=True, help="Tell every exchange with the server, not only those that failed.")
@settings_options()
def serve(insecure: bool, verbose: bool, **options: Any) -> None:
    """Take notifications of a FHIR server, assess whom they concern, and write each assessment back, once.

    The endpoint is http://ADDRESS/notify; see `osteo-fhir subscribe`. A notification is stored before it is
    acknowledged, so nothing is lost whenever the service or the machine stops. /health, /ready and /metrics tell how
    it does.

    \b
    Examples:
      osteo-fhir serve --server https://fhir.example.org/r4 --secret-file secret.txt
      osteo-fhir serve --config site.toml --listen 0.0.0.0:8040
    """
    from adapter.entrypoints import serving

    told = Told(verbose=verbose)
    with door():
        settings = taken_settings(options)
        serving.serve(settings, insecure=insecure, announce=told.exchange, ready=_listening)


def _listening(settings: Settings) -> None:
    click.echo(f"osteo-fhir: listening on {settings.listen}", err=True)


@click.group()
def inbox() -> None:
    """See what notifications led to and could not be done; have it tried again, or drop it."""


@inbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of a table for people.")
@_NOTIFIED
def list_(as_json: bool, **options: Any) -> None:
    """List what was given up, with its reason, and how much is waiting.

    \b
    Example:
      osteo-fhir inbox list --inbox inbox.sqlite
    """
    with door():
        worklist = _opened(options)
        letters, (tasks, _, first) = worklist.letters(), worklist.counts()
        if as_json:
            click.echo(json.dumps({"waiting": tasks, "given_up": [_told(each) for each in letters]}, indent=2))
            return
        for each in letters:
            click.echo(f"{each.id:6}  {_moment(each.at)}  {each.reason:32} {each.reference}")
        since = f", the oldest since {_moment(first)}" if tasks else ""
        click.echo(f"{len(letters)} given up; {tasks} waiting{since}")


@inbox.command()
@click.argument("id_", type=int, metavar="NUMBER")
@_NOTIFIED
def show(id_: int, **options: Any) -> None:
    """Show one thing that was given up, and who did what about it before.

    \b
    Example:
      osteo-fhir inbox show 12
    """
    with door():
        worklist = _opened(options)
        letter = next((each for each in worklist.letters() if each.id == id_), None)
        if letter is None:
            _nothing()
        for name, value in _told(letter).items():
            click.echo(f"{name:10} {value}")
        for note in worklist.notes():
            if note.reference == letter.reference:
                click.echo(f"{_moment(note.at)}  {note.action} by {note.who} ({note.reason})")


@inbox.command()
@_IDS
@_ALL
@_REASON
@_NOTIFIED
def replay(ids: tuple[int, ...], everything: bool, reason: str, **options: Any) -> None:
    """Have the service try again what was given up; who asked for it is kept.

    \b
    Examples:
      osteo-fhir inbox replay 12 13
      osteo-fhir inbox replay --reason unreachable
    """
    from adapter.entrypoints import serving

    with door():
        settings = taken_settings(options)
        worklist = _opened_at(settings.inbox)
        letters = _chosen(worklist, ids, reason, everything=everything)
        count = serving.replayed(settings, worklist, letters, who=_who())
        click.echo(f"{count} will be tried again")


@inbox.command()
@_IDS
@_ALL
@_REASON
@_NOTIFIED
def drop(ids: tuple[int, ...], everything: bool, reason: str, **options: Any) -> None:
    """Throw away what was given up; who did it is kept.

    \b
    Example:
      osteo-fhir inbox drop 12
    """
    with door():
        worklist = _opened(options)
        letters = _chosen(worklist, ids, reason, everything=everything)
        count = worklist.drop([each.id for each in letters], who=_who(), now=datetime.now(UTC).timestamp())
        click.echo(f"{count} dropped")


def _opened(options: dict[str, Any]) -> SqliteWorklist:
    return _opened_at(taken_settings(options).inbox)


def _opened_at(path: Path) -> SqliteWorklist:
    from adapter.entrypoints.serving import worklist_path
    from adapter.errors import SettingsInvalid
    from adapter.inbox.sqlite_worklist import SqliteWorklist

    worklist = worklist_path(path)
    if not worklist.exists():
        raise SettingsInvalid(f"{worklist}: there is no worklist; name the inbox of the service with --inbox")
    return SqliteWorklist(worklist)


def _chosen(worklist: SqliteWorklist, ids: tuple[int, ...], reason: str, *, everything: bool) -> list[Letter]:
    chosen = [each for each in worklist.letters() if everything or each.id in ids or (reason and each.reason == reason)]
    if not chosen:
        _nothing()
    return chosen


def _nothing() -> NoReturn:
    click.echo("osteo-fhir: nothing was given up that is meant by this; see `osteo-fhir inbox list`", err=True)
    sys.exit(EXIT_INCOMPLETE)


def _told(letter: Letter) -> dict[str, Any]:
    return {
        "number": letter.id,
        "what": letter.reference,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "first_news": _moment(letter.first),
        "given_up": _moment(letter.at),
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _who() -> str:
    """The operator, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        return "unknown"
