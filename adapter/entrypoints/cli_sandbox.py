"""``osteo-fhir sandbox``: a FHIR server with patients, on this machine, for a first try."""

from __future__ import annotations

import signal
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import click

from adapter.entrypoints.cli_door import door


@click.command()
@click.option(
    "--port", default=8465, show_default=True, metavar="N", help="Port on the loopback address; 0 finds a free one."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to keep what is written to it; default: it is forgotten at the end.",
)
@click.option("--load", "words", multiple=True, metavar="FILE|DIR", help="Bundles to load; default: the fixtures.")
def sandbox(port: int, data: Path | None, words: tuple[str, ...]) -> None:
    """Run a FHIR server on the loopback address with a patient for each clinical state, until Ctrl-C.

    It is sekmet-fhir, an independent server for tests: no place for real patients.

    \b
    Example:
      osteo-fhir sandbox
      osteo-fhir run --server http://127.0.0.1:8465/fhir --all --as-of 2026-06-15
    """
    from adapter.entrypoints import sandboxing

    with door(), ExitStack() as stack:
        patients = sandboxing.loaded(words) if words else sandboxing.journeys()
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="osteo-fhir-sandbox-")))
        # Before the server is up: from now on Ctrl-C ends both, in order.
        stop = _stopped_by_a_signal()
        base = stack.enter_context(sandboxing.running(folder, port))
        is_filled = (folder / "filled").exists()
        if not is_filled:
            count = sandboxing.fill(base, patients)
            (folder / "filled").touch()
            click.echo(f"{len(patients)} patients, {count} resources", err=True)
        click.echo(f"FHIR server: {base}")
        click.echo(f"try: osteo-fhir run --server {base} --all --as-of 2026-06-15 --ledger {folder / 'ledger.sqlite'}")
        click.echo("Ctrl-C stops it", err=True)
        stop.wait()
        click.echo("stopped", err=True)


def _stopped_by_a_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
