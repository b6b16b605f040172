"""The doors of the operator's page: who has the token may look, try a dead letter again, or drop it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from adapter.service.board import Board
from adapter.service.page import board_page, login_page
from adapter.service.words import LANGUAGES

_COOKIE = "osteo-fhir-operator"
_SHIFT_SECONDS = 12 * 3600
_MOST_BYTES = 4096
_HEADERS = {
    "Cache-Control": "no-store",
    # Nothing is loaded from anywhere, and no other page may hold this one.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Decisions(msgspec.Struct, frozen=True):
    """What an operator may decide about a dead letter, by its number."""

    replay: Callable[[int], object]
    drop: Callable[[int], object]


class Operating:
    """The routes of the page for one service."""

    def __init__(
        self, board: Callable[[], Board], decisions: Decisions, *, token: str, clock: Callable[[], float]
    ) -> None:
        """Take what to show, what can be done, the token that opens the page, and the seconds since the epoch."""
        self._board, self._decisions, self._token, self._clock = board, decisions, token, clock

    def routes(self) -> Sequence[Route]:
        """Where the page lives, below ``/operator/``."""
        return [
            Route("/operator/", self._show),
            Route("/operator/login", self._enter, methods=["POST"]),
            Route("/operator/logout", self._leave, methods=["POST"]),
            Route("/operator/replay", self._replay, methods=["POST"]),
            Route("/operator/drop", self._drop, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        language = _language(request)
        if not self._is_known(request):
            failed = "wrong" in request.query_params
            return HTMLResponse(login_page(language, failed=failed), 401, _HEADERS)
        board = await asyncio.to_thread(self._board)
        answer = HTMLResponse(board_page(board, language), headers=_HEADERS)
        if "language" in request.query_params:
            answer.set_cookie("language", language, samesite="strict", httponly=True)
        return answer

    async def _enter(self, request: Request) -> Response:
        given = (await _form(request)).get("token", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return RedirectResponse("./?wrong", 303, _HEADERS)
        until = str(int(self._clock()) + _SHIFT_SECONDS)
        answer = RedirectResponse("./", 303, _HEADERS)
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        answer.set_cookie(
            _COOKIE, f"{until}.{self._seal(until)}", _SHIFT_SECONDS, httponly=True, samesite="strict", secure=is_secure
        )
        return answer

    async def _leave(self, request: Request) -> Response:
        answer = RedirectResponse("./", 303, _HEADERS)
        answer.delete_cookie(_COOKIE)
        return answer

    async def _replay(self, request: Request) -> Response:
        return await self._decided(request, self._decisions.replay)

    async def _drop(self, request: Request) -> Response:
        return await self._decided(request, self._decisions.drop)

    async def _decided(self, request: Request, decide: Callable[[int], object]) -> Response:
        """Act on one letter. The cookie is never sent by another site's page, so nobody is tricked into it."""
        if not self._is_known(request):
            return RedirectResponse("./", 303, _HEADERS)
        chosen = (await _form(request)).get("id", "")
        if chosen.isascii() and chosen.isdigit():
            await asyncio.to_thread(decide, int(chosen[:18]))
        return RedirectResponse("./", 303, _HEADERS)

    def _is_known(self, request: Request) -> bool:
        until, _, seal = request.cookies.get(_COOKIE, "").partition(".")
        is_ours = hmac.compare_digest(seal.encode(), self._seal(until).encode())
        return is_ours and until.isdigit() and int(until) > self._clock()

    def _seal(self, until: str) -> str:
        return hmac.new(self._token.encode(), f"operator until {until}".encode(), sha256).hexdigest()


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; nothing of a large one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _language(request: Request) -> str:
    """As chosen on the page, else as the browser prefers."""
    chosen = request.query_params.get("language") or request.cookies.get("language", "")
    if chosen in LANGUAGES:
        return chosen
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
