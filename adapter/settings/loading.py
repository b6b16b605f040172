"""Gather the settings: a flag goes before the environment, that before the file, and that before the default."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from pydantic import TypeAdapter, ValidationError

from adapter.errors import SettingsInvalid
from adapter.settings.files import check_certificates, read_private, refuse_open_to_others
from adapter.settings.model import LISTS, SECRETS, Settings

PREFIX = "OSTEO_FHIR_"
CONFIG = f"{PREFIX}CONFIG"
_FIELDS = Settings.model_fields
_PRIVATE = ("key_file", "token_file", "password_file", "secret_file")


class Given(msgspec.Struct, frozen=True):
    """One value as it was given.

    Attributes:
        name: Of the setting.
        value: Text, or what TOML made of it.
        origin: ``flag --limit``, ``environment OSTEO_FHIR_LIMIT``, ``file site.toml``.
        folder: What relative paths are relative to; ``None`` is where the command runs.
        is_typed: Whether the value has a type of its own, which then must be the right one.
    """

    name: str
    value: Any
    origin: str
    folder: Path | None = None
    is_typed: bool = False


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str], *, config: Path | None = None) -> Settings:
    """The settings, each knowing where it came from.

    Args:
        flags: What was said on the command line: text, true or false, or a sequence of texts.
        environment: The variables of the process; those that begin with ``OSTEO_FHIR_`` are ours.
        config: The TOML file; default: the one that ``OSTEO_FHIR_CONFIG`` names, if any.

    Raises:
        SettingsInvalid: Something is unknown, of the wrong type, or contradicts; all findings at once, no secret in it.
    """
    findings: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for given in (*_from_flags(flags), *_from_environment(environment), *_from_file(config, environment)):
        try:
            value = _understood(given)
        except SettingsInvalid as error:
            findings.append(str(error))
        else:
            values.setdefault(given.name, value)
            origins.setdefault(given.name, given.origin)
    if findings:
        raise SettingsInvalid("\n".join(findings))
    try:
        settings = Settings(**values).with_origins(origins)
    except ValidationError as error:
        raise SettingsInvalid("\n".join(_told(error))) from None
    _check_files(settings)
    return settings


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def flag(name: str) -> str:
    """The flag of a setting."""
    return f"--{name.replace('_', '-')}"


def shown(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Each setting: its name, its value for people with secrets masked, and where it came from."""
    for name in _FIELDS:
        yield name, _shown(name, getattr(settings, name)), settings.origin(name)


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in SECRETS:
        return "********"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_flags(flags: Mapping[str, Any]) -> Iterator[Given]:
    for name, value in flags.items():
        if value not in (None, ()):
            yield Given(name, value, f"flag {flag(name)}")


def _from_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    for name, value in environment.items():
        # Compose files and units set variables to nothing to say that they are not set.
        if name.startswith(PREFIX) and name != CONFIG and value:
            yield Given(name.removeprefix(PREFIX).lower(), value, f"environment {name}")


def _from_file(config: Path | None, environment: Mapping[str, str]) -> Iterator[Given]:
    path = config or (Path(environment[CONFIG]) if environment.get(CONFIG) else None)
    if path is None:
        return
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsInvalid(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        what = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8, or nested too deep"
        raise SettingsInvalid(f"{path}: expected TOML: {what}") from None
    if SECRETS & values.keys():
        refuse_open_to_others(path, found)
    for name, value in values.items():
        yield Given(name, value, f"file {path}", path.parent, is_typed=True)


def _understood(given: Given) -> Any:  # noqa: ANN401 - of the setting's own type
    """The value in the setting's own type."""
    field = _FIELDS.get(given.name)
    if field is None:
        near = get_close_matches(given.name, _FIELDS, 1)
        raise SettingsInvalid(f"{given.origin}: {given.name}: no such setting{f'; is it {near[0]}?' if near else ''}")
    kind: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        # In JSON "12" is no number and a list is no text, as in TOML; yet a path is written as text.
        value = (
            kind.validate_json(json.dumps(given.value, default=str), strict=True)
            if given.is_typed
            else (kind.validate_python(_listed(given)))
        )
    except ValidationError as error:
        raise SettingsInvalid("\n".join(f"{given.origin}: {given.name}: {told}" for told in _told(error))) from None
    return _resolved(value, given.folder)


def _listed(given: Given) -> Any:  # noqa: ANN401 - as it was given
    if given.name in LISTS and isinstance(given.value, str):
        return [part.strip() for part in given.value.split(",") if part.strip()]
    return given.value


def _resolved(value: Any, folder: Path | None) -> Any:  # noqa: ANN401 - of any setting's type
    """A relative path in a file is meant from where the file stands."""
    if folder is None:
        return value
    if isinstance(value, tuple):
        return tuple(_resolved(each, folder) for each in value)
    return folder / value if isinstance(value, Path) else value


def _told(error: ValidationError) -> list[str]:
    """What was expected, without what was found: that may be a secret."""
    return [each["msg"].removeprefix("Value error, ").replace("Input should be", "expected") for each in error.errors()]


def _check_files(settings: Settings) -> None:
    """Find out before any work that a file is missing, open to others, or no certificate."""
    findings = []
    for name in _PRIVATE:
        path = getattr(settings, name)
        if path is not None:
            try:
                read_private(path)
            except SettingsInvalid as error:
                findings.append(f"{settings.origin(name)}: {name}: {error}")
    try:
        check_certificates(settings.ca_bundle, settings.client_certificate, settings.client_key)
    except SettingsInvalid as error:
        findings.append(str(error))
    if findings:
        raise SettingsInvalid("\n".join(findings))
