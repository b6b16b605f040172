"""Where a resource of ours stands on a server, whichever id it has there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from adapter.errors import ServerError
from adapter.fhir.standing import Standing, is_same, object_in, standing_at, standing_in
from adapter.fhir.transaction import condition
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Response
from adapter.fhir_server.paging import page_of
from adapter.fhir_server.writing_back_ways import Habits
from adapter.problems import Problem, ProblemCode, Severity

Resource = Mapping[str, Any]
# Strict: an unknown parameter is refused, not ignored. No cache: HAPI answers a search it has answered within the
# minute from memory (hapi-fhir #647), and what was written meanwhile would be missing.
_HEADERS = {"Prefer": "handling=strict", "Cache-Control": "no-cache"}
_UNSEARCHABLE = frozenset({400, 403, 404, 405, 501})


class Looking:
    """Looks for resources of ours on one server; of a resource only its type and our id are asked."""

    def __init__(
        self, server: FhirServer, habits: Habits, tell: Callable[[Problem], None] = lambda problem: None
    ) -> None:
        """Take the server, what it turned out to do before, and whom to tell that it cannot search."""
        self._server, self._habits, self._tell = server, habits, tell

    def places(self, resource: Resource) -> tuple[Standing, ...]:
        """Where it stands, by search; where the server does not search for it, at our own id."""
        found = self.searched(resource)
        if found is not None:
            return found
        kind = resource["resourceType"]
        answer = self._server.read(f"{kind}/{resource['id']}")
        body = object_in(answer.body) if answer is not None else {}
        place = standing_at("", etag="", body=body, resource_type=kind) if is_same(body, resource) else None
        return (place,) if place is not None else ()

    def searched(self, resource: Resource) -> tuple[Standing, ...] | None:
        """Every resource that is this one; ``None`` where the server cannot search for what identifies it."""
        kind = resource["resourceType"]
        if kind in self._habits.unsearchable:
            return None
        try:
            answer = self._server.send("GET", f"{kind}?{quote(condition(resource), safe='=:')}", headers=_HEADERS)
            found = _found_in(answer, resource)
        except ServerError as error:
            if error.status not in _UNSEARCHABLE:
                raise
            found = None
        if found is None:
            self._habits.unsearchable.add(kind)
            what, then = "the server does not search by what identifies the resource", "our own id was looked at"
            self._tell(Problem(ProblemCode.WAY_CHANGED, kind, what, then, severity=Severity.WARNING, used=True))
        return found


def _found_in(answer: Response, resource: Resource) -> tuple[Standing, ...] | None:
    """What a search found; ``None`` where it was none: it failed for good, or asked for something else.

    Raises:
        ServerError: Nothing was found, and not everywhere was looked: it may stand there all the same.
    """
    try:
        page = page_of(answer)
    except ServerError as error:
        if error.may_retry:
            raise
        return None
    found = standing_in(answer.body, resource)
    if page.is_partial and not found:
        raise ServerError("the server says that its search is not complete", code="search-incomplete", may_retry=True)
    return found
