"""A Subscription as each release writes it, from one description of what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapter.fhir.releases import Release

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_CHANNEL_TYPE = "http://terminology.hl7.org/CodeSystem/subscription-channel-type"
_JSON = "application/fhir+json"
_REASON = "Bone-marker results are assessed when they change"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What we want to be told of, and how.

    Attributes:
        endpoint: Where notifications are to go.
        criteria: A search such as ``Observation?code=…``. Without a topic it is the subscription itself (R4 rest-hook);
            with one it filters.
        topic: Canonical URL of a SubscriptionTopic; empty for the classic rest-hook of R4.
        content: How much a notification holds: ``empty``, ``id-only`` or ``full-resource``.
        header: A line the server sends along, with the shared secret in it: ``Authorization: Bearer …``.
        end: When the subscription ends, as an instant; it is renewed before.
        heartbeat: Seconds between signs of life, where there is a topic.
        max_count: The most events that one notification may hold, where there is a topic.
    """

    endpoint: str
    criteria: str
    topic: str = ""
    content: str = "id-only"
    header: str = ""
    end: str = ""
    heartbeat: int = 60
    max_count: int = 20


def as_subscription(wanted: Wanted, release: Release) -> dict[str, Any]:
    """The Subscription to write, in the status ``requested``: the server makes it active."""
    if release is Release.R5:
        return _r5(wanted)
    return _topic_based(wanted) if wanted.topic else _classic(wanted)


def purpose(subscription: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a Subscription on a server is for: endpoint, topic or criteria, and filter; equal for ours of any run."""
    if "topic" in subscription:
        filters = [_filter(each) for each in subscription.get("filterBy", ())]
        return str(subscription.get("endpoint", "")), str(subscription["topic"]), "&".join(sorted(filters))
    channel = subscription.get("channel", {})
    extensions = subscription.get("_criteria", {}).get("extension", ())
    filters = [str(each.get("valueString", "")) for each in extensions if each.get("url") == _of("filter-criteria")]
    return str(channel.get("endpoint", "")), str(subscription.get("criteria", "")), "&".join(sorted(filters))


def renewed(subscription: Mapping[str, Any], *, end: str) -> dict[str, Any]:
    """The same Subscription, asked for again, until a later end if it has one; everything a server added stays."""
    return {**subscription, "status": "requested", **({"end": end} if end else {})}


def brings_the_same(subscription: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether its notifications bring the headers that are wanted, as far as the server shows them."""
    return not (shown := _headers(subscription)) or shown == _headers(wanted)


def bringing(subscription: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same Subscription, its notifications bringing the headers of another one."""
    if "topic" in subscription:
        return {**subscription, **{name: wanted[name] for name in ("parameter",) if name in wanted}}
    headers = {name: wanted["channel"][name] for name in ("header",) if name in wanted["channel"]}
    return {**subscription, "channel": {**subscription.get("channel", {}), **headers}}


def _headers(subscription: Mapping[str, Any]) -> object:
    """As R5 and as R4 write them."""
    return subscription.get("parameter") or subscription.get("channel", {}).get("header")


def _classic(wanted: Wanted) -> dict[str, Any]:
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": wanted.endpoint}
    # "If the payload is not present, there is no payload in the notification" (hl7.org/fhir/R4/subscription.html).
    if wanted.content != "empty":
        channel["payload"] = _JSON
    return _r4(wanted, wanted.criteria, channel)


def _topic_based(wanted: Wanted) -> dict[str, Any]:
    channel = {
        "extension": [
            {"url": _of("heartbeat-period"), "valueUnsignedInt": wanted.heartbeat},
            {"url": _of("max-count"), "valuePositiveInt": wanted.max_count},
        ],
        "type": "rest-hook",
        "endpoint": wanted.endpoint,
        "payload": _JSON,
        "_payload": {"extension": [{"url": _of("payload-content"), "valueCode": wanted.content}]},
    }
    written = _r4(wanted, wanted.topic, channel)
    written["meta"] = {"profile": [_of("subscription")]}
    if wanted.criteria:
        written["_criteria"] = {"extension": [{"url": _of("filter-criteria"), "valueString": wanted.criteria}]}
    return written


def _r4(wanted: Wanted, criteria: str, channel: dict[str, Any]) -> dict[str, Any]:
    if wanted.header:
        channel["header"] = [wanted.header]
    written = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": _REASON,
        "criteria": criteria,
        "channel": channel,
    }
    return {**written, "end": wanted.end} if wanted.end else written


def _r5(wanted: Wanted) -> dict[str, Any]:
    written: dict[str, Any] = {
        "resourceType": "Subscription",
        "status": "requested",
        "topic": wanted.topic,
        "reason": _REASON,
        "channelType": {"system": _CHANNEL_TYPE, "code": "rest-hook"},
        "endpoint": wanted.endpoint,
        "heartbeatPeriod": wanted.heartbeat,
        "contentType": _JSON,
        "content": wanted.content,
        "maxCount": wanted.max_count,
    }
    if wanted.criteria:
        kind, _, query = wanted.criteria.partition("?")
        pairs = [each.partition("=") for each in query.split("&") if each]
        written["filterBy"] = [
            {"resourceType": kind, "filterParameter": name, "value": value} for name, _, value in pairs
        ]
    if wanted.header:
        name, _, value = wanted.header.partition(":")
        written["parameter"] = [{"name": name.strip(), "value": value.strip()}]
    return {**written, "end": wanted.end} if wanted.end else written


def _filter(filter_by: Mapping[str, Any]) -> str:
    return f"{filter_by.get('resourceType', '')}?{filter_by.get('filterParameter', '')}={filter_by.get('value', '')}"


def _of(name: str) -> str:
    return f"{_BACKPORT}/backport-{name}"
