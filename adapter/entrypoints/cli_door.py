"""How every command ends: the exit codes, and in one line what stopped it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

# 1 says that somebody could not be assessed or something not read; 3 that something was missing, so that a later call
# may end better.
EXIT_OK, EXIT_INCOMPLETE, EXIT_WRONG_CALL, EXIT_MISSING = 0, 1, 2, 3


@contextmanager
def door() -> Iterator[None]:
    """Report what stops the run in one line, and leave with the exit code that says who must act."""
    from adapter.errors import AdapterError

    try:
        yield
    except AdapterError as error:
        click.echo(f"osteo-fhir: {_line(error)}", err=True)
        sys.exit(_exit_code(error))
    except OSError as error:
        # A pipe that the reader closed is click's to end; what the system gives no words for is a fault of ours.
        if error.errno == errno.EPIPE or not error.strerror:
            raise
        named = f"{error.filename}: " if error.filename is not None else ""
        click.echo(f"osteo-fhir: {named}{error.strerror}", err=True)
        sys.exit(EXIT_WRONG_CALL)


def _line(error: Exception) -> str:
    from adapter.errors import ServerError

    if not isinstance(error, ServerError):
        return str(error)
    named = f" (the server calls the exchange {error.request_id})" if error.request_id else ""
    return f"{error} [{error.code}]{named}"


def _exit_code(error: Exception) -> int:
    from adapter.errors import ExportUnsound, InputUnreadable, ServerError

    if isinstance(error, (ExportUnsound, ServerError)):
        return EXIT_MISSING
    return EXIT_INCOMPLETE if isinstance(error, InputUnreadable) else EXIT_WRONG_CALL
