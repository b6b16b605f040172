"""A FHIR server as seen by a careful client: the driver of the pure decisions in this room."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec

from adapter.errors import ServerError
from adapter.fhir.reading import Source
from adapter.fhir_server.capabilities import Capabilities, capabilities_of
from adapter.fhir_server.messages import Authorisation, NoAuthorisation, Request, Response, Transport
from adapter.fhir_server.origins import below, followed, is_same_origin, reference_url
from adapter.fhir_server.outcomes import checked, demanded_parameters, request_id
from adapter.fhir_server.paging import Page, ignored_parameters, page_of
from adapter.fhir_server.retrying import Patience, wait_before_retry
from adapter.problems import Problem, ProblemCode, Severity

JSON = "application/fhir+json"
Parameters = Sequence[tuple[str, str]]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# What US Core servers demand beside the patient, said by a 400 that names the parameter.
_DEMANDED = {"category": "laboratory", "status": "final,amended,corrected,preliminary"}
_CLOCK_SKEW_SECONDS = 60


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much to ask for, how long to wait, and when enough is enough.

    Attributes:
        page_size: ``_count``, a hint to the server.
        most_pages, most_bytes: Of one search; beyond them it is incomplete, and says so.
        request_seconds, search_seconds: Of one request; of one search with all its pages and retries.
        longest_url: Beyond it a search is posted, so that proxies neither cut nor log it.
        always_post: Post every search.
        patience: How long to try again.
    """

    page_size: int = 200
    most_pages: int = 1000
    most_bytes: int = 512 * 1024 * 1024
    request_seconds: float = 60
    search_seconds: float = 900
    longest_url: int = 2000
    always_post: bool = False
    patience: Patience = Patience()


class Clock(Protocol):
    """Time and chance, so that tests decide them."""

    def now(self) -> datetime:
        """The moment, with its zone."""
        ...

    def seconds(self) -> float:
        """Seconds that only ever grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def random(self) -> float:
        """A number from 0 to 1."""
        ...


class SystemClock:
    """The time and chance of this machine."""

    def now(self) -> datetime:
        """The moment in UTC."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def random(self) -> float:
        """A number from 0 to 1; for waiting apart, not for secrets."""
        return random.random()  # noqa: S311


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


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search gave.

    Attributes:
        pages: Each page's bytes, named ``Observation?page=2``.
        problems: What was odd: an ignored parameter, a page that is missing.
        ignored: Parameters the server did not apply; its answer holds more than was asked for.
        complete: Whether every page came.
        server_time: The server's clock at the first page, as an instant; empty if it did not say.
    """

    pages: tuple[Source, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()
    complete: bool = True
    server_time: str = ""


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
                answer = checked(self._exchange(Request("GET", below(self.base, "metadata"), _accepting(JSON))))
                self._capabilities = capabilities_of(answer.body)
            return self._capabilities

    def read(self, reference: str) -> Response | None:
        """The resource at ``Type/id`` or at a version of it; ``None`` where there is none, or none any more.

        Raises:
            ServerError: The server gave no usable answer, or the reference is not a relative one.
        """
        answer = self._exchange(Request("GET", reference_url(self.base, reference), _accepting(JSON)))
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
        return _Search(self, resource_type, parameters, most).found()

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
        all_headers = {**_accepting(JSON), **({"Content-Type": JSON} if body else {}), **headers}
        request = Request(method, below(self.base, path), all_headers, body, is_repeatable=is_repeatable)
        return checked(self._exchange(request))

    def fetch(self, url: str, headers: Mapping[str, str] = {}, *, with_credentials: bool = True) -> Response:
        """Get an absolute URL, such as a file of an export: whatever its status, and with credentials only at home."""
        return self._exchange(Request("GET", url, headers), with_credentials=with_credentials)

    def post_search(self, resource_type: str, parameters: Parameters, headers: Mapping[str, str]) -> Response:
        """One search by POST, its parameters in the body."""
        url = below(self.base, f"{resource_type}/_search")
        return self._exchange(Request("POST", url, {**headers, **_FORM}, _query(parameters).encode()))

    def get(self, url: str, headers: Mapping[str, str]) -> Response:
        """One GET within the server's origin, whatever its status."""
        return self._exchange(Request("GET", url, headers))

    @property
    def takes_post_search(self) -> bool:
        """Whether the server has not refused a posted search yet."""
        return not self._refuses_post_search

    def refuse_post_search(self) -> None:
        """Remember that this server takes no posted search."""
        self._refuses_post_search = True

    def _exchange(self, request: Request, *, with_credentials: bool = True) -> Response:
        """Send until there is an answer, follow redirects within the origin, and renew credentials once."""
        deadline = self.clock.seconds() + self.limits.patience.seconds
        renewed = False
        redirects = 0
        attempt = 1
        while True:
            answer = self._attempt(request, attempt, deadline, with_credentials=with_credentials)
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
        self, request: Request, attempt: int, deadline: float, *, with_credentials: bool
    ) -> Response | ServerError:
        """One exchange, announced without anything about a patient."""
        own_id = str(uuid4())
        credentials = self._authorisation.headers(request.url) if with_credentials else {}
        headers = {
            "User-Agent": "osteo-fhir-adapter",
            "Accept-Encoding": "gzip",
            "X-Request-Id": own_id,
            "X-Correlation-Id": self._run,
            **request.headers,
            **credentials,
        }
        start = self.clock.seconds()
        seconds = max(1.0, min(self.limits.request_seconds, deadline - start))
        answer: Response | ServerError
        try:
            answer = self._transport.send(msgspec.structs.replace(request, headers=headers), seconds=seconds)
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


