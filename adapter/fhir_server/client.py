"""A FHIR server as seen by a careful client: the driver of the pure decisions in this room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from math import inf
from typing import BinaryIO
from uuid import uuid4

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.capabilities import Capabilities, capabilities_of
from adapter.fhir_server.limits import Clock, Limits, SystemClock
from adapter.fhir_server.messages import Authorisation, Downloads, NoAuthorisation, Request, Response, Transport
from adapter.fhir_server.origins import below, followed, is_same_origin, reference_url
from adapter.fhir_server.outcomes import checked, request_id
from adapter.fhir_server.retrying import wait_before_retry
from adapter.fhir_server.searching import ACCEPTED, JSON, Found, Parameters, Search, query

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange as it may be logged: no address, no query, no id of a patient.

    Attributes:
        what: Method and resource type: ``GET Observation``, ``POST Observation/_search``, ``POST transaction``.
        error: Code of what went wrong; empty where nothing did.
    """

    what: str
    status: int = 0
    seconds: float = 0
    attempt: int = 1
    error: str = ""
    request_id: str = ""
    server_request_id: str = ""


class FhirServer:
    """One FHIR server; safe for threads. Every request goes to its origin and nowhere else."""

    def __init__(
        self,
        base: str,
        transport: Transport,
        *,
        authorisation: Authorisation | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Clock | None = None,
        announce: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Take the base address (see ``service_base``), what carries requests, and the rules for doing so."""
        self.base = base.rstrip("/")
        self.limits = limits
        self.clock = clock or SystemClock()
        self._transport = transport
        self._authorisation = authorisation or NoAuthorisation()
        self._announce = announce
        self._run = str(uuid4())
        self._lock = threading.Lock()
        self._capabilities: Capabilities | None = None
        self._refuses_post_search = False

    def capabilities(self) -> Capabilities:
        """What the server says it can do; asked once."""
        with self._lock:
            if self._capabilities is None:
                answer = checked(self._exchange(Request("GET", below(self.base, "metadata"), ACCEPTED)))
                self._capabilities = capabilities_of(answer.body)
            return self._capabilities

    def read(self, reference: str) -> Response | None:
        """The resource at ``Type/id`` or at a version of it; ``None`` where there is none, or none any more.

        Raises:
            ServerError: The server gave no usable answer, or the reference is not a relative one.
        """
        answer = self._exchange(Request("GET", reference_url(self.base, reference), ACCEPTED))
        return None if answer.status in (404, 410) else checked(answer)

    def search(self, resource_type: str, parameters: Parameters, *, most: int = 0) -> Found:
        """All pages of a search; what is missing is said, never left out in silence.

        Args:
            resource_type: ``Observation``.
            parameters: Names and values; each value is escaped for its place in the URL here.
            most: How many entries are enough; 0 is all.

        Raises:
            ServerError: Not even the first page came.
        """
        return Search(self, resource_type, parameters, most=most).found()

    def listing(self, resource_type: str, parameters: Parameters) -> Search:
        """A search whose pages are looked through one after the other, however many: only time ends it."""
        return Search(self, resource_type, parameters, is_listing=True)

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = {},
        *,
        is_repeatable: bool = False,
    ) -> Response:
        """Send a change to the server; every 2xx is given back, also one without a body.

        Args:
            method: ``POST``, ``PUT`` …
            path: Relative to the base; empty is the base itself.
            body: FHIR JSON.
            headers: ``If-None-Exist``, ``If-Match``, ``Prefer`` …
            is_repeatable: Whether a POST may be sent again after a lost answer.

        Raises:
            ServerError: The server refused, or no answer came in time.
        """
        all_headers = {**ACCEPTED, **({"Content-Type": JSON} if body else {}), **headers}
        request = Request(method, below(self.base, path), all_headers, body, is_repeatable=is_repeatable)
        return checked(self._exchange(request))

    def fetch(
        self,
        url: str,
        headers: Mapping[str, str] = {},
        *,
        with_credentials: bool = True,
        sink: BinaryIO | None = None,
    ) -> Response:
        """Get an absolute URL, such as a file of an export, whatever its status; credentials go only to their origin.

        Args:
            url: Of any origin: the caller says which are allowed.
            headers: ``Accept`` …
            with_credentials: False where the server forbids to send them (``requiresAccessToken``).
            sink: A file that takes the body of a 200; it is emptied before each try.
        """
        return self._exchange(Request("GET", url, headers), with_credentials=with_credentials, sink=sink)

    def discard(self, url: str) -> Response:
        """Delete what the server keeps for us at a URL of its own origin, such as an export."""
        return self._exchange(Request("DELETE", followed(url, self.base), ACCEPTED))

    def post_search(
        self, resource_type: str, parameters: Parameters, headers: Mapping[str, str], *, until: float = inf
    ) -> Response:
        """One search by POST, its parameters in the body; given up when the clock shows ``until``."""
        url = below(self.base, f"{resource_type}/_search")
        return self._exchange(Request("POST", url, {**headers, **_FORM}, query(parameters).encode()), until=until)

    def get(self, url: str, headers: Mapping[str, str], *, until: float = inf) -> Response:
        """One GET within the server's origin, whatever its status; given up when the clock shows ``until``."""
        return self._exchange(Request("GET", url, headers), until=until)

    @property
    def takes_post_search(self) -> bool:
        """Whether the server has not refused a posted search yet."""
        return not self._refuses_post_search

    def refuse_post_search(self) -> None:
        """Remember that this server takes no posted search."""
        self._refuses_post_search = True

    def _exchange(
        self,
        request: Request,
        *,
        with_credentials: bool = True,
        sink: BinaryIO | None = None,
        until: float = inf,
    ) -> Response:
        """Send until there is an answer, follow redirects within the origin, and renew credentials once."""
        deadline = min(until, self.clock.seconds() + self.limits.patience.seconds)
        renewed = False
        redirects = 0
        attempt = 1
        while True:
            answer = self._attempt(request, attempt, deadline, with_credentials=with_credentials, sink=sink)
            if isinstance(answer, Response) and answer.status in _REDIRECTS and "location" in answer.headers:
                redirects += 1
                request = _redirected(request, answer, redirects)
                continue
            if isinstance(answer, Response) and answer.status == 401 and with_credentials and not renewed:
                renewed = True
                if self._authorisation.refused(request.url):
                    continue
            wait = wait_before_retry(
                request, answer, attempt, self.limits.patience, now=self.clock.now(), random=self.clock.random
            )
            if wait is None or self.clock.seconds() + wait > deadline:
                if isinstance(answer, ServerError):
                    raise answer
                return answer
            self.clock.sleep(wait)
            attempt += 1

    def _attempt(
        self, request: Request, attempt: int, deadline: float, *, with_credentials: bool, sink: BinaryIO | None
    ) -> Response | ServerError:
        """One exchange, announced without anything about a patient."""
        own_id = str(uuid4())
        credentials = self._authorisation.headers(request.url) if with_credentials else {}
        headers = {
            "X-Request-Id": own_id,
            "X-Correlation-Id": self._run,
            **request.headers,
            **credentials,
        }
        start = self.clock.seconds()
        seconds = max(1.0, min(self.limits.request_seconds, deadline - start))
        answer: Response | ServerError
        try:
            answer = self._carried(msgspec.structs.replace(request, headers=headers), sink, seconds)
        except ServerError as error:
            answer = error
        self._announce(
            Event(
                what=_described(request, self.base),
                status=answer.status,
                seconds=round(self.clock.seconds() - start, 6),
                attempt=attempt,
                error=answer.code if isinstance(answer, ServerError) else "",
                request_id=own_id,
                server_request_id="" if isinstance(answer, ServerError) else request_id(answer),
            )
        )
        return answer

    def _carried(self, request: Request, sink: BinaryIO | None, seconds: float) -> Response:
        if sink is None:
            return self._transport.send(request, seconds=seconds)
        if not isinstance(self._transport, Downloads):
            raise TypeError("this transport cannot download")
        sink.seek(0)
        sink.truncate()
        # A large file takes longer than any other answer.
        return self._transport.download(request, sink, seconds=self.limits.search_seconds)


def _redirected(request: Request, answer: Response, redirects: int) -> Request:
    """The request at the address the server names, if that is its own origin."""
    if redirects > _MOST_REDIRECTS:
        raise ServerError("the server redirects in a circle", code="redirect-loop")
    url = followed(answer.headers["location"], request.url)
    # Only these two say that the method stays as it is (RFC 9110, 15.4.8 and 15.4.9).
    if request.method != "GET" and answer.status not in (307, 308):
        raise ServerError("the server redirects a change; it was not sent again", code="redirect-refused")
    return msgspec.structs.replace(request, url=url)


def _described(request: Request, base: str) -> str:
    """Method and resource type, never an id or a query."""
    if not is_same_origin(request.url, base):
        return f"{request.method} elsewhere"
    path = request.url.partition("?")[0].removeprefix(base).strip("/")
    first, *rest = path.split("/")
    if not first:
        return f"{request.method} {'transaction' if request.body else 'page'}"
    known = first if first.isascii() and first.isalpha() else "other"
    return f"{request.method} {known}{'/_search' if rest == ['_search'] else ''}"
