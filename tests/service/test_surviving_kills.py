"""Whenever the service is killed, nothing that it acknowledged is lost, and nothing is written twice."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from adapter.fhir.notifications import Happening, Kind, Notification
from adapter.inbox.events import arrivals_of
from adapter.inbox.sqlite_inbox import SqliteInbox
from adapter.inbox.sqlite_worklist import SqliteWorklist
from adapter.inbox.worklist import Turn, Wish
from tests.campaigns.sampling import sampled
from tests.servers.sekmet import Sekmet, sekmet
from tests.service.living import SECRET, Service, eventually, free_port, service
from tests.service.people import VALUES, current, load

PATIENTS = 12
CODES = tuple(VALUES)


class Sender:
    """Notifies without end from several threads, and remembers what was acknowledged."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/notify"
        self.acknowledged: list[str] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def _run(self, seed: int) -> None:
        chance, count = random.Random(seed), 0  # noqa: S311 - not for secrets
        with requests.Session() as session:
            session.trust_env = False
            while not self.stop.is_set():
                count += 1
                number, version = chance.randrange(PATIENTS), f"{seed}-{count}"
                code = chance.choice(CODES)
                body = {"resourceType": "Observation", "id": f"o{number}-{code}", "meta": {"versionId": version}}
                try:
                    answer = session.put(
                        f"{self.url}/Observation/{body['id']}",
                        data=json.dumps(body),
                        headers={"Authorization": f"Bearer {SECRET}"},
                        timeout=5,
                    )
                except requests.RequestException:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    self.acknowledged.append(_key(f"Observation/{body['id']}", version))

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def stored(folder: Path) -> Counter[str]:
    """How often each event is in the inbox's file."""
    with sqlite3.connect(folder / "inbox.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return Counter(key for (key,) in connection.execute("SELECT key FROM event"))


def test_nothing_acknowledged_is_lost_and_nothing_is_written_twice(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """E45: kill -9 under load, again and again."""
    kills, port = request.config.getoption("--kills") or 8, free_port()
    with sekmet(tmp_path / "server") as server:
        load(server, PATIENTS)
        sender = Sender(port)
        try:
            for kill in range(kills):
                with _started(tmp_path, server, port) as killed:
                    # At another moment each time: while it starts, while it searches, while it writes.
                    time.sleep(0.1 + 1.4 * kill / kills)
                    killed.kill()
        finally:
            sender.end()
        assert len(sender.acknowledged) > 10 * kills
        with _started(tmp_path, server, port) as last:
            eventually(lambda: _is_done(last), seconds=120)
            _assert_all_was_stored(tmp_path / "service", sender.acknowledged)
            _assert_each_patient_has_one(server)
            assert last.figure("dead_letters") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the processor's time is read from /proc")
def test_a_hundred_thousand_waiting_events_do_not_delay_a_start(tmp_path: Path) -> None:
    """Ready in under two seconds, whether they were taken in already or not; of the processor, since others want it."""
    _fill(tmp_path, 100_000)
    start = time.monotonic()
    with service(tmp_path, "http://127.0.0.1:9/fhir") as started:
        assert started.ask("/ready").status_code == 200
        assert started.tell("POST").status_code == 200
        took = time.monotonic() - start
        sample = sampled(started.process.pid, tmp_path, seconds=took, sent=1, waiting=100_000)
        assert started.figure("worklist_tasks") >= 100_000
    assert sample.busy < 2, f"{took:.1f} s by the clock"


def _fill(folder: Path, number: int) -> None:
    """So many events that were not taken in, and so many tasks."""
    later = datetime.now(UTC).timestamp() + 3600
    worklist = SqliteWorklist(folder / "inbox.worklist.sqlite")
    worklist.commit(Turn(wishes=[Wish(reference=f"Patient/{n}", first=later, due=later) for n in range(number)]))
    worklist.close()
    inbox = SqliteInbox(folder / "inbox.sqlite", clock=lambda: later)
    told = [Notification(kind=Kind.CHANGED, events=(Happening(f"Observation/{n}", 0, "1"),)) for n in range(number)]
    inbox.store([arrival for each in told for arrival in arrivals_of(each, subscription="")])
    inbox.close()


def _started(folder: Path, server: Sekmet, port: int) -> AbstractContextManager[Service]:
    return service(folder / "service", server.base, "--window-seconds", "0.5", "--retry-seconds", "2", port=port)


def _is_done(running: Service) -> bool:
    return not running.figure("inbox_events") and not running.figure("worklist_tasks")


def _assert_all_was_stored(folder: Path, acknowledged: list[str]) -> None:
    keys = stored(folder)
    assert max(keys.values()) == 1
    assert [key for key in acknowledged if key not in keys] == []


def _key(focus: str, version: str) -> str:
    """What the inbox keeps the event under."""
    told = Notification(kind=Kind.CHANGED, events=(Happening(focus, version=version),))
    return arrivals_of(told, subscription="")[0].key


def _assert_each_patient_has_one(server: Sekmet) -> None:
    assert Counter(current(server)) == Counter((f"Patient/p{number}", 2) for number in range(PATIENTS))
