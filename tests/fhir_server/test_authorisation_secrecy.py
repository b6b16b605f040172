"""Whatever goes wrong in proving who we are: no token, assertion, key or password in a log, error, event or output."""

from __future__ import annotations

import json
import logging
import traceback
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.entrypoints.connecting import authorised
from adapter.errors import AdapterError
from adapter.fhir_server.client import Event, FhirServer
from adapter.fhir_server.keys import new_key
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.smart import BackendServices
from adapter.fhir_server.transport import RequestsTransport
from adapter.settings.loading import load_settings
from tests.servers.ticking import Ticking
from tests.servers.token_server import TokenServer, granted, token_server

TOKEN = "token-that-nobody-may-see-0123456789"  # noqa: S105 - of nobody
CANARY = "password-that-nobody-may-see-0123456789"
UNAUTHORISED = (401, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "login"}]})


def echoing(server: TokenServer, error: str) -> tuple[int, Any]:
    """A refusal that repeats what it was given, as careless servers do."""
    (form,) = [each.form for each in server.heard if each.path == "/token"][-1:]
    return 400, {"error": error, "error_description": f"bad assertion {form['client_assertion']} for {TOKEN}"}


Scenario = Callable[[TokenServer], Any]
FAILURES: dict[str, Scenario] = {
    "invalid_client": lambda server: setattr(server, "token", lambda number: echoing(server, "invalid_client")),
    "an unknown error": lambda server: setattr(server, "token", lambda number: echoing(server, TOKEN)),
    "a page": lambda server: setattr(server, "token", lambda number: (200, f"<p>{TOKEN}</p>".encode())),
    "a token with a line break": lambda server: setattr(server, "token", lambda number: (200, granted(f"{TOKEN}\n"))),
    "another kind of token": lambda server: setattr(
        server, "token", lambda number: (200, granted(TOKEN, token_type=TOKEN))
    ),
    "too little granted": lambda server: setattr(
        server, "token", lambda number: (200, granted(TOKEN, scope="system/Patient.rs"))
    ),
    "the token server is down": lambda server: setattr(server, "token", lambda number: (0, None)),
    "the token server fails": lambda server: setattr(server, "token", lambda number: (500, {"error": TOKEN})),
    "the token server redirects": lambda server: setattr(
        server, "token", lambda number: (302, f"https://elsewhere.example/?t={TOKEN}".encode())
    ),
    "discovery leads elsewhere": lambda server: setattr(
        server, "configuration", {"token_endpoint": f"https://elsewhere.example/{TOKEN}"}
    ),
    "every token is refused": lambda server: setattr(server, "resource", lambda said: UNAUTHORISED),
    "the server echoes the header": lambda server: setattr(server, "resource", lambda said: (403, {"said": said})),
    "the server redirects away": lambda server: setattr(
        server, "resource", lambda said: (302, f"https://elsewhere.example/?{said}".encode())
    ),
    "the server is down": lambda server: setattr(server, "resource", lambda said: (0, None)),
}


def chosen(kind: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """The settings of a kind of authorisation, and what must not be seen."""
    secret = folder / "secret"
    secret.touch(mode=0o600)
    if kind == "smart":
        secret.write_bytes(new_key("ES384"))
        return {"client_id": "us", "key_file": str(secret)}, [json.loads(secret.read_bytes())["d"]]
    secret.write_text(TOKEN if kind == "bearer" else CANARY, "utf-8")
    if kind == "bearer":
        return {"token_file": str(secret)}, []
    return {"username": "us", "password_file": str(secret)}, [b64encode(f"us:{CANARY}".encode()).decode()]


def pieces(secret: str) -> list[str]:
    """Every stretch of a secret that is long enough to be told from a word; a part of it is too much already."""
    return [secret[start : start + 12] for start in range(len(secret) - 11)]


def seen_in(server: TokenServer, flags: dict[str, str]) -> tuple[str, list[Event]]:
    """All that an operator could see of three reads: the errors with their causes, and the events."""
    events: list[Event] = []
    shown: list[str] = []
    try:
        settings = load_settings({"server": server.base, **flags}, {})
        transport = RequestsTransport()
        patience = Patience(tries=2)
        authorisation = authorised(settings, server.base, transport)
        fhir = FhirServer(
            server.base,
            transport,
            authorisation=authorisation,
            limits=Limits(patience=patience),
            clock=Ticking(),
            announce=events.append,
        )
        if isinstance(authorisation, BackendServices):
            authorisation._clock, authorisation._patience = Ticking(), patience
        shown += [f"{settings!r} {authorisation!r} {fhir!r} {transport!r}"]
    except AdapterError as error:
        return "".join(traceback.format_exception(error)), events
    for _ in range(3):
        try:
            fhir.read("Patient/one")
        except AdapterError as error:
            shown += ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]
    return "\n".join(shown), events


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", ["smart", "bearer", "basic"])
def test_no_failure_shows_a_secret(
    kind: str, failure: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """E46 for credentials; A7.6."""
    flags, private = chosen(kind, tmp_path)
    with caplog.at_level(logging.DEBUG), token_server(token=lambda number: (200, granted(TOKEN))) as server:
        FAILURES[failure](server)
        shown, events = seen_in(server, {"auth": kind, **flags})
    assertions = [form["client_assertion"] for form in server.asked_for_tokens if "client_assertion" in form]
    output = capfd.readouterr()

    seen = "\n".join((shown, repr(events), caplog.text, output.out, output.err))

    assert kind != "smart" or assertions or failure == "discovery leads elsewhere"
    assert [
        piece for secret in (TOKEN, CANARY, *private, *assertions) for piece in pieces(secret) if piece in seen
    ] == []


def test_the_search_for_secrets_does_find_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A check that cannot fail would prove nothing."""
    flags, _ = chosen("bearer", tmp_path)
    with caplog.at_level(logging.DEBUG), token_server(resource=lambda said: (200, {})) as server:
        logging.getLogger("requests").debug("sent %s", TOKEN)
        seen_in(server, {"auth": "bearer", **flags})
    assert TOKEN in caplog.text
    assert f"Bearer {TOKEN}" in {each.headers.get("authorization") for each in server.heard}
