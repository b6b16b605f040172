"""``osteo-fhir keys``: the key of a SMART client, and what of it the server's administrator needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from adapter.entrypoints.cli_door import door
from adapter.entrypoints.outputs import write_files
from adapter.errors import SettingsInvalid
from adapter.settings.files import read_private

_KEY = click.Path(dir_okay=False, path_type=Path)


@click.group()
def keys() -> None:
    """Make the key of a SMART client, and show the public half that is registered at the server."""


@keys.command()
@click.option(
    "--alg",
    type=click.Choice(["ES384", "RS384"]),
    default="ES384",
    show_default=True,
    help="What to sign with; ask the server's administrator, or look into its smart-configuration.",
)
@click.option("--out", required=True, type=_KEY, help="Where to write the private key; only you can read it.")
@click.option("--force", is_flag=True, help="Overwrite a key that exists; the server then knows you no more.")
def new(alg: Literal["ES384", "RS384"], out: Path, force: bool) -> None:
    """Make a private key (JWK) that only its owner can read.

    \b
    Example:
      osteo-fhir keys new --out smart-key.json
      osteo-fhir keys jwks smart-key.json > jwks.json
    """
    with door():
        _needs_joserfc()
        from adapter.fhir_server.keys import new_key

        # Files are made readable by their owner alone.
        write_files({out: new_key(alg)}, force=force)
        click.echo(f"{out}: a new private key; register what `osteo-fhir keys jwks {out}` shows", err=True)


@keys.command()
@click.argument("keyfile", type=_KEY)
@click.option("--kid", default="", metavar="TEXT", help="Name of the key, if it is not to be the one in the file.")
def jwks(keyfile: Path, kid: str) -> None:
    """Show the public half of KEYFILE (PEM or JWK) as the JWKS to register; nothing private is in it.

    \b
    Example:
      osteo-fhir keys jwks smart-key.json > jwks.json
    """
    with door():
        _needs_joserfc()
        from adapter.fhir_server.keys import read_key

        key = read_key(read_private(keyfile), name=str(keyfile), kid=kid)
        click.echo(json.dumps(key.public_jwks(), indent=2))


def _needs_joserfc() -> None:
    from importlib.util import find_spec

    if find_spec("joserfc") is None:
        raise SettingsInvalid("keys need joserfc: pip install 'osteo-fhir-adapter[smart]'")
