"""What a server may tell a subscriber in the course of a day: every shape, some of it twice, wrong, or never."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.service.living import SECRET
from tests.service.people import VALUES

# One tells of all there is; the other gives a sign of life once, falls silent, and is asked after.
COUNTED, QUIET = "counted", "quiet"
_CODES = tuple(VALUES)
_SEVERAL = 5


class Told(NamedTuple):
    """One request to the endpoint, and the status that it must be answered with."""

    method: str
    path: str = ""
    body: bytes = b""
    status: int = 200
    secret: str = SECRET


class Telling:
    """Tells something else each time, from a seed; mostly of events that are counted."""

    def __init__(self, base: str, patients: int, *, seed: int = 40) -> None:
        """Speak for a server about so many of its patients."""
        self._base, self._patients = base, patients
        self._chance = random.Random(seed)  # noqa: S311 - no secret hangs on it
        self._number = self._made = 0
        self._last = Told("POST")
        self._shapes: Mapping[Callable[[], Told], float] = {
            self._event: 50,
            self._r5_event: 12,
            self._put: 15,
            self._post: 5,
            self._again: 6,
            self._heartbeat: 4,
            self._several: 3,
            self._ping: 1,
            self._deleted: 1,
            self._gap: 0.3,
            self._reset: 0.1,
            self._absurd: 0.1,
            self._nonsense: 1,
            self._of_a_stranger: 0.5,
            self._without_the_secret: 0.5,
            self._of_another_server: 0.5,
        }

    def next(self) -> Told:
        """The next request."""
        [shape] = self._chance.choices(tuple(self._shapes), tuple(self._shapes.values()))
        told = shape()
        if told.status == 200:
            self._last = told
        return told

    def begun(self, subscription: str) -> Told:
        """A Subscription that begins."""
        return self._posted(_bundle("history", self._status("handshake", 0, subscription=subscription)))

    def changed(self, id_: str) -> Told:
        """An Observation that changed."""
        self._made += 1
        resource = {"resourceType": "Observation", "id": id_, "meta": {"versionId": str(self._made)}}
        return Told("PUT", f"/Observation/{id_}", json.dumps(resource).encode())

    def _event(self) -> Told:
        return self._posted(self._parameters(self._numbers(1)))

    def _several(self) -> Told:
        return self._posted(self._parameters(self._numbers(_SEVERAL)))

    def _r5_event(self) -> Told:
        [number] = self._numbers(1)
        happened = {
            "eventNumber": str(number),
            "timestamp": self._moment(),
            "focus": {"reference": self._focus()},
        }
        status = self._status("event-notification", number) | {"notificationEvent": [happened]}
        return self._posted(_bundle("subscription-notification", status))

    def _heartbeat(self) -> Told:
        return self._posted(_bundle("history", self._status("heartbeat", self._number)))

    def _put(self) -> Told:
        return self.changed(self._focus().partition("/")[2])

    def _post(self) -> Told:
        return self._put()._replace(method="POST", path="")

    def _ping(self) -> Told:
        return Told("POST")

    def _deleted(self) -> Told:
        return Told("DELETE", f"/{self._focus()}")

    def _again(self) -> Told:
        return self._last

    def _gap(self) -> Told:
        self._number += 3
        return self._event()

    def _reset(self) -> Told:
        self._number = 0
        return self._event()

    def _absurd(self) -> Told:
        return self._posted(self._parameters([self._number + 10**9]))

    def _nonsense(self) -> Told:
        return Told("POST", "", b'{"resourceType": "Observation"', 422)

    def _of_a_stranger(self) -> Told:
        said = self._parameters([1], subscription=f"{self._base}/Subscription/stranger-{self._chance.randrange(50)}")
        return self._posted(said, status=403)

    def _of_another_server(self) -> Told:
        said = self._parameters([1], subscription="http://127.0.0.1:9/other/Subscription/counted")
        return self._posted(said, status=422)

    def _without_the_secret(self) -> Told:
        return self._put()._replace(status=401, secret="guessed")  # noqa: S106

    def _numbers(self, count: int) -> list[int]:
        self._number += count
        return list(range(self._number - count + 1, self._number + 1))

    def _posted(self, resource: Mapping[str, Any], *, status: int = 200) -> Told:
        return Told("POST", "", json.dumps(resource).encode(), status)

    def _parameters(self, numbers: list[int], *, subscription: str = "") -> Mapping[str, Any]:
        """As R4 servers tell it."""
        parameters: list[dict[str, Any]] = [
            {
                "name": "subscription",
                "valueReference": {"reference": subscription or f"{self._base}/Subscription/{COUNTED}"},
            },
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": "event-notification"},
            {"name": "events-since-subscription-start", "valueString": str(numbers[-1])},
        ]
        for number in numbers:
            event = [
                {"name": "event-number", "valueString": str(number)},
                {"name": "timestamp", "valueInstant": self._moment()},
                {"name": "focus", "valueReference": {"reference": f"{self._base}/{self._focus()}"}},
            ]
            parameters.append({"name": "notification-event", "part": event})
        return _bundle("history", {"resourceType": "Parameters", "parameter": parameters})

    def _status(self, kind: str, count: int, *, subscription: str = COUNTED) -> dict[str, Any]:
        return {
            "resourceType": "SubscriptionStatus",
            "type": kind,
            "status": "active",
            "subscription": {"reference": f"Subscription/{subscription}"},
            "eventsSinceSubscriptionStart": str(count),
        }

    def _focus(self) -> str:
        return f"Observation/o{self._chance.randrange(self._patients)}-{self._chance.choice(_CODES)}"

    def _moment(self) -> str:
        self._made += 1
        return f"2026-06-15T08:00:00.{self._made:09}Z"


def _bundle(kind: str, status: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": status}]}
