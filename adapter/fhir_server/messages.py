"""Requests and answers as plain values, so that every decision about them is a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One HTTP request as it is to be sent; header names in any case."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Response(msgspec.Struct, frozen=True):
    """One HTTP answer as it came; header names in lower case, the body decompressed."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    url: str = ""


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
