"""Requests and answers as plain values, so that every decision about them is a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO, Protocol, runtime_checkable

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One HTTP request as it is to be sent; header names in any case.

    Attributes:
        is_repeatable: A POST that twice does no more than once: a transaction of conditional creates.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    is_repeatable: bool = False


class Response(msgspec.Struct, frozen=True):
    """One HTTP answer as it came; header names in lower case, the body decompressed."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    url: str = ""


class Authorisation(Protocol):
    """Credentials that belong to one origin and are sent nowhere else."""

    def headers(self, url: str) -> Mapping[str, str]:
        """What to send along to this URL; nothing to another origin than the credentials' own."""
        ...

    def refused(self, url: str) -> bool:
        """After a 401: whether there are new credentials now, so that one more try makes sense."""
        ...


class NoAuthorisation:
    """A server that wants no credentials."""

    def headers(self, url: str) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def refused(self, url: str) -> bool:
        """There is nothing else to offer."""
        return False


class Transport(Protocol):
    """Carries one request to the server and its answer back; no retry, no redirect."""

    def send(self, request: Request, *, seconds: float) -> Response:
        """The answer, whatever its status.

        Args:
            request: What to send.
            seconds: After how long to give up, reading the body included.

        Raises:
            ServerError: No whole answer came, or it is beyond the limits.
        """
        ...


@runtime_checkable
class Downloads(Protocol):
    """A transport that can put a large body straight into a file."""

    def download(self, request: Request, sink: BinaryIO, *, seconds: float) -> Response:
        """The answer; its body is in the file where the status is 200, else in the answer."""
        ...
