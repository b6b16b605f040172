"""The options that commands about a server share: one for each setting that is no secret, made from the settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from adapter.settings.loading import flag, load_settings
from adapter.settings.model import GROUPS, LISTS, SECRETS, Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])
_CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file of settings; default: the one that OSTEO_FHIR_CONFIG names.",
)
_METAVARS = (("Path", "PATH"), ("float", "SECONDS"), ("int", "N"))


def settings_options(*groups: str) -> Callable[[_Command], _Command]:
    """Give a command ``--config`` and options of groups of settings: ``server``, ``work`` …; without names, all."""
    names = [name for group in groups or GROUPS for name in GROUPS[group] if name not in SECRETS]

    def given(command: _Command) -> _Command:
        for name in reversed(names):
            command = _option(name)(command)
        return _CONFIG(command)

    return given


def taken_settings(options: dict[str, Any]) -> Settings:
    """The settings of a call; their options, and ``config``, are taken out of what click hands over.

    Raises:
        SettingsInvalid: Something about them is wrong.
    """
    config = options.pop("config", None)
    flags = {name: options.pop(name) for name in Settings.model_fields if name in options}
    return load_settings(flags, os.environ, config=config)


def _option(name: str) -> Callable[[_Command], _Command]:
    """The option of a setting; one that is not given is left to the environment and the file."""
    field = Settings.model_fields[name]
    default = "" if name in LISTS or field.default in (None, "") else str(field.default)
    if field.annotation is bool:
        return click.option(f"{flag(name)}/--no-{flag(name)[2:]}", name, default=None, help=field.description)
    choices = [each for each in get_args(field.annotation) if isinstance(each, str)]
    return click.option(
        flag(name),
        name,
        type=click.Choice(choices) if choices else str,
        metavar=None if choices else _metavar(field.annotation),
        multiple=name in LISTS,
        help=f"{field.description}{f'  [default: {default}]' if default else ''}",
    )


def _metavar(annotation: object) -> str:
    return next((word for kind, word in _METAVARS if kind in str(annotation)), "TEXT")
