"""Whether a request may be sent again, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.messages import Request, Response
from adapter.fhir_server.outcomes import is_transient

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Patience(msgspec.Struct, frozen=True):
    """How long to go on trying.

    Attributes:
        tries: The most attempts of one request; an EHR's 500 may mean that it never will succeed, so those get half.
        first_wait: Seconds that the first wait may last at most; doubled each time.
        longest_wait: The most seconds of one wait of our own choice.
        longest_asked: The most seconds that are waited because the server asks for them.
        seconds: After how many seconds in all to give up.
    """

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60
    longest_asked: float = 150
    seconds: float = 300


def may_repeat(request: Request) -> bool:
    """Whether sending it twice does no more than sending it once.

    A POST that lost its answer may have been carried out; it is repeated only where the server itself would notice
    (``If-None-Exist``), or where it changes nothing (a search).
    """
    if request.method in _IDEMPOTENT or request.url.endswith("/_search"):
        return True
    return request.is_repeatable or any(name.lower() == "if-none-exist" for name in request.headers)


def wait_before_retry(
    request: Request,
    answer: Response | ServerError,
    attempt: int,
    patience: Patience,
    *,
    now: datetime,
    random: Callable[[], float],
) -> float | None:
    """Seconds until the next try; ``None`` if there is to be none.

    Args:
        request: What was sent.
        answer: What came of it.
        attempt: How often it was sent by now.
        patience: The limits.
        now: The moment, for a ``Retry-After`` that names one.
        random: A number from 0 to 1; full jitter keeps a crowd of clients apart.
    """
    if not _is_worth_it(request, answer, attempt, patience):
        return None
    backoff = random() * min(patience.longest_wait, patience.first_wait * 2 ** (attempt - 1))
    asked = retry_after(answer, now=now) if isinstance(answer, Response) else None
    return backoff if asked is None else min(max(asked, 0.0), patience.longest_asked)


def retry_after(response: Response, *, now: datetime) -> float | None:
    """The seconds that the server asks to wait, in either form, or ``None``; a date that is past is 0."""
    milliseconds = response.headers.get("x-ms-retry-after-ms", "")
    if milliseconds.isascii() and milliseconds.isdigit():
        return int(milliseconds[:9]) / 1000
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _is_worth_it(request: Request, answer: Response | ServerError, attempt: int, patience: Patience) -> bool:
    if isinstance(answer, ServerError):
        return answer.may_retry and attempt < patience.tries and may_repeat(request)
    if not is_transient(answer):
        return False
    # Refused before it was looked at: these may be repeated whatever they are.
    if answer.status in (425, 429):
        return attempt < patience.tries
    tries = (patience.tries + 1) // 2 if answer.status == 500 else patience.tries
    return attempt < tries and may_repeat(request)
