"""A transport that answers from a script and remembers what it was sent; no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from adapter.errors import ServerError
from adapter.fhir_server.messages import Request, Response

JSON = {"content-type": "application/fhir+json"}


class Scripted:
    """Gives one answer after the other; the last one again and again."""

    def __init__(self, *answers: Response | ServerError) -> None:
        self._answers = list(answers)
        self.sent: list[Request] = []

    def send(self, request: Request, *, seconds: float) -> Response:
        self.sent.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ServerError):
            raise answer
        return Response(answer.status, answer.headers, answer.body, answer.url or request.url)


def ok(content: Mapping[str, Any], **headers: str) -> Response:
    """A 200 with JSON."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Response(200, {**JSON, **named}, json.dumps(content).encode())


def refused(status: int, *codes: str, text: str = "", **headers: str) -> Response:
    """A refusal with an OperationOutcome of these issue codes."""
    issues = [{"severity": "error", "code": code, "diagnostics": text} for code in codes]
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode() if issues else b""
    return Response(status, {**JSON, **named}, body)


def page(*entries: Mapping[str, Any], next_: str = "", self_: str = "") -> dict[str, Any]:
    """One page of a searchset."""
    links = [{"relation": name, "url": url} for name, url in (("next", next_), ("self", self_)) if url]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": list(entries)}


def entry(reference: str, mode: str = "match", **more: Any) -> dict[str, Any]:
    """One entry of a searchset."""
    kind, _, id_ = reference.partition("/")
    return {"resource": {"resourceType": kind, "id": id_, **more}, "search": {"mode": mode}}


def outcome(severity: str, code: str) -> dict[str, Any]:
    """An OperationOutcome as some servers put it among the results."""
    issue = {"severity": severity, "code": code, "diagnostics": "about Patient/secret-name"}
    return {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}, "search": {"mode": "outcome"}}


def urls(sent: Sequence[Request]) -> list[str]:
    """Where the requests went."""
    return [f"{each.method} {each.url}" for each in sent]
