"""Keep exactly one Subscription alive on the server for what we want to be told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from adapter.errors import ServerError
from adapter.fhir.decoding import decode, encode
from adapter.fhir.releases import Release
from adapter.fhir.subscriptions import Wanted, as_subscription, bringing, brings_the_same, purpose, renewed
from adapter.fhir_server.client import FhirServer

_LIVE = frozenset({"requested", "active"})
# Renewed when less than a fifth of its life is left.
_LEFT = 5


class Step(StrEnum):
    """What was done, or would be, to have the Subscription."""

    CREATED = "created"
    RENEWED = "renewed"
    REACTIVATED = "reactivated"
    KEPT = "kept"
    REMOVED = "removed"


class Tended(msgspec.Struct, frozen=True):
    """One Subscription and what was done with it.

    Attributes:
        reference: ``Subscription/id``; empty where it would be created in a dry run.
        status: As the server says.
        end: When it ends, as written; empty is never.
    """

    step: Step
    reference: str
    status: str
    end: str


def tend(
    server: FhirServer, wanted: Wanted, release: Release, *, now: datetime, life: timedelta, dry_run: bool = False
) -> Tended:
    """Have one Subscription of this purpose on the server: created, renewed, re-activated or left as it is.

    Args:
        server: Where.
        wanted: What; its ``end`` is set here.
        release: How it is written.
        now: The moment.
        life: How long a Subscription is to live; 0 is without an end.
        dry_run: Look, and say what would be done.

    Raises:
        ServerError: The server refuses Subscriptions, or could not be asked.
    """
    end = (now + life).isoformat(timespec="seconds") if life else ""
    fresh = as_subscription(msgspec.structs.replace(wanted, end=end), release)
    mine = [each for each in existing(server, wanted.endpoint) if purpose(each) == purpose(fresh)]
    if not mine:
        written = fresh if dry_run else _created(server, fresh)
        return _tended(Step.CREATED, written)
    known = min(mine, key=lambda each: (each.get("status") not in _LIVE, str(each.get("id", ""))))
    step = _step(known, now, life)
    if step is Step.KEPT and not brings_the_same(known, fresh):
        step = Step.RENEWED
    if step is Step.KEPT or dry_run:
        return _tended(step, known)
    return _tended(step, put(server, bringing(renewed(known, end=end), fresh)))


def remove(server: FhirServer, wanted: Wanted, release: Release, *, dry_run: bool = False) -> list[Tended]:
    """Delete every Subscription of this purpose; others are not touched."""
    mine = [
        each for each in existing(server, wanted.endpoint) if purpose(each) == purpose(as_subscription(wanted, release))
    ]
    for each in mine:
        if not dry_run:
            server.send("DELETE", f"Subscription/{each['id']}")
    return [_tended(Step.REMOVED, each) for each in mine]


def existing(server: FhirServer, endpoint: str) -> Iterator[Mapping[str, Any]]:
    """The Subscriptions on the server that lead to an endpoint; filtered here, for servers ignore parameters."""
    try:
        found = server.search("Subscription", [("url", endpoint)])
    except ServerError as error:
        if error.status not in (400, 422):
            raise
        # The search parameter is not known there; so all are looked at.
        found = server.search("Subscription", [])
    for page in found.pages:
        bundle = decode(page.data, where=page.name)
        for entry in bundle.get("entry", ()) if isinstance(bundle, dict) else ():
            resource = entry.get("resource", {}) if isinstance(entry, dict) else {}
            if resource.get("resourceType") == "Subscription" and purpose(resource)[0] == endpoint:
                yield resource


def _step(subscription: Mapping[str, Any], now: datetime, life: timedelta) -> Step:
    if subscription.get("status") not in _LIVE:
        return Step.REACTIVATED
    end = subscription.get("end")
    if not end or not life:
        return Step.KEPT
    try:
        left = datetime.fromisoformat(str(end)) - now
    except (TypeError, ValueError):
        return Step.RENEWED
    return Step.RENEWED if left < life / _LEFT else Step.KEPT


def _created(server: FhirServer, subscription: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = server.send("POST", "Subscription", encode(subscription), {"Prefer": "return=representation"})
    location = answer.headers.get("location", "").partition("/_history")[0]
    body = decode(answer.body, where="Subscription") if answer.body else {}
    written = body if isinstance(body, dict) and body.get("resourceType") == "Subscription" else dict(subscription)
    return {**written, "id": written.get("id") or location.rpartition("/")[2]}


def put(server: FhirServer, subscription: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write a Subscription in place of the version it was read as."""
    version = str(subscription.get("meta", {}).get("versionId", ""))
    headers = {"If-Match": f'W/"{version}"'} if version else {}
    server.send("PUT", f"Subscription/{subscription['id']}", encode(subscription), headers)
    return subscription


def _tended(step: Step, subscription: Mapping[str, Any]) -> Tended:
    id_ = str(subscription.get("id", ""))
    reference = f"Subscription/{id_}" if id_ else ""
    return Tended(step, reference, str(subscription.get("status", "")), str(subscription.get("end", "")))
