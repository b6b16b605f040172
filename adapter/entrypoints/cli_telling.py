"""What is said of a run while it lasts and when it is over, and how a person or a service manager stops it."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from adapter.entrypoints.cli_door import EXIT_INCOMPLETE, EXIT_MISSING, EXIT_OK

if TYPE_CHECKING:
    from adapter.fhir_server.client import Event
    from adapter.job.endings import Done
    from adapter.job.running import Tally


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
