"""How much, how long, and by which clock."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from adapter.fhir_server.retrying import Patience


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much to ask for, how long to wait, and when enough is enough.

    Attributes:
        page_size: ``_count``, a hint to the server.
        most_pages, most_resources, most_bytes: Of one search; beyond them it is incomplete, and says so.
        request_seconds, search_seconds: Of one request; of one search with all its pages and retries.
        longest_url: Beyond it a search is posted, so that proxies neither cut nor log it.
        always_post: Post every search.
        patience: How long to try again.
    """

    page_size: int = 200
    most_pages: int = 1000
    most_resources: int = 1_000_000
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
