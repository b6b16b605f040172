"""Take notifications: believe nobody without the secret, store what was told, and only then acknowledge it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping

import msgspec
from starlette.types import Receive, Scope, Send

from adapter.errors import AdapterError, InboxUnusable
from adapter.fhir.addresses import literal
from adapter.fhir.notifications import Happening, Notification, is_below, read_notification
from adapter.inbox.events import arrivals_of, local
from adapter.problems import Problem
from adapter.service.group_commit import GroupCommit
from adapter.service.guarding import SIGNATURE, Guard
from adapter.service.metrics import Metrics

# What a Subscription's endpoint ends with.
ENDPOINT = "/notify"
_METHODS = frozenset({"POST", "PUT", "DELETE"})
_JSON = {"Content-Type": "application/fhir+json"}
_COME_LATER = {"Retry-After": "5"}
_NONE: Mapping[str, str] = {}
# How long an unknown Subscription stays unknown, so that a flood about it asks the server nothing.
_UNKNOWN_SECONDS = 30
_MOST_UNKNOWN = 1_000


class Refusal(Exception):
    """The request is answered without anything being stored."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        """Take the HTTP status, and the reason in one word."""
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken.

    Attributes:
        base: The configured server; what is not below it is refused.
        subscriptions: The only Subscriptions to listen to, as ``Subscription/1``; without any, those that lead to us.
        most_bytes: Of one notification.
        body_seconds: How long one may take to arrive.
        takes_transactions: Take a Bundle of type ``transaction``, as HAPI's engine for R5 was seen to send.
    """

    base: str
    subscriptions: tuple[str, ...] = ()
    most_bytes: int = 8 * 1024 * 1024
    body_seconds: float = 30
    takes_transactions: bool = False


class Receiver:
    """Answers at our endpoint; used from one event loop."""

    def __init__(
        self,
        guard: Guard,
        terms: Terms,
        commit: GroupCommit,
        metrics: Metrics,
        *,
        known: Collection[str],
        recognise: Callable[[str], bool],
    ) -> None:
        """Take who is believed, what is taken, and where it goes.

        Args:
            guard: Knows the secret.
            terms: What is taken.
            commit: Stores.
            metrics: Counts.
            known: Subscriptions that were heard of before.
            recognise: Asks the configured server whether a Subscription leads to us; may raise AdapterError.
        """
        self._guard, self._terms, self._commit, self._metrics = guard, terms, commit, metrics
        self._known = set(terms.subscriptions or known)
        self._recognise = recognise
        self._unknown: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as an ASGI application, and count the answer."""
        start = time.perf_counter()
        asked = _Asked(scope)
        try:
            body = await self._body(asked, receive)
            notification = self._read(asked, body)
            await self._store(notification)
        except Refusal as refusal:
            self._metrics.count("requests_total", status=str(refusal.status), reason=refusal.reason)
            return await _answer(send, refusal.status, refusal.headers)
        except InboxUnusable:
            self._metrics.count("requests_total", status="503", reason="not-stored")
            return await _answer(send, 503, _COME_LATER)
        self._metrics.acknowledged(time.perf_counter() - start)
        self._metrics.count("requests_total", status="200", reason=notification.kind)
        # HAPI reads our answer to a PUT as a resource, and counts "{}" as failed (hapi-fhir-jpaserver-starter #677).
        return await (_answer(send, 200, _JSON, body) if asked.method == "PUT" else _answer(send, 200))

    async def _body(self, asked: _Asked, receive: Receive) -> bytes:
        """The body of a sender that is believed: without the secret, nothing of it is even read."""
        if asked.method not in _METHODS:
            raise Refusal(405, "method", Allow=", ".join(sorted(_METHODS)))
        is_trusted = self._guard.is_open or self._guard.brings_secret(asked.headers)
        if not is_trusted and SIGNATURE not in asked.headers:
            raise Refusal(401, "no-secret", **{"WWW-Authenticate": "Bearer"})
        if asked.headers.get("content-encoding", "identity") != "identity":
            raise Refusal(415, "compressed")
        try:
            async with asyncio.timeout(self._terms.body_seconds):
                body = await self._limited(asked, receive)
        except TimeoutError:
            raise Refusal(408, "too-slow") from None
        if not is_trusted and not self._guard.is_signed(asked.headers, body):
            raise Refusal(401, "wrong-signature")
        return body

    async def _limited(self, asked: _Asked, receive: Receive) -> bytes:
        most = self._terms.most_bytes
        told = asked.headers.get("content-length", "")
        if told.isdecimal() and int(told[:19]) > most:
            raise Refusal(413, "too-large", Connection="close")
        pieces, size, is_more = [], 0, True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "disconnected")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > most:
                raise Refusal(413, "too-large", Connection="close")
            is_more = message.get("more_body", False)
        return b"".join(pieces)

    def _read(self, asked: _Asked, body: bytes) -> Notification:
        if "xml" in asked.headers.get("content-type", "") and body.strip():
            raise Refusal(415, "no-json")
        found = read_notification(
            asked.method,
            asked.place,
            body,
            deleted=asked.headers.get("x-medplum-deleted-resource", ""),
            takes_transactions=self._terms.takes_transactions,
        )
        if isinstance(found, Problem):
            raise Refusal(422, found.code)
        references = [found.subscription, *(event.focus for event in found.events)]
        if not all(is_below(each, self._terms.base) for each in references if each):
            raise Refusal(422, "elsewhere")
        return msgspec.structs.replace(found, events=tuple(map(self._without_others, found.events)))

    def _without_others(self, event: Happening) -> Happening:
        """The event without what it names beside its focus on another server: nobody there is our patient."""
        if all(is_below(each, self._terms.base) for each in event.context):
            return event
        context = tuple(each for each in event.context if is_below(each, self._terms.base))
        return msgspec.structs.replace(event, context=context)

    async def _store(self, notification: Notification) -> None:
        subscription = local(notification.subscription)
        if subscription:
            await self._refuse_unknown(subscription)
        await self._commit.store(arrivals_of(notification, subscription=subscription))

    async def _refuse_unknown(self, subscription: str) -> None:
        """Listen only to Subscriptions that are ours, as the operator says or the configured server itself."""
        if subscription in self._known:
            return
        found = literal(subscription)
        is_refused = self._unknown.get(subscription, 0) > time.monotonic()
        if self._terms.subscriptions or is_refused or found is None or found.type != "Subscription":
            raise Refusal(403, "unknown-subscription")
        try:
            is_ours = await asyncio.to_thread(self._recognise, subscription)
        except AdapterError:
            raise Refusal(503, "subscription-not-checked", **_COME_LATER) from None
        if not is_ours:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[subscription] = time.monotonic() + _UNKNOWN_SECONDS
            raise Refusal(403, "unknown-subscription")
        self._known.add(subscription)


class _Asked:
    """A request, as far as it is looked at."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        # ASGI servers give names in small letters (asgi.readthedocs.io, HTTP connection scope).
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.place: str = scope["path"].removeprefix(ENDPOINT).strip("/")


async def _answer(send: Send, status: int, headers: Mapping[str, str] = _NONE, body: bytes = b"") -> None:
    listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    listed.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
