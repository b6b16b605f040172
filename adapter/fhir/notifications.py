"""Read what a server tells a subscriber, in every shape that servers send it.

Nothing in it is believed: a notification says where to look, and what is there is read from the configured server.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from adapter.fhir.addresses import literal
from adapter.fhir.resource_types import RESOURCE_TYPES
from adapter.problems import Problem, ProblemCode

# integer64 (hl7.org/fhir/R5/datatypes.html#integer64), and no sign: events are counted.
_COUNT = re.compile(r"\d{1,19}", re.ASCII)
_LARGEST = 2**63 - 1
# "history" in R4 and R4B, "subscription-notification" in R5 (hl7.org/fhir/R5/subscriptions.html#notifications).
_BUNDLES = frozenset({"history", "subscription-notification"})
_THEN = "the notification was refused"
_HYPHENED = re.compile(r"-([a-z])")


class Kind(StrEnum):
    """What a notification is: a bare sign, a change of one resource, or a Bundle of one of five types."""

    PING = "ping"
    CHANGED = "changed"
    DELETED = "deleted"
    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENT = "event-notification"
    QUERY_EVENT = "query-event"
    QUERY_STATUS = "query-status"


_TYPES = frozenset(Kind) - {Kind.PING, Kind.CHANGED, Kind.DELETED}


class Happening(msgspec.Struct, frozen=True):
    """One event of which a notification tells.

    Attributes:
        focus: Reference to what changed, as written; empty where the server tells no more than that something did.
        number: Which event of the Subscription it is; 0 where events are not counted.
        version: What tells this state of the focus from another: its version, or the moment of the event.
        context: References to what else was concerned, as written.
    """

    focus: str = ""
    number: int = 0
    version: str = ""
    context: tuple[str, ...] = ()


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification, as it was told.

    Attributes:
        kind: What it is.
        subscription: Reference to the Subscription, as written; empty for the classic rest-hook, which does not say.
        topic: Canonical URL of the topic, if it is told.
        status: Of the Subscription: ``active``, ``error`` …; empty if it is not told.
        count: How many events there were since the Subscription began; -1 if it is not told.
        events: What happened.
        errors: Codes of what the server says went wrong.
    """

    kind: Kind
    subscription: str = ""
    topic: str = ""
    status: str = ""
    count: int = -1
    events: tuple[Happening, ...] = ()
    errors: tuple[str, ...] = ()


def read_notification(
    method: str, path: str, body: bytes, *, deleted: str = "", takes_transactions: bool = False
) -> Notification | Problem:
    """What a request to our endpoint tells, or why it tells nothing.

    Args:
        method: ``POST``, ``PUT`` or ``DELETE``.
        path: What follows our endpoint: ``Observation/1``, or nothing.
        body: As it came.
        deleted: What Medplum's header ``X-Medplum-Deleted-Resource`` names; the body is ``{}`` then.
        takes_transactions: Take a Bundle of type ``transaction`` too, as HAPI's engine for R5 was seen to send.
    """
    if method == "DELETE" or deleted:
        return _deleted(deleted or path)
    if not body.strip():
        return _refused("a PUT without a body") if path else Notification(kind=Kind.PING)
    resource = _decoded(body)
    if isinstance(resource, Problem):
        return resource
    if not isinstance(resource, dict) or resource.get("resourceType") not in RESOURCE_TYPES:
        return _refused("the body is no FHIR resource")
    if path:
        return _put(path, resource)
    return (
        _bundle(resource, takes_transactions=takes_transactions)
        if resource["resourceType"] == "Bundle"
        else _changed(resource)
    )


def read_answer(body: bytes) -> Notification | Problem:
    """What a server answers to ``$events`` or ``$status``.

    Some answer ``$status`` with a searchset of statuses (hl7.org/fhir/uv/subscriptions-backport); the first one counts.
    """
    resource = _decoded(body)
    if isinstance(resource, Problem):
        return resource
    if not isinstance(resource, dict) or resource.get("resourceType") != "Bundle":
        return _refused("the answer is no Bundle")
    return _told(_entries(resource))


def is_below(reference: str, base: str) -> bool:
    """Whether a literal reference means a resource of this server: it is relative, or has its base address."""
    found = literal(reference)
    return found is not None and found.base.rstrip("/") in ("", base.rstrip("/")) and reference.isprintable()


def _decoded(body: bytes) -> object:
    """The body as JSON, several times faster than ``fhir.decoding`` reads what is used: no number here is a value.

    Nor is a key refused that stands twice. Whichever of the two counts, it says no more than what to read.
    """
    try:
        return msgspec.json.decode(body.removeprefix(BOM_UTF8))
    except UnicodeDecodeError:
        return Problem(ProblemCode.JSON_INVALID, "", "no UTF-8", _THEN)
    except msgspec.DecodeError as error:
        return Problem(ProblemCode.JSON_INVALID, "", f"no JSON: {error}", _THEN)
    except RecursionError:
        return Problem(ProblemCode.JSON_INVALID, "", "nested too deeply", _THEN)


def _deleted(name: str) -> Notification | Problem:
    found = literal(name)
    if found is None or found.base or found.type not in RESOURCE_TYPES:
        return _refused("a deletion that does not name a resource")
    return Notification(kind=Kind.DELETED, events=(Happening(found.local),))


