"""What ``serve`` and ``inbox`` do between their options and their output: the service made from settings, and run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from adapter.entrypoints.library import end_of_day
from adapter.entrypoints.working import job_of
from adapter.errors import SettingsInvalid
from adapter.fhir_server.client import Event
from adapter.fhir_server.limits import Clock, SystemClock
from adapter.inbox.pacing import Pace
from adapter.inbox.sqlite_inbox import SqliteInbox
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.inbox.worklist import Letter, Worklist
from adapter.job.doing import Job
from adapter.job.endings import Done, Ending
from adapter.ledger.ledger import Ledger
from adapter.service.surroundings import Assessed
from adapter.settings.files import read_private, read_secret
from adapter.settings.model import Settings

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from adapter.service.application import Parts
    from adapter.service.board import Board
    from adapter.service.guarding import Guard
    from adapter.service.tending import Caretaker

# How long work that was begun may take after the service was told to stop.
_GRACE = 30
_DONE = frozenset({Ending.WRITTEN, Ending.UNCHANGED, Ending.WOULD_WRITE, Ending.NOTHING_TO_WRITE})
# The patient may arrive after the result, and what was missing may come.
_WAITING = frozenset({Ending.MISSING, Ending.INCOMPLETE, Ending.FAULT})


class Address(msgspec.Struct, frozen=True):
    """Where to listen."""

    host: str
    port: int


def serve(
    settings: Settings, *, insecure: bool, announce: Callable[[Event], None], ready: Callable[[Settings], None]
) -> None:
    """Take notifications and work them off until told to stop; ``ready`` is told once nothing is in the way.

    Raises:
        SettingsInvalid: Something does not fit, or there is no secret.
        InboxUnusable: The inbox cannot be opened, or another service holds it.
    """
    try:
        import uvicorn

        from adapter.service.application import application
    except ModuleNotFoundError as error:
        raise SettingsInvalid(f"serve needs {error.name}: pip install 'osteo-fhir-adapter[service]'") from None
    from adapter.service.guarding import refuse_to_be_open

    address, guard = address_of(settings.listen), guard_of(settings)
    refuse_to_be_open(guard, address.host, insecure=insecure)
    # As in every door, the day counts as a whole: a result of today without a clock time is one of today.
    job = job_of(settings, as_of=lambda: end_of_day(datetime.now(UTC).date()), announce=announce)
    parts = parts_of(settings, job, guard)
    app = application(parts, more=operators_page(settings, job, parts))
    # Neither addresses nor queries are logged: both name patients.
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    stop = threading.Event()
    threading.Thread(target=caretaker(settings, job, parts).run, args=(stop,), name="caretaker", daemon=True).start()
    ready(settings)
    try:
        uvicorn.Server(config).run()
    finally:
        stop.set()


def caretaker(settings: Settings, job: Job, parts: Parts) -> Caretaker:
    """Who looks after the Subscriptions."""
    from adapter.service.tending import Caretaker, Tending

    return Caretaker(
        job.server,
        parts.inbox,
        parts.worklist.watched,
        Tending(heartbeat=settings.heartbeat_seconds, named=settings.subscriptions),
        tell=parts.metrics.happened,
    )


def operators_page(settings: Settings, job: Job, parts: Parts) -> Sequence[BaseRoute]:
    """The operator's page, where a token for it was set."""
    from adapter.service.operating import Decisions, Operating

    token = _operator_token(settings)
    if not token:
        return ()
    who = "operator's page"

    def replay(number: int) -> None:
        letters = [each for each in parts.worklist.letters() if each.id == number]
        replayed(settings, parts.worklist, letters, who=who)
        parts.worker.wake()

    def drop(number: int) -> None:
        parts.worklist.drop([number], who=who, now=parts.clock.now().timestamp())

    return Operating(
        lambda: board(settings, job, parts),
        Decisions(replay, drop),
        token=token,
        clock=lambda: parts.clock.now().timestamp(),
    ).routes()


def board(settings: Settings, job: Job, parts: Parts) -> Board:
    """How things stand, for the operator."""
    from adapter.service.board import Board

    waiting, oldest = parts.inbox.waiting(parts.worklist.cursor())
    tasks, _, _ = parts.worklist.counts()
    return Board(
        server=job.server.base,
        now=parts.clock.now().timestamp(),
        heartbeat=settings.heartbeat_seconds,
        faults=list(parts.faults()),
        watched=parts.worklist.watched(),
        waiting=waiting,
        oldest=oldest if waiting else 0,
        tasks=tasks,
        letters=parts.worklist.letters(),
        notes=parts.worklist.notes()[-20:][::-1],
        last=job.ledger.entries(server=job.server.base, limit=20),
    )


