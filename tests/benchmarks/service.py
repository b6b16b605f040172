"""Measure the subscription service: what storing costs, and how many notifications a second become assessments.

``python -m tests.benchmarks.service`` starts servers of its own and a sender in this process; one line per figure. Each
ratio compares what ran alternately in one run, so that a busy machine slows all of it alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from statistics import median, quantiles

import requests
import uvloop

from tests.benchmarks.timing import Goal
from tests.service.living import eventually, free_port

_SECRET = "-".join(("correct", "horse", "battery", "staple"))
_GOALS = (
    Goal("acknowledged and durable / the same without an inbox", "group", "none", 0.35, at_least=True),
    Goal("acknowledged and durable / a commit for each", "group", "each", 3, at_least=True),
)
_CONNECTIONS = 32


def main(arguments: Sequence[str]) -> int:
    """Run everything and print what was measured; 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each rival runs (default: 3)")
    parser.add_argument("--seconds", type=float, default=4, help="for how long each time (default: 4)")
    parser.add_argument("--rates", type=int, nargs="*", default=[2000, 4000], help="notifications a second to offer")
    chosen = parser.parse_args(arguments)
    kept = _raced(chosen.rounds, chosen.seconds)
    for rate in chosen.rates:
        kept = _offered(rate, chosen.seconds) and kept
    _offered(0, chosen.seconds)
    return int(not kept)


def _raced(rounds: int, seconds: float) -> bool:
    """Requests a second with the inbox, without it, and with a commit for each."""
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for how in ("none", "each", "group"):
            with _server(how) as port:
                took = _run(_Sender(port).closed(seconds))
                rates.setdefault(how, []).append(len(took) / seconds)
    for how, each in rates.items():
        print(f"{how:6} {median(each):8.0f} requests/s")
    for goal in _GOALS:
        print(f"{goal.what:55} {goal.ratio(rates):5.2f}  (at least {goal.target})")
    return all(goal.is_met(goal.ratio(rates)) for goal in _GOALS)


def _offered(rate: int, seconds: float) -> bool:
    """Offer notifications, each about another patient, to a service whose assessments take no time; 0 is no limit."""
    with _server("work") as port:
        sender = _Sender(port)
        start = time.perf_counter()
        took = _run(sender.closed(seconds) if not rate else sender.open(rate, seconds))
        sent = time.perf_counter() - start
        backlog = len(took) - _assessed(port)[0]
        eventually(lambda: _assessed(port)[0] == len(took), seconds=60)
        drained = time.perf_counter() - start
        count, lags = _assessed(port)
    p99 = quantiles(took, n=100)[98]
    print(
        f"offered {rate or 'all':>5}/s: {len(took) / sent:6.0f}/s acknowledged, p50 {median(took) * 1e3:.1f} ms, "
        f"p99 {p99 * 1e3:.1f} ms; {count / drained:6.0f}/s assessed, after p50 {median(lags) * 1e3:.0f} ms, "
        f"p99 {quantiles(lags, n=100)[98] * 1e3:.0f} ms; {backlog} behind at the end"
    )
    return not rate or (len(took) >= 0.95 * rate * seconds and (rate > 2000 or p99 < 0.05))


def _assessed(port: int) -> tuple[int, list[float]]:
    with requests.Session() as session:
        session.trust_env = False
        said = session.get(f"http://127.0.0.1:{port}/assessed", timeout=30).json()
    return said["count"], said["lags"]


def _run(sending: Coroutine[None, None, list[float]]) -> list[float]:
    """Send with as little of the machine as can be: what the sender takes, the service has not."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(sending)


class _Sender:
    """Sends notifications over a few connections that stay open."""

    def __init__(self, port: int) -> None:
        self._port, self._number = port, 0
        self._took: list[float] = []

    async def closed(self, seconds: float) -> list[float]:
        """Each connection sends the next as soon as it has an answer; how long each answer took."""
        until = time.perf_counter() + seconds
        await asyncio.gather(*(self._until(until) for _ in range(_CONNECTIONS)))
        return self._took

    async def open(self, rate: int, seconds: float) -> list[float]:
        """Send at a steady rate, whatever the answers do; a late answer is counted from when it was due."""
        due: asyncio.Queue[float] = asyncio.Queue()
        senders = [asyncio.create_task(self._from(due)) for _ in range(2 * _CONNECTIONS)]
        start = time.perf_counter()
        for number in range(int(rate * seconds)):
            moment = start + number / rate
            wait = moment - time.perf_counter()
            if wait > 0.001:
                await asyncio.sleep(wait)
            due.put_nowait(moment)
        await due.join()
        for each in senders:
            each.cancel()
        return self._took

    async def _until(self, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (start := time.perf_counter()) < until:
            await self._tell(reader, writer, start)
        writer.close()

    async def _from(self, due: asyncio.Queue[float]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while True:
            await self._tell(reader, writer, await due.get())
            due.task_done()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, start: float) -> None:
        self._number += 1
        writer.write(_request(self._number))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(head[:100])
        self._took.append(time.perf_counter() - start)


def _request(number: int) -> bytes:
    """A notification of 3 kB about one event, as R4 servers send it."""
    body = _BODY.replace(b"12345678", str(10_000_000 + number).encode())
    return _HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _body() -> bytes:
    def parameter(name: str, kind: str, value: object) -> dict[str, object]:
        return {"name": name, f"value{kind}": value}

    focus = {"reference": "http://127.0.0.1:9/fhir/Patient/p12345678"}
    event = [parameter("event-number", "String", "12345678"), parameter("focus", "Reference", focus)]
    status = [
        parameter("subscription", "Reference", {"reference": "http://127.0.0.1:9/fhir/Subscription/s"}),
        parameter("status", "Code", "active"),
        parameter("type", "Code", "event-notification"),
        {"name": "notification-event", "part": event},
    ]
    resource = {"resourceType": "Patient", "id": "p12345678", "text": {"status": "generated", "div": "x" * 2200}}
    entries = [{"resource": {"resourceType": "Parameters", "parameter": status}}, {"resource": resource}]
    return json.dumps({"resourceType": "Bundle", "type": "history", "entry": entries}).encode()


_BODY = _body()
_HEAD = (
    b"POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
    b"Authorization: Bearer " + _SECRET.encode() + b"\r\n"
)


@contextmanager
def _server(how: str) -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "tests.benchmarks.serving", how, folder, str(port), _SECRET]
        process = subprocess.Popen(words, stdin=subprocess.PIPE)
        try:
            eventually(lambda: _answers(port))
            yield port
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        return _assessed(port)[0] == 0
    except requests.ConnectionError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
