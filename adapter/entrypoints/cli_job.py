"""``osteo-fhir run`` and ``osteo-fhir doctor``: assess the patients of a server, and find out what a server can do."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from adapter.entrypoints.cli import EXIT_INCOMPLETE, EXIT_OK, _as_of, _Door
from adapter.entrypoints.cli_options import settings_options, taken_settings

if TYPE_CHECKING:
    from adapter.fhir_server.client import Event
    from adapter.job.doing import Job
    from adapter.job.endings import Done
    from adapter.job.running import Tally

# 1 says that somebody could not be assessed; this one, that something was missing, so that a later run may end better.
EXIT_MISSING = 3


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
    everyone: bool,  # noqa: FBT001
    since: str,
    as_of: str | None,
    **options: Any,  # noqa: ANN401 - click hands options over
) -> None:
    """Read patients from a FHIR server, assess them, and write each assessment back, once.

    Run it as often as you like: nothing is sent where nothing changed, and a run that was stopped is gone on with.

    \b
    Examples:
      osteo-fhir run --server https://fhir.example.org/r4 --patient 1234 --dry-run
      osteo-fhir run --config site.toml --since last
    """  # noqa: D301 - click reads \b as "do not wrap"
    from adapter.entrypoints import working
    from adapter.job.choosing import named

    told = Told(verbose=options.pop("verbose"))
    dry_run, allow_incomplete = options.pop("dry_run"), options.pop("allow_incomplete")
    with _Door(), _ServerDoor():
        moment = _as_of(as_of)
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
def doctor(as_json: bool, **options: Any) -> None:  # noqa: ANN401, FBT001 - click hands options over
    """Say in plain words what a server can do for us, how it will be written to, and what to ask its administrator.

    It reads the CapabilityStatement and the SMART configuration and tries a search for nobody. Nothing is written.

    \b
    Example:
      osteo-fhir doctor --server https://fhir.example.org/r4
    """  # noqa: D301 - click reads \b as "do not wrap"
    import msgspec

    from adapter.entrypoints.connecting import connected
    from adapter.job.asking import known_codes
    from adapter.job.examining import examine
    from adapter.mapping_files import load_knowledge

    with _Door(), _ServerDoor():
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


def _carried_out(job: Job, selection: Any, told: Told, *, workers: int, dry_run: bool) -> Tally:  # noqa: ANN401
    from adapter.job.campaign import carry_out, plan

    start = time.monotonic()
    campaign = plan(job, selection, dry_run=dry_run)
    with stoppable() as stop, told.progress(len(campaign.patients), job.server.base) as tell:
        tally = carry_out(job, campaign, workers=workers, tell=tell, stop=stop)
    told.end(tally, time.monotonic() - start)
    return tally


def exit_code(tally: Tally) -> int:
    """What a scheduler is told: all is well, somebody is undetermined, or something is missing."""
    return EXIT_MISSING if tally.is_incomplete else EXIT_INCOMPLETE if tally.is_open else EXIT_OK


class Told:
    """What is said of a run: a bar and a summary on a terminal, one JSON line per event elsewhere."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._on_terminal = sys.stdout.isatty()
        self._lock = threading.Lock()

    def exchange(self, event: Event) -> None:
        """One exchange with the server; those that went well only if asked for."""
        from adapter.entrypoints import working

        if self._verbose or event.error or event.status >= 500 or event.status == 429:
            self._line(working.exchanged(event), err=self._on_terminal)

    @contextmanager
    def progress(self, patients: int, base: str) -> Iterator[Callable[[Done], None]]:
        """Tell of each patient that came to an end."""
        from adapter.entrypoints import working

        if not self._on_terminal:
            self._line(working.begun(patients))
            yield lambda done: self._line(working.ended(done, base))
            return
        start, count = time.monotonic(), 0

        def rate(done: Done | None) -> str:
            return f"{count / (time.monotonic() - start):.0f}/s" if done else ""

        with click.progressbar(
            length=patients, label="Patients", show_pos=True, item_show_func=rate, file=sys.stderr
        ) as bar:

            def tell(done: Done) -> None:
                nonlocal count
                count += 1
                bar.update(1, done)

            yield tell

    def end(self, tally: Tally, seconds: float) -> None:
        """The closing summary."""
        from adapter.entrypoints import working

        if self._on_terminal:
            click.echo(working.summary(tally, seconds))
        else:
            self._line(working.summed_up(tally, seconds))

    def _line(self, event: dict[str, Any], *, err: bool = False) -> None:
        with self._lock:
            click.echo(json.dumps(event), err=err)


class _ServerDoor:
    """Report a server that could not be asked in one line, and leave with the code that says: try again later."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn a ServerError into one line on standard error."""
        from adapter.errors import ServerError

        if isinstance(error, ServerError):
            named = f" (the server calls the exchange {error.request_id})" if error.request_id else ""
            click.echo(f"osteo-fhir: {error} [{error.code}]{named}", err=True)
            sys.exit(EXIT_MISSING)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C or a service manager's stop; the second Ctrl-C ends at once, as ever."""
    stop = threading.Event()

    def asked(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        click.echo("osteo-fhir: stopping after the patients that were begun", err=True)

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
