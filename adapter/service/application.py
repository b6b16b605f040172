"""The service as one application: the endpoint, the worker behind it, and what an operator asks of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapter.errors import InboxUnusable
from adapter.fhir_server.limits import Clock
from adapter.inbox.events import Inbox
from adapter.inbox.worklist import Watched, Worklist
from adapter.service.group_commit import GroupCommit
from adapter.service.metrics import CONTENT_TYPE, Gauge, Labels, Metrics
from adapter.service.receiving import ENDPOINT, Receiver
from adapter.service.working import Worker

_PRUNE_EVERY = 60
# A worker that has not turned for so long hangs.
_LONGEST_TURN = 60
# So many threads look at files for operators and ask the server about Subscriptions. Each has connections of its own.
_LOOKING = 4
# How long what is under way may take after the service was told to stop; what is not done is done after the next start.
_GRACE = 30


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the application is put together from; the page and the care for Subscriptions use the same."""

    inbox: Inbox
    worklist: Worklist
    worker: Worker
    commit: GroupCommit
    receiver: Receiver
    metrics: Metrics
    clock: Clock

    def faults(self) -> Iterator[str]:
        """Why notifications are not stored or not worked off; nothing where they are."""
        if self.clock.now().timestamp() - self.worker.turned_at > _LONGEST_TURN:
            yield "the worker hangs"
        if self.worker.fault:
            yield self.worker.fault
        if self.commit.fault:
            yield self.commit.fault


def application(parts: Parts, *, more: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The application; its worker begins and ends with it.

    Args:
        parts: What it is put together from.
        more: Further routes, such as a page for operators.
    """
    state = _State(parts)
    routes = [
        Route("/health", state.health),
        Route("/ready", state.ready),
        Route("/metrics", state.metrics),
        *more,
    ]
    others = Starlette(routes=routes, lifespan=state.lifespan)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        # At thousands of notifications a second the way through a framework costs as much as storing them.
        is_told = scope["type"] == "http" and f"{scope['path']}/".startswith(f"{ENDPOINT}/")
        await (parts.receiver if is_told else others)(scope, receive, send)

    return either


class _State:
    """The worker's thread, and how things stand."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._thread: threading.Thread | None = None

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Begin to work before the first notification, and finish what is under way after the last."""
        parts, stop = self._parts, threading.Event()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKING, thread_name_prefix="looking"))
        parts.worker.begin()
        self._thread = threading.Thread(target=parts.worker.run, args=(stop,), name="worker", daemon=True)
        self._thread.start()
        pruning = asyncio.create_task(self._prune())
        try:
            yield
        finally:
            pruning.cancel()
            with suppress(asyncio.CancelledError):
                await pruning
            parts.commit.close()
            stop.set()
            parts.worker.wake()
            await asyncio.to_thread(self._thread.join, _GRACE)
            if not self._thread.is_alive():
                parts.worklist.close()
                parts.inbox.close()

    async def health(self, request: Request) -> Response:
        """Say that the process answers."""
        return JSONResponse({"status": "up"})

    async def ready(self, request: Request) -> Response:
        """Say whether notifications are stored and worked off, or why not."""
        faults = await asyncio.to_thread(lambda: list(self._faults()))
        return JSONResponse({"ready": not faults, "faults": faults}, status_code=503 if faults else 200)

    async def metrics(self, request: Request) -> Response:
        """Give the figures."""
        text = await asyncio.to_thread(self._parts.metrics.text, self._gauges)
        return PlainTextResponse(text, headers={"Content-Type": CONTENT_TYPE})

    def _faults(self) -> Iterator[str]:
        if self._thread is None or not self._thread.is_alive():
            yield "the worker has ended"
        yield from self._parts.faults()

    def _gauges(self) -> Iterator[Gauge]:
        parts, now = self._parts, self._parts.clock.now().timestamp()
        events, arrived = parts.inbox.waiting(parts.worklist.cursor())
        tasks, letters, first = parts.worklist.counts()
        yield "inbox_events", "Events not taken in yet.", {(): events}
        yield "inbox_age_seconds", "Age of the oldest of them.", {(): now - arrived if events else 0}
        yield "worklist_tasks", "Tasks not done yet.", {(): tasks}
        yield "worklist_age_seconds", "Age of the oldest of them.", {(): now - first if tasks else 0}
        yield "dead_letters", "Tasks given up, until a person decides.", {(): letters}
        watched: dict[Labels, Watched] = {
            (("subscription", each.reference or "rest-hook"),): each for each in parts.worklist.watched()
        }
        yield "subscription_heard_at", "When we last heard of a Subscription.", _of(watched, "heard_at")
        yield "subscription_gaps_total", "How often events were missing.", _of(watched, "gaps")
        yield "subscription_resets_total", "How often events were counted anew.", _of(watched, "resets")

    async def _prune(self) -> None:
        """Forget what is done, now and then; if that fails, what is told stays, and the next time comes."""
        while True:
            await asyncio.sleep(_PRUNE_EVERY)
            with suppress(InboxUnusable):
                await self._parts.commit.prune(await asyncio.to_thread(self._parts.worklist.cursor))


def _of(watched: Mapping[Labels, Watched], name: str) -> dict[Labels, float]:
    return {labels: getattr(each, name) for labels, each in watched.items()}
