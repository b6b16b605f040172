"""A search from its first page to its last: what is missing is said, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

import msgspec

from adapter.errors import ServerError
from adapter.fhir.compact import spelled_out
from adapter.fhir.reading import Source
from adapter.fhir_server.demanding import demanded
from adapter.fhir_server.limits import Clock, Limits
from adapter.fhir_server.messages import Response
from adapter.fhir_server.origins import below, followed
from adapter.fhir_server.outcomes import checked
from adapter.fhir_server.paging import Page, ignored_parameters, page_of
from adapter.problems import Problem, ProblemCode, Severity

JSON = "application/fhir+json"
# No server's clock shows a time from before there were any.
_EPOCH = 1970
_FARTHEST_AHEAD = timedelta(days=1)
# HAPI answers a search it was asked before from memory for a minute unless told not to (hapi-fhir #647).
ACCEPTED = {"Accept": JSON, "Cache-Control": "no-cache"}
Parameters = Sequence[tuple[str, str]]
_CLOCK_SKEW_SECONDS = 60


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search gave.

    Attributes:
        pages: Each page's bytes, named ``Observation?page=2``.
        problems: What was odd: an ignored parameter, a page that is missing.
        ignored: Parameters the server did not apply; its answer holds more than was asked for.
        complete: Whether every page came, and none says that something was left out.
        server_time: The server's clock at the first page, as an instant; empty if it did not say.
    """

    pages: tuple[Source, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()
    complete: bool = True
    server_time: str = ""


class Searchable(Protocol):
    """What a search needs of a server; see ``FhirServer``."""

    base: str
    limits: Limits
    clock: Clock

    @property
    def takes_post_search(self) -> bool:
        """Whether the server has not refused a posted search yet."""

    def refuse_post_search(self) -> None:
        """Remember that this server takes no posted search."""

    def post_search(
        self, resource_type: str, parameters: Parameters, headers: Mapping[str, str], *, until: float
    ) -> Response:
        """One search by POST."""

    def get(self, url: str, headers: Mapping[str, str], *, until: float) -> Response:
        """One GET."""


class Search:
    """One search from its first page to its last.

    Attributes:
        problems, ignored, complete, server_time: As in ``Found``; final once the last page was given.
    """

    def __init__(
        self, server: Searchable, resource_type: str, parameters: Parameters, *, most: int = 0, is_listing: bool = False
    ) -> None:
        """Prepare a search.

        Args:
            server: Whom to ask.
            resource_type: ``Observation``.
            parameters: Names and values.
            most: How many entries are enough; 0 is all.
            is_listing: Only time ends it, for none of its pages is kept.
        """
        self.problems: list[Problem] = []
        self.ignored: tuple[str, ...] = ()
        self.complete, self.server_time = True, ""
        self._server, self._type, self._most, self._is_listing = server, resource_type, most, is_listing
        self._parameters = [*parameters, ("_count", str(server.limits.page_size))]
        self._until = server.clock.seconds() + server.limits.search_seconds

    def found(self) -> Found:
        """All pages, or as many as came, with a word about the rest."""
        pages = tuple(self.pages())
        return Found(
            pages=pages,
            problems=tuple(self.problems),
            ignored=self.ignored,
            complete=self.complete,
            server_time=self.server_time,
        )

    def pages(self) -> Iterator[Source]:
        """Each page as it comes.

        Raises:
            ServerError: Not even the first page came.
        """
        answer, page = _opened(self._first())
        self.ignored = ignored_parameters(self._parameters, page.self)
        now = self._server.clock.now()
        self.server_time = believed_instant(page.last_updated, now) or believed_instant(_date_of(answer), now)
        self._note(self.ignored, answer, now)
        seen = {answer.url}
        number = entries = size = 0
        while True:
            number, entries, size = number + 1, entries + page.entries, size + len(answer.body)
            if page.is_partial and self.complete:
                self._missing("the server says that it left something out")
            yield Source(f"{self._type}?page={number}", answer.body)
            if not page.next or (self._most and entries >= self._most):
                return
            stop = self._reason_to_stop(page.next in seen, number, entries, size)
            if stop:
                self._missing(stop)
                return
            following = self._next(page, answer.url)
            if following is None:
                return
            seen.add(page.next)
            answer, page = following

    def _first(self) -> Response:
        """The first page; asked again where the server names a parameter that it cannot do without."""
        answer = self._ask({**ACCEPTED, "Prefer": "handling=strict"})
        if answer.status == 400:
            added = demanded(self._type, answer, (name for name, _ in self._parameters))
            self._parameters += added
            told = f"with {' and '.join(name for name, _ in added)}" if added else "without strict handling"
            # A category need not be there, and may be one of the site's own: such a resource is in no answer then.
            code = ProblemCode.SEARCH_NARROWED if "category" in dict(added) else ProblemCode.WAY_CHANGED
            self._problem(code, f"the server refused the search; it was asked again {told}")
            answer = self._ask(ACCEPTED)
        return checked(answer)

    def _ask(self, headers: Mapping[str, str]) -> Response:
        server, limits = self._server, self._server.limits
        url = f"{below(server.base, self._type)}?{query(self._parameters)}"
        if server.takes_post_search and (limits.always_post or len(url) > limits.longest_url):
            answer = server.post_search(self._type, self._parameters, headers, until=self._until)
            if answer.status not in (404, 405, 415, 501):
                return answer
            server.refuse_post_search()
            self._problem(ProblemCode.WAY_CHANGED, "the server takes no search by POST; GET was used")
        return server.get(url, headers, until=self._until)

    def _next(self, page: Page, asked: str) -> tuple[Response, Page] | None:
        """The next page by its link, verbatim: it means something to the server alone."""
        try:
            return _opened(checked(self._server.get(followed(page.next, asked), ACCEPTED, until=self._until)))
        except ServerError as error:
            self._missing(f"a page is missing: {error} [{error.code}]")
            return None

    def _missing(self, what: str) -> None:
        self.complete = False
        self._problem(ProblemCode.SEARCH_INCOMPLETE, what, Severity.ERROR)

    def _reason_to_stop(self, is_circle: bool, pages: int, entries: int, size: int) -> str:  # noqa: FBT001
        limits = self._server.limits
        too_many = {
            f"there are more than {limits.most_pages} pages": pages >= limits.most_pages,
            f"there are more than {limits.most_resources} resources": entries > limits.most_resources,
            f"there are more than {limits.most_bytes} bytes": size > limits.most_bytes,
        }
        reasons = {
            "the pages lead in a circle": is_circle,
            **({} if self._is_listing else too_many),
            "the search took too long": self._server.clock.seconds() >= self._until,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

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
        self.problems.append(Problem(code, f"{self._type}?", what, then, severity=severity, used=True))


def token(text: str) -> str:
    """A value for a search parameter with the signs escaped that mean something there."""
    for sign in ("\\", ",", "$", "|"):
        text = text.replace(sign, f"\\{sign}")
    return text


def query(parameters: Parameters) -> str:
    """The parameters as the part of a URL after the question mark."""
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in parameters])


@lru_cache(maxsize=256)
def _quoted(text: str) -> str:
    # The hundred codes that we know are the same for every patient, and long.
    return quote(text, safe="")


def _opened(answer: Response) -> tuple[Response, Page]:
    """An answer with the page in it; what no JSON may hold costs the entry that holds it, and no other."""
    try:
        return answer, page_of(answer)
    except ServerError as error:
        spelled = msgspec.structs.replace(answer, body=spelled_out(answer.body))
        if error.code != "unexpected-content" or spelled.body == answer.body:
            raise
    return spelled, page_of(spelled)


def believed_instant(text: str, now: datetime) -> str:
    """The server's clock, if it is one, else empty: a watermark far ahead would pass by all that happens until then."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    is_clock = moment.tzinfo is not None and moment.year >= _EPOCH and moment - now < _FARTHEST_AHEAD
    return text if is_clock else ""


def _date_of(answer: Response) -> str:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).isoformat()
    except (TypeError, ValueError):
        return ""
