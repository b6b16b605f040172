"""Subcommands that are imported only when they are called, so that help is instant."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.exceptions import NoSuchCommand


class LazyGroup(click.Group):
    """A group whose commands are known by name and one line of help until they are called."""

    def __init__(self, *args: Any, later: Mapping[str, tuple[str, str]], **options: Any) -> None:  # noqa: ANN401 - click's own
        """Take, beside what click takes, the commands: name → (``module:attribute``, line of help)."""
        super().__init__(*args, **options)
        self._later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, imported or not."""
        return sorted(self._later)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now if it was not yet."""
        if cmd_name not in self._later:
            return None
        module, _, attribute = self._later[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._later[cmd_name][0]} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was asked for; of a name that is none, the names it is like are told."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=self._later, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every command with its line, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._later[name][1]) for name in self.list_commands(ctx)])
