"""Lets a respx router answer ``requests``: mounted on the session in the place of the network."""

from __future__ import annotations

import io

import httpx
import requests
import respx
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse


class RespxAdapter(BaseAdapter):
    """Hands each request to a router and its answer back."""

    def __init__(self, router: respx.Router) -> None:
        super().__init__()
        self._router = router

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT002 - as requests has it
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,  # noqa: FBT002 - as requests has it
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        body = request.body if isinstance(request.body, (str, bytes)) else b""
        headers = {name: value for name, value in request.headers.items() if isinstance(value, str)}
        asked = httpx.Request(request.method or "GET", request.url or "", headers=headers, content=body)
        given = self._router.handler(asked)
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = given.status_code, str(asked.url), request
        answer.headers.update(given.headers)
        answer.raw = HTTPResponse(io.BytesIO(given.content), headers=dict(given.headers), preload_content=False)
        return answer

    def close(self) -> None:
        """Nothing is open."""
