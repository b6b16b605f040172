"""The service for the benchmark, as a process of its own: with its inbox, without one, or with a commit for each.

Everything but the inbox and the assessment is what ``osteo-fhir serve`` runs; an assessment takes no time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from adapter.fhir_server.limits import SystemClock
from adapter.inbox.events import Arrival
from adapter.inbox.pacing import Pace
from adapter.inbox.sqlite_inbox import SqliteInbox
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.job.choosing import Chosen
from adapter.service.application import Parts, application
from adapter.service.group_commit import GroupCommit
from adapter.service.guarding import Guard
from adapter.service.metrics import Metrics
from adapter.service.receiving import Receiver, Terms
from adapter.service.surroundings import Assessed
from adapter.service.trying import Trier
from adapter.service.working import Worker


class _Nowhere(GroupCommit):
    """Acknowledges without storing."""

    async def store(self, arrivals: Sequence[Arrival]) -> None:
        """Do nothing."""


class _Each(GroupCommit):
    """A commit for each notification."""

    async def store(self, arrivals: Sequence[Arrival]) -> None:
        """Store in this very thread."""
        self._inbox.store(arrivals)


class _Instant:
    """A server where nothing has to be asked, and assessments that take no time."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}
        self.lags: list[float] = []

    def patients_of(self, reference: str, hint: str) -> Sequence[str]:
        """Nobody's."""
        return ()

    def changed(self, since: object) -> Chosen:
        """Nothing."""
        return Chosen()

    def events(self, subscription: str, first: int, last: int) -> None:
        """None are kept."""

    def assess(self, patient: str) -> Assessed:
        """Remember how long it was since the notification came."""
        self.lags.append(time.perf_counter() - self.told.pop(patient))
        return Assessed(ending="written")


class _Noting(GroupCommit):
    """Stores as ever, and notes when each notification came."""

    def __init__(self, instant: _Instant, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self._instant = instant

    async def store(self, arrivals: Sequence[Arrival]) -> None:
        """Note, and store."""
        for each in arrivals:
            self._instant.told[each.focus] = time.perf_counter()
        await super().store(arrivals)


def main(how: str, folder: Path, port: int, secret: str) -> None:
    """Serve until killed."""
    clock, metrics, instant = SystemClock(), Metrics(), _Instant()
    inbox = SqliteInbox(folder / "inbox.sqlite", clock=time.time)
    worklist = SqliteWorklist(folder / "worklist.sqlite")
    pace = Pace(window=0, longest_window=0)
    worker = Worker(inbox, worklist, Trier(instant, instant.assess, pace, clock))

    def stored(arrivals: int, new: int) -> None:
        metrics.stored(arrivals, new)
        worker.wake()

    if how != "work":
        # Only receiving is measured.
        worker.turn = lambda **_: False  # type: ignore[method-assign]
    commits = {"none": _Nowhere, "each": _Each, "group": GroupCommit}
    commit = _Noting(instant, inbox, stored=stored) if how == "work" else commits[how](inbox, stored=stored)
    terms = Terms(base="http://127.0.0.1:9/fhir", subscriptions=("Subscription/s",))
    receiver = Receiver(Guard([secret]), terms, commit, metrics, known=(), recognise=lambda _: True)
    parts = Parts(
        inbox=inbox,
        worklist=worklist,
        worker=worker,
        commit=commit,
        receiver=receiver,
        metrics=metrics,
        clock=clock,
    )

    async def assessed(request: Request) -> JSONResponse:
        return JSONResponse({"count": len(instant.lags), "lags": instant.lags})

    app = application(parts, more=[Route("/assessed", assessed)])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, server_header=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
