"""Take notifications: believe nobody without the secret, store what was told, and only then acknowledge it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from adapter.errors import AdapterError, InboxUnusable
from adapter.fhir.notifications import Notification, is_below, read_notification
from adapter.fhir.references import literal
from adapter.inbox.events import arrivals_of, local
from adapter.problems import Problem
from adapter.service.group_commit import GroupCommit
from adapter.service.guarding import SIGNATURE, Guard
from adapter.service.metrics import Metrics

_JSON = "application/fhir+json"
_COME_LATER = {"Retry-After": "5"}
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

    async def answer(self, request: Request) -> Response:
        """Answer one request, and count the answer."""
        start = time.perf_counter()
        try:
            body = await self._body(request)
            notification = self._read(request, body)
            await self._store(notification)
        except Refusal as refusal:
            self._metrics.count("requests_total", status=str(refusal.status), reason=refusal.reason)
            return Response(status_code=refusal.status, headers=refusal.headers)
        except InboxUnusable:
            self._metrics.count("requests_total", status="503", reason="not-stored")
            return Response(status_code=503, headers=_COME_LATER)
        self._metrics.acknowledged(time.perf_counter() - start)
        self._metrics.count("requests_total", status="200", reason=notification.kind)
        if request.method == "PUT":
            # HAPI reads our answer as a resource, and counts "{}" as failed (hapi-fhir-jpaserver-starter #677).
            return Response(body, media_type=_JSON)
        return Response(status_code=200)

    async def _body(self, request: Request) -> bytes:
        """The body of a sender that is believed: without the secret, nothing of it is even read."""
        headers = request.headers
        is_trusted = self._guard.is_open or self._guard.brings_secret(headers)
        if not is_trusted and SIGNATURE not in headers:
            raise Refusal(401, "no-secret", **{"WWW-Authenticate": "Bearer"})
        if headers.get("content-encoding", "identity") != "identity":
            raise Refusal(415, "compressed")
        try:
            async with asyncio.timeout(self._terms.body_seconds):
                body = await self._limited(request)
        except TimeoutError:
            raise Refusal(408, "too-slow") from None
        except ClientDisconnect:
            raise Refusal(400, "disconnected") from None
        if not is_trusted and not self._guard.is_signed(headers, body):
            raise Refusal(401, "wrong-signature")
        return body

    async def _limited(self, request: Request) -> bytes:
        most = self._terms.most_bytes
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told[:19]) > most:
            raise Refusal(413, "too-large", Connection="close")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise Refusal(413, "too-large", Connection="close")
        return bytes(body)

    def _read(self, request: Request, body: bytes) -> Notification:
        if body.strip() and "xml" in request.headers.get("content-type", ""):
            raise Refusal(415, "no-json")
        found = read_notification(
            request.method,
            request.path_params.get("rest", "").strip("/"),
            body,
            deleted=request.headers.get("x-medplum-deleted-resource", ""),
            takes_transactions=self._terms.takes_transactions,
        )
        if isinstance(found, Problem):
            raise Refusal(422, found.code)
        references = [found.subscription, *(event.focus for event in found.events)]
        if not all(is_below(each, self._terms.base) for each in references if each):
            raise Refusal(422, "elsewhere")
        return found

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
