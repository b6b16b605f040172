"""Make many acknowledgements wait for one commit: durable each, and several times faster than a commit each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from adapter.errors import InboxUnusable
from adapter.inbox.events import Arrival, Inbox

_MOST_AT_ONCE = 500
# A commit costs as much as storing thirty events, so under load the next one waits so long for so much company.
_GATHER_SECONDS = 0.002
_COMPANY = 24
# Beyond this the disk has fallen behind; the sender is told to come again later.
_MOST_WAITING = 10_000


class GroupCommit:
    """Stores arrivals in the order they come; used from one event loop."""

    def __init__(self, inbox: Inbox, *, stored: Callable[[int, int], None]) -> None:
        """Take the inbox, and who is told of each commit: how many arrivals, and how many were new."""
        self._inbox, self._stored = inbox, stored
        self._waiting: list[tuple[Sequence[Arrival], asyncio.Future[None]]] = []
        self._is_writing = False
        self._gathering: asyncio.TimerHandle | None = None
        self.fault = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")

    async def store(self, arrivals: Sequence[Arrival]) -> None:
        """Return once the arrivals survive the loss of power.

        Raises:
            InboxUnusable: They were not stored.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise InboxUnusable("the disk is slower than the notifications come")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((arrivals, done))
        if not self._is_writing:
            self._is_writing = True
            loop.call_soon(self._write, loop)
        elif self._gathering is not None and len(self._waiting) >= _COMPANY:
            self._gathering.cancel()
            self._write(loop)
        await done

    async def prune(self, cursor: int) -> None:
        """Forget what is done, a little at a time, so that nobody waits for it."""
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(self._thread, self._inbox.prune, cursor):
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """End the thread once it has written what it was given."""
        self._thread.shutdown()

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand all that waits to the thread, and come back for what arrived meanwhile."""
        self._gathering = None
        batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        arrivals = [each for several, _ in batch for each in several]
        writing = loop.run_in_executor(self._thread, self._inbox.store, arrivals)
        writing.add_done_callback(lambda written: self._written(loop, batch, written))

    def _written(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[Sequence[Arrival], asyncio.Future[None]]],
        written: asyncio.Future[int],
    ) -> None:
        error = written.exception()
        self.fault = "" if error is None else str(error) if isinstance(error, InboxUnusable) else type(error).__name__
        for _, done in batch:
            # Its sender may have hung up.
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(InboxUnusable(self.fault))
        if error is None:
            self._stored(sum(len(several) for several, _ in batch), written.result())
        if len(self._waiting) >= _COMPANY or len(self._waiting) == 1:
            self._write(loop)
        elif self._waiting:
            self._gathering = loop.call_later(_GATHER_SECONDS, self._write, loop)
        else:
            self._is_writing = False