def _put(path: str, resource: Mapping[str, Any]) -> Notification | Problem:
    if path != f"{resource['resourceType']}/{resource.get('id')}":
        return _refused("the address and the body name different resources")
    return _changed(resource)


def _changed(resource: Mapping[str, Any]) -> Notification | Problem:
    """A bare resource: what it holds is not used, only who it is."""
    found = literal(f"{resource['resourceType']}/{resource.get('id')}")
    if found is None or not isinstance(resource.get("id"), str):
        return _refused("the resource has no id, so it cannot be read again")
    return Notification(kind=Kind.CHANGED, events=(Happening(found.local, version=_version(resource)),))


def _version(resource: Mapping[str, Any]) -> str:
    meta = resource.get("meta")
    parts = [meta.get("versionId"), meta.get("lastUpdated")] if isinstance(meta, dict) else []
    return "@".join(part for part in parts if isinstance(part, str))


def _bundle(bundle: Mapping[str, Any], *, takes_transactions: bool) -> Notification | Problem:
    kind = bundle.get("type")
    if kind not in _BUNDLES and not (kind == "transaction" and takes_transactions):
        return _refused("the Bundle is of no type that notifies")
    return _told(_entries(bundle))


def _told(entries: list[Mapping[str, Any]]) -> Notification | Problem:
    """What the status at the beginning of a Bundle tells."""
    status = _as_status(_resource(entries[0])) if entries else None
    if status is None:
        return _refused("the first entry is no SubscriptionStatus")
    kind, subscription = status.get("type"), _reference(status.get("subscription"))
    count = _number(status.get("eventsSinceSubscriptionStart", -1))
    if not isinstance(kind, str) or kind not in _TYPES:
        return _refused("the notification is of an unknown type")
    if not subscription or count is None:
        return _refused("the status names no Subscription, or a number of events that is none")
    events = _events(status, entries[1:])
    if isinstance(events, Problem):
        return events
    return Notification(
        kind=Kind(kind),
        subscription=subscription,
        topic=_text(status.get("topic")),
        status=_text(status.get("status")),
        count=count,
        events=events,
        errors=tuple(_errors(status.get("error"))),
    )


def _as_status(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The status as R4B and R5 write it, whichever way it came."""
    match resource.get("resourceType"):
        case "SubscriptionStatus":
            return resource
        case "Parameters":
            return _from_parameters(resource.get("parameter"))
    return None


def _from_parameters(parameters: object, *, is_part: bool = False) -> dict[str, Any]:
    """R4's Parameters as the object they stand for; names are taken with hyphens and in camel case."""
    status: dict[str, Any] = {}
    for each in _objects(parameters):
        name = _in_camel_case(_text(each.get("name")))
        # An event has parts; these have none (hl7.org/fhir/uv/subscriptions-backport, subscription-status-r4).
        value = _value(each) if is_part or "part" not in each else _from_parameters(each["part"], is_part=True)
        if name in ("notificationEvent", "additionalContext", "error"):
            status.setdefault(name, []).append(value)
        else:
            status.setdefault(name, value)
    return status


def _value(parameter: Mapping[str, Any]) -> object:
    for name, value in parameter.items():
        if name.startswith("value"):
            return value
    return None


@lru_cache(maxsize=128)
def _in_camel_case(name: str) -> str:
    return _HYPHENED.sub(lambda found: found[1].upper(), name)


def _events(status: Mapping[str, Any], others: list[Mapping[str, Any]]) -> tuple[Happening, ...] | Problem:
    events = []
    for each in _objects(status.get("notificationEvent")):
        number = _number(each.get("eventNumber", 0))
        if number is None or number < 0:
            return _refused("an event's number is none")
        focus = _reference(each.get("focus"))
        context = tuple(filter(None, map(_reference, _objects(each.get("additionalContext")))))
        events.append(Happening(focus, number, _text(each.get("timestamp")), context))
    # Seen nowhere yet, and allowed by nothing; but what stands in the Bundle did change.
    return tuple(events or (Happening(focus) for focus in map(_meant, others) if focus))


def _meant(entry: Mapping[str, Any]) -> str:
    """The resource that an entry holds, or that it says was changed."""
    resource = _resource(entry)
    if isinstance(resource.get("id"), str):
        return f"{resource.get('resourceType')}/{resource['id']}"
    request = entry.get("request")
    url = _text(request.get("url")) if isinstance(request, dict) else ""
    return url if literal(url) else ""


def _errors(listed: object) -> Iterator[str]:
    for each in _objects(listed):
        for coding in _objects(each.get("coding")):
            if isinstance(coding.get("code"), str):
                yield coding["code"]


def _number(value: object) -> int | None:
    """A number of events: an integer, or one as text, since "integer64 is a string in JSON"; -1 stands for not told."""
    if value == -1 or (isinstance(value, str) and _COUNT.fullmatch(value)):
        value = int(value)
    if type(value) is not int or not -1 <= value <= _LARGEST:
        return None
    return value


def _entries(bundle: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _objects(bundle.get("entry"))


def _resource(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found = entry.get("resource")
    return found if isinstance(found, dict) else {}


def _reference(value: object) -> str:
    return _text(value.get("reference")) if isinstance(value, dict) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _refused(what: str) -> Problem:
    return Problem(ProblemCode.NOTIFICATION_INVALID, "", what, _THEN)
