"""``osteo-fhir subscribe`` and ``unsubscribe``: have the server tell us what changed, or no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from adapter.entrypoints.cli_assessing import DRY_RUN
from adapter.entrypoints.cli_door import door
from adapter.entrypoints.cli_options import settings_options, taken_settings

if TYPE_CHECKING:
    from adapter.fhir.releases import Release
    from adapter.fhir.subscriptions import Wanted
    from adapter.fhir_server.client import FhirServer
    from adapter.service.subscribing import Tended
    from adapter.settings.model import Settings

_ENDPOINT = click.option(
    "--endpoint", required=True, metavar="URL", help="Where the server reaches `osteo-fhir serve`, as seen from there."
)
_TOPIC = click.option(
    "--topic",
    default="",
    metavar="URL",
    help="Canonical URL of a SubscriptionTopic; without one, R4's classic rest-hook.",
)
_CRITERIA = click.option(
    "--criteria",
    default="",
    metavar="SEARCH",
    help="What to be told of, such as 'Observation?category=laboratory'; default: Observations with a code we know.",
)


@click.command()
@_ENDPOINT
@_TOPIC
@_CRITERIA
@click.option(
    "--content",
    type=click.Choice(["empty", "id-only", "full-resource"]),
    default="id-only",
    show_default=True,
    help="How much a notification holds; nothing in it is believed, so less is better.",
)
@click.option("--days", default=30, show_default=True, help="How long it lives before it is renewed; 0 is for ever.")
@DRY_RUN
@settings_options("server", "authorisation", "assessing", "asking", "notifications")
def subscribe(content: str, days: int, dry_run: bool, **options: Any) -> None:
    """Create the Subscription, or renew or re-activate the one that is there; calling it again changes nothing.

    The secret of the settings (OSTEO_FHIR_SECRET, --secret-file) goes along, so that notifications can prove it.

    \b
    Examples:
      osteo-fhir subscribe --server https://fhir.example.org/r4 --endpoint https://adapter.example.org/notify
      osteo-fhir subscribe --config site.toml --endpoint https://adapter.example.org/notify --dry-run
    """
    from adapter.service.subscribing import tend

    with door():
        server, release, wanted = _prepared(options, content=content)
        tended = tend(server, wanted, release, now=datetime.now(UTC), life=timedelta(days=days), dry_run=dry_run)
        _tell(tended, dry_run=dry_run)


@click.command()
@_ENDPOINT
@_TOPIC
@_CRITERIA
@DRY_RUN
@settings_options("server", "authorisation", "assessing", "asking", "notifications")
def unsubscribe(dry_run: bool, **options: Any) -> None:
    """Delete the Subscription of this endpoint and purpose; those of others are not touched.

    \b
    Example:
      osteo-fhir unsubscribe --config site.toml --endpoint https://adapter.example.org/notify
    """
    from adapter.service.subscribing import remove

    with door():
        server, release, wanted = _prepared(options)
        removed = remove(server, wanted, release, dry_run=dry_run)
        for each in removed:
            _tell(each, dry_run=dry_run)
        if not removed:
            click.echo("there is no Subscription of this endpoint and purpose", err=True)


def _prepared(options: dict[str, Any], *, content: str = "id-only") -> tuple[FhirServer, Release, Wanted]:
    from adapter.entrypoints.connecting import connected
    from adapter.fhir.releases import Release
    from adapter.fhir.subscriptions import Wanted

    endpoint, topic, criteria = (options.pop(name) for name in ("endpoint", "topic", "criteria"))
    settings = taken_settings(options)
    server = connected(settings)
    release = Release[settings.fhir] if settings.fhir != "auto" else server.capabilities().release or Release.R4
    wanted = Wanted(
        endpoint=endpoint,
        criteria=criteria or ("" if topic else _known_results(settings)),
        topic=topic,
        content=content,
        header=header_of(settings),
        heartbeat=settings.heartbeat_seconds,
    )
    return server, release, wanted


def _known_results(settings: Settings) -> str:
    """Observations with any code that means something to us."""
    from adapter.job.asking import known_codes
    from adapter.mapping_files import load_knowledge

    return f"Observation?code={','.join(known_codes(load_knowledge(settings.mappings)))}"


def header_of(settings: Settings) -> str:
    """The line that a notification is to bring: of two secrets the one that replaces the other."""
    from adapter.entrypoints.serving import secrets_of

    name = settings.secret_header.title()
    return next((f"{name}: Bearer {each}" for each in reversed(secrets_of(settings))), "")


def _tell(tended: Tended, *, dry_run: bool) -> None:
    would = "would be " if dry_run and tended.step != "kept" else ""
    until = f" until {tended.end}" if tended.end else ""
    click.echo(f"{tended.reference or 'Subscription'}: {would}{tended.step}, {tended.status}{until}")
