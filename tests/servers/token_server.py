"""A server on loopback that gives tokens and answers reads as a test tells it to, and remembers all it heard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import KeySet

Answer = tuple[int, Any]
Form = Mapping[str, str]


@dataclass
class Heard:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Form


@dataclass
class TokenServer:
    """What the server answers, and what it heard.

    Attributes:
        configuration: The smart-configuration, or a status to refuse it with; ``{base}`` stands for its own address.
        statement: The CapabilityStatement.
        token: Called with the number of the token request, from 1: status and body. A number instead of a status
            and a body closes the connection.
        resource: Called with the ``Authorization`` header of any other request.
    """

    base: str = ""
    configuration: Any = field(
        default_factory=lambda: {"token_endpoint": "{root}/token", "capabilities": ["permission-v2"]}
    )
    statement: Any = field(default_factory=lambda: {"resourceType": "CapabilityStatement"})
    token: Callable[[int], Answer] = lambda number: (200, granted(f"token-{number}"))
    resource: Callable[[str], Answer] = lambda authorisation: (200, {"resourceType": "Patient"})
    heard: list[Heard] = field(default_factory=list)

    @property
    def root(self) -> str:
        return self.base.removesuffix("/fhir")

    @property
    def asked_for_tokens(self) -> list[Form]:
        return [each.form for each in self.heard if each.path == "/token"]

    def claims(self, jwks: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The claims of each assertion, whose signature is checked."""
        keys = KeySet.import_key_set({"keys": list(jwks["keys"])})
        algorithms = ["ES384", "RS384"]
        return [
            jwt.decode(form["client_assertion"], keys, algorithms=algorithms).claims for form in self.asked_for_tokens
        ]

    def answer(self, heard: Heard) -> Answer:
        self.heard.append(heard)
        if heard.path == "/token":
            return self.token(len(self.asked_for_tokens))
        if heard.path == "/fhir/.well-known/smart-configuration":
            return (self.configuration, {}) if isinstance(self.configuration, int) else (200, self.configuration)
        if heard.path == "/fhir/metadata":
            return 200, self.statement
        return self.resource(heard.headers.get("authorization", ""))


def granted(token: str, **more: Any) -> dict[str, Any]:
    """A token response; ``expires_in=None`` leaves it out."""
    answer = {"access_token": token, "token_type": "bearer", "expires_in": 300, **more}
    return {name: value for name, value in answer.items() if value is not None}


@contextmanager
def token_server(**answers: Any) -> Iterator[TokenServer]:
    """Run the server until the block ends."""
    state = TokenServer(**answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = state.answer(Heard(self.command, self.path, headers, form))
            if status == 0:
                self.connection.close()
                return
            data = body if isinstance(body, bytes) else json.dumps(body).replace("{root}", state.root).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if 300 <= status < 400:
                self.send_header("location", data.decode())
                data = b""
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.base = f"http://127.0.0.1:{server.server_port}/fhir"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
