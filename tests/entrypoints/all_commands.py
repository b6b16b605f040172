"""Every command of the command line, with the words that call it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from adapter.entrypoints.cli import main


def _below(command: click.Command, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None, f"{name} lists {word} and does not have it"
            yield from _below(below, (*name, word))


COMMANDS = {" ".join(name): command for name, command in _below(main, ("osteo-fhir",))}
