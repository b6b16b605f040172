"""The application with a client; the worker's clock stands still, so nothing is assessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from adapter.errors import ServerError
from adapter.service.application import Parts, application
from adapter.service.group_commit import GroupCommit
from adapter.service.guarding import Guard
from adapter.service.metrics import Metrics
from adapter.service.receiving import ENDPOINT, Receiver, Terms
from tests.service.building import Ward
from tests.service.living import SECRET

BEARER = {"Authorization": f"Bearer {SECRET}"}
BASE = "https://fhir.example/r4"
OURS = "Subscription/bone-markers"
OBSERVATION = b'{"resourceType": "Observation", "id": "ctx", "meta": {"versionId": "1"}, "valueInteger": 0.50}'


class Desk:
    """The application with a client; the worker's clock stands still, so nothing is assessed."""

    def __init__(self, folder: Path, **terms: Any) -> None:
        self.ward = Ward(folder)
        self.asked: list[str] = []
        self.recognised: bool | ServerError = True
        metrics = Metrics()
        self.commit = GroupCommit(self.ward.inbox, stored=metrics.stored)
        self.receiver = Receiver(
            Guard([SECRET, "the-one-that-replaces-it"]),
            Terms(base=BASE, **terms),
            self.commit,
            metrics,
            known=(),
            recognise=self._recognise,
        )
        self.app = application(
            Parts(
                inbox=self.ward.inbox,
                worklist=self.ward.worklist,
                worker=self.ward.worker,
                commit=self.commit,
                receiver=self.receiver,
                metrics=metrics,
                clock=self.ward.clock,
            )
        )
        self.client: TestClient = TestClient(self.app, raise_server_exceptions=False)

    def _recognise(self, subscription: str) -> bool:
        self.asked.append(subscription)
        if isinstance(self.recognised, ServerError):
            raise self.recognised
        return self.recognised

    def tell(self, method: str = "POST", path: str = "", body: bytes = b"", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request(method, ENDPOINT + path, content=body, headers={**BEARER, **named})

    def stored(self) -> list[tuple[str, int, str]]:
        return [(each.kind.value, each.number, each.focus) for each in self.ward.inbox.after(0, most=1000)]