class _Search:
    """One search from its first page to its last."""

    def __init__(self, server: FhirServer, resource_type: str, parameters: Parameters, most: int) -> None:
        self._server, self._type, self._most = server, resource_type, most
        self._parameters = [*parameters, ("_count", str(server.limits.page_size))]
        self._pages: list[Source] = []
        self._problems: list[Problem] = []

    def found(self) -> Found:
        limits, clock = self._server.limits, self._server.clock
        started = clock.seconds()
        answer = self._first()
        page = page_of(answer.body)
        ignored = ignored_parameters(self._parameters, page.self)
        server_time = page.last_updated or _date_of(answer)
        self._note(ignored, answer, clock.now())
        seen: set[str] = set()
        entries, size, complete = 0, 0, True
        while True:
            self._pages.append(Source(f"{self._type}?page={len(self._pages) + 1}", answer.body))
            entries, size = entries + page.entries, size + len(answer.body)
            if not page.next or (self._most and entries >= self._most):
                break
            stop = self._reason_to_stop(page, seen, size, clock.seconds() - started, limits)
            following = None if stop else self._next(page, answer.url)
            if following is None:
                complete = False
                self._problem(ProblemCode.SEARCH_INCOMPLETE, stop or "a page could not be had", Severity.ERROR)
                break
            seen.add(page.next)
            answer, page = following
        return Found(
            pages=tuple(self._pages),
            problems=tuple(self._problems),
            ignored=ignored,
            complete=complete,
            server_time=server_time,
        )

    def _first(self) -> Response:
        """The first page; asked again where the server names a parameter that it cannot do without."""
        answer = self._ask({**_accepting(JSON), "Prefer": "handling=strict"})
        if answer.status == 400:
            sent = {name for name, _ in self._parameters}
            demanded = [name for name in demanded_parameters(answer) if name in _DEMANDED and name not in sent]
            self._parameters += [(name, _DEMANDED[name]) for name in demanded]
            told = f"with {' and '.join(demanded)}" if demanded else "without strict handling"
            self._problem(ProblemCode.WAY_CHANGED, f"the server refused the search; it was asked again {told}")
            answer = self._ask(_accepting(JSON))
        return checked(answer)

    def _ask(self, headers: Mapping[str, str]) -> Response:
        server, limits = self._server, self._server.limits
        url = f"{below(server.base, self._type)}?{_query(self._parameters)}"
        if server.takes_post_search and (limits.always_post or len(url) > limits.longest_url):
            answer = server.post_search(self._type, self._parameters, headers)
            if answer.status not in (404, 405, 415, 501):
                return answer
            server.refuse_post_search()
            self._problem(ProblemCode.WAY_CHANGED, "the server takes no search by POST; GET was used")
        return server.get(url, headers)

    def _next(self, page: Page, asked: str) -> tuple[Response, Page] | None:
        """The next page by its link, verbatim: it means something to the server alone."""
        try:
            answer = checked(self._server.get(followed(page.next, asked), _accepting(JSON)))
            return answer, page_of(answer.body)
        except ServerError as error:
            self._problem(ProblemCode.SEARCH_INCOMPLETE, f"a page is missing: {error} [{error.code}]", Severity.ERROR)
            return None

    def _reason_to_stop(self, page: Page, seen: set[str], size: int, seconds: float, limits: Limits) -> str:
        if page.next in seen:
            return "the pages lead in a circle"
        if len(self._pages) >= limits.most_pages:
            return f"there are more than {limits.most_pages} pages"
        if size > limits.most_bytes:
            return f"there are more than {limits.most_bytes} bytes"
        return "the search took too long" if seconds > limits.search_seconds else ""

    def _note(self, ignored: tuple[str, ...], answer: Response, now: datetime) -> None:
        if ignored:
            self._problem(ProblemCode.PARAMETER_IGNORED, f"the server did not apply {', '.join(ignored)}")
        try:
            skew = abs((parsedate_to_datetime(answer.headers.get("date", "")) - now).total_seconds())
        except (TypeError, ValueError):
            return
        if skew > _CLOCK_SKEW_SECONDS:
            self._problem(ProblemCode.CLOCK_DIFFERS, f"by {skew:.0f} s")

    def _problem(self, code: ProblemCode, what: str, severity: Severity = Severity.WARNING) -> None:
        then = "what is missing was not assessed" if severity is Severity.ERROR else "the answer was used"
        self._problems.append(Problem(code, f"{self._type}?", what, then, severity=severity, used=True))


def token(text: str) -> str:
    """A value for a search parameter with the signs escaped that mean something there."""
    for sign in ("\\", ",", "$", "|"):
        text = text.replace(sign, f"\\{sign}")
    return text


def _accepting(kind: str) -> dict[str, str]:
    return {"Accept": kind}


def _query(parameters: Parameters) -> str:
    return urlencode(parameters, quote_via=quote, safe="")


def _redirected(request: Request, answer: Response, redirects: int) -> Request:
    """The request at the address the server names, if that is its own origin."""
    if redirects > _MOST_REDIRECTS:
        raise ServerError("the server redirects in a circle", code="redirect-loop")
    url = followed(answer.headers["location"], request.url)
    if answer.status == 303 or (answer.status in (301, 302) and request.method == "POST"):
        raise ServerError("the server redirects a change; it was not sent again", code="redirect-refused")
    return msgspec.structs.replace(request, url=url)


def _date_of(answer: Response) -> str:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).isoformat()
    except (TypeError, ValueError):
        return ""


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
