"""The service stands beside a server for hours, is told of everything there is, and neither grows nor forgets.

``pytest tests/campaigns/test_soak.py --soak 2 -s`` takes two hours; ``soak.csv`` grows all the while in the folder that
is printed first.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.campaigns.sampling import WARM_UP, Sample, append, faults, sampled
from tests.campaigns.telling import COUNTED, QUIET, Telling, Told
from tests.servers.sekmet import Sekmet, sekmet
from tests.service.living import SECRET, Service, eventually, log, service
from tests.service.people import VALUES, current, load, outdated, replaced, result

PATIENTS = 30
RATE = 20
# Servers close connections now and then.
_A_CONNECTION = 10
_TOKEN = "-".join(("operator", "of", "the", "soak"))


def a_day(*, resident: float = 0, handles: float = 0, hours: float = 2) -> list[Sample]:
    """Samples of a process that grows by so many bytes and handles an hour."""
    first = Sample(0, 10**8, 10**8, 20, 8, 0, 0, 0, 0, 0, 0)
    return [
        replace(
            first,
            seconds=seconds,
            resident=round(first.resident + resident * seconds / 3600 + seconds % 7 * 50_000),
            handles=20 + round(handles * seconds / 3600),
        )
        for seconds in range(0, round(hours * 3600), 10)
    ]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (a_day(), []),
        (a_day(resident=3 * 1024 * 1024), ["memory grows by 3.00 MiB an hour"]),
        (a_day(handles=2), ["handles grew from 23 to 24"]),
    ],
)
def test_growth_is_told_from_noise(samples: list[Sample], expected: list[str]) -> None:
    assert faults(samples) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="a process is seen from outside by /proc")
def test_a_service_that_is_told_of_everything_for_hours_neither_grows_nor_forgets(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    hours = request.config.getoption("--soak")
    seconds, every = (hours * 3600, 10) if hours else (6, 0.5)
    print(f"watching: {tmp_path}/soak.csv")  # noqa: T201 - where to look on
    with sekmet(tmp_path / "server") as server, _beside(server, tmp_path, gathers=20 if hours else 1) as running:
        load(server, PATIENTS)
        soak = Soak(server, running)

        soak.run(seconds, every)

        # The worklist is never idle: as long as a Subscription is dead on the server, changes are searched for.
        eventually(lambda: not running.figure("inbox_events") and not outdated(server), seconds=300)
        assert soak.astray == Counter()
        assert running.figure("dead_letters") == 0
        assert Counter(current(server)) == Counter((f"Patient/p{number}", 2) for number in range(PATIENTS))
        soak.assert_nothing_secret_is_told()
        assert not hours or faults(soak.samples) == []


class Soak:
    """Tells a service at a steady rate, changes results meanwhile, looks at it as operators do, and takes samples."""

    def __init__(self, server: Sekmet, running: Service) -> None:
        self._server, self._running = server, running
        self._telling = Telling(server.base, PATIENTS)
        self._connection = HTTPConnection(urlsplit(running.base).netloc, timeout=30)
        self._operator = requests.Session()
        self._operator.trust_env = False
        self._operator.post(f"{running.base}/operator/login", data={"token": _TOKEN}, timeout=30)
        self._sent = self._changed = 0
        self.astray: Counter[tuple[int, int]] = Counter()
        self.samples: list[Sample] = []
        for name in (COUNTED, QUIET):
            channel = {"type": "rest-hook", "endpoint": running.endpoint}
            wanted = {"resourceType": "Subscription", "id": name, "status": "off", "reason": "test",
                      "criteria": "Group?code=none", "channel": channel}  # fmt: skip
            server.load([wanted])
            self._tell(self._telling.begun(name))

    def run(self, seconds: float, every: float) -> None:
        """Go on for so long, and look every so many seconds."""
        self._crowd()
        start, due = time.monotonic(), 0.0
        while (passed := time.monotonic() - start) < seconds:
            if passed >= len(self.samples) * every:
                self._tidy_up()
                self._look(passed)
            if passed >= due:
                self._change()
                # At first so often that whatever remembers what it met has met as much as it can remember.
                due += every / 10 if passed < seconds * WARM_UP else every
            self._tell(self._telling.next())
            time.sleep(max(0, self._sent / RATE - (time.monotonic() - start)))
        # Chance may have told of everybody, or not; so what changed is searched for.
        self._tell(Told("POST"))

    def assert_nothing_secret_is_told(self) -> None:
        """E46: no secret anywhere, and no patient but on the operator's page."""
        page = self._operator.get(f"{self._running.base}/operator/", timeout=30).text
        others = [self._running.ask("/metrics").text, self._running.ask("/ready").text, log(self._running.folder)]
        assert "Patient/p1" in page
        assert not [word for word in (SECRET, _TOKEN) for text in (page, *others) if word in text]
        assert not [word for word in ("Patient/", "Observation/", "o1-") for text in others if word in text]

    def _tell(self, told: Told) -> None:
        """Send it; what is answered otherwise than it must be is astray."""
        if self._sent % _A_CONNECTION == 0:
            self._connection.close()
        self._sent += 1
        headers = {"Authorization": f"Bearer {told.secret}"}
        self._connection.request(told.method, f"/notify{told.path}", told.body, headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != told.status:
            self.astray[(told.status, answer.status)] += 1

    def _change(self) -> None:
        """One patient has another result."""
        code = tuple(VALUES)[self._changed % 2]
        changed = result(self._changed % PATIENTS, code, round(VALUES[code] + self._changed % 31 / 10, 1))
        self._changed += 1
        self._server.load([changed])
        self._tell(self._telling.changed(changed["id"]))

    def _tidy_up(self) -> None:
        """Take away what was replaced, or each patient's record would grow, and with it what is read of it."""
        for reference in replaced(self._server.found("RiskAssessment?_count=200")):
            self._server.ask("DELETE", reference)

    def _crowd(self) -> None:
        """Many operators at once, so that as many threads are there as ever will be."""
        pages = ("/metrics", "/ready") * 50
        with ThreadPoolExecutor(10) as crowd:
            assert {answer.status_code for answer in crowd.map(self._running.ask, pages)} == {200}

    def _look(self, passed: float) -> None:
        assert self._operator.get(f"{self._running.base}/operator/", timeout=30).ok
        waiting = self._running.figure("inbox_events") + self._running.figure("worklist_tasks")
        folder = self._running.folder
        sample = sampled(self._running.process.pid, folder, seconds=passed, sent=self._sent, waiting=int(waiting))
        append(folder / "soak.csv", sample)
        self.samples.append(sample)


def _beside(server: Sekmet, folder: Path, *, gathers: float) -> AbstractContextManager[Service]:
    """The service beside a server; so many seconds it gathers news of a patient."""
    token = folder / "token"
    token.touch(0o600)
    token.write_text(_TOKEN)
    paced = ("--window-seconds", str(gathers), "--search-interval-seconds", str(6 * gathers), "--gap-seconds", "1")
    return service(folder, server.base, "--operator-token-file", str(token), *paced)