def _operator_token(settings: Settings) -> str:
    from adapter.service.guarding import SHORTEST

    if settings.operator_token_file is not None:
        token = read_secret(settings.operator_token_file)
    else:
        token = settings.operator_token.get_secret_value() if settings.operator_token else ""
    if 0 < len(token) < SHORTEST:
        raise SettingsInvalid(f"the operator's token is too short; expected {SHORTEST} characters or more")
    return token


def parts_of(settings: Settings, job: Job, guard: Guard, *, clock: Clock | None = None) -> Parts:
    """Everything the application is put together from.

    Raises:
        InboxUnusable: The inbox cannot be opened, or another service holds it.
    """
    from adapter.service.application import Parts
    from adapter.service.group_commit import GroupCommit
    from adapter.service.metrics import Metrics
    from adapter.service.receiving import ENDPOINT, Receiver, Terms
    from adapter.service.surroundings import ServerSurroundings, leads_to_us
    from adapter.service.trying import Trier
    from adapter.service.working import Worker

    clock = clock or SystemClock()
    worklist = SqliteWorklist(worklist_path(settings.inbox), is_worker=True)
    inbox = SqliteInbox(settings.inbox, clock=lambda: clock.now().timestamp())
    metrics = Metrics()
    surroundings = ServerSurroundings(job.server, job.ledger, job.codes)
    worker = Worker(
        inbox,
        worklist,
        Trier(surroundings, lambda patient: assessed(job.assess_and_write(patient)), pace_of(settings), clock),
        width=settings.workers,
        sweep=settings.sweep_seconds,
        tell=metrics.happened,
    )

    def stored(arrivals: int, new: int) -> None:
        metrics.stored(arrivals, new)
        worker.wake()

    commit = GroupCommit(inbox, stored=stored)
    receiver = Receiver(
        guard,
        Terms(
            base=job.server.base, subscriptions=settings.subscriptions, takes_transactions=settings.take_transactions
        ),
        commit,
        metrics,
        known={each.reference for each in worklist.watched()},
        recognise=lambda subscription: leads_to_us(job.server, subscription, ENDPOINT),
    )
    return Parts(
        inbox=inbox,
        worklist=worklist,
        worker=worker,
        commit=commit,
        receiver=receiver,
        metrics=metrics,
        clock=clock,
    )


def assessed(done: Done) -> Assessed:
    """What the end of one patient means for the worklist."""
    return Assessed(
        ending=done.ending,
        is_done=done.ending in _DONE,
        may_retry=done.may_retry or done.ending in _WAITING,
        is_held=done.ending is Ending.ELSEWHERE,
        reason=done.reason,
    )


def pace_of(settings: Settings) -> Pace:
    """How long to gather, to wait and to try, as the operator says."""
    return Pace(
        window=settings.window_seconds,
        longest_window=max(60, 4 * settings.window_seconds),
        search_interval=settings.search_interval_seconds,
        gap=settings.gap_seconds,
        tries=settings.notification_tries,
    )


def guard_of(settings: Settings) -> Guard:
    """Who is believed: whoever brings a secret of the settings.

    Raises:
        SettingsInvalid: The file cannot be read, or a secret is too short.
    """
    from adapter.service.guarding import Guard

    return Guard(secrets_of(settings), header=settings.secret_header)


def secrets_of(settings: Settings) -> list[str]:
    """The secrets of notifications: a file may hold two, one a line, while the second replaces the first.

    Raises:
        SettingsInvalid: The file cannot be read.
    """
    if settings.secret_file is None:
        return [settings.secret.get_secret_value()] if settings.secret else []
    try:
        lines = read_private(settings.secret_file).decode("utf-8").split()
    except UnicodeDecodeError:
        lines = []
    if not lines:
        raise SettingsInvalid(f"{settings.secret_file}: expected the secret, in letters and digits")
    return lines


def address_of(listen: str) -> Address:
    """Host and port of ``127.0.0.1:8040`` or ``[::1]:8040``.

    Raises:
        SettingsInvalid: It is no such address.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SettingsInvalid("--listen: expected an address and a port, such as 127.0.0.1:8040")
    return Address(host.strip("[]"), int(port))


def worklist_path(inbox: Path) -> Path:
    """The worker's file beside the receiver's."""
    return inbox.with_name(f"{inbox.stem}.worklist{inbox.suffix or '.sqlite'}")


def replayed(settings: Settings, worklist: Worklist, letters: list[Letter], *, who: str) -> int:
    """Have the service try again what was given up; what the ledger has given up too is opened there as well."""
    ledger = Ledger(settings.ledger, clock=lambda: datetime.now(UTC))
    try:
        for letter in letters:
            if letter.reference.startswith("Patient/"):
                ledger.retry(patient=letter.reference)
    finally:
        ledger.close()
    return worklist.replay([letter.id for letter in letters], who=who, now=datetime.now(UTC).timestamp())
