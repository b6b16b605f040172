"""What a server may send that must neither be believed nor obeyed: numbers that are none, and markup that commands."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import ServerError
from adapter.fhir.entries import split
from adapter.fhir.entry import Entry
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Response
from adapter.fhir_server.transport import RequestsTransport
from adapter.problems import ProblemCode
from tests.servers.scripted import JSON, Scripted, entry, page
from tests.servers.ticking import Ticking

BASE = "https://h.example/fhir"
NINES = "9" * 400
CANARY = "root:x:0:0"


def found(number: str) -> list[Entry]:
    """The entries of a page in which the first of two results has this number."""
    entries = [entry("Observation/odd", valueQuantity={"value": 4711}), entry("Observation/good")]
    body = json.dumps(page(*entries)).replace("4711", number).encode()
    server = FhirServer(BASE, Scripted(Response(200, JSON, body)), clock=Ticking())
    search = server.search("Observation", [])
    assert search.complete
    return [each for source in search.pages for each in split(source.data, source.name)]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_costs_its_entry_and_no_other(number: str) -> None:
    """E15 at the client"""
    odd, good = found(number)
    assert odd.problem is not None
    assert odd.problem.code is ProblemCode.JSON_INVALID
    assert (good.id, good.problem) == ("good", None)


@pytest.mark.parametrize("number", ["-0", "-0.0", NINES, f"{NINES}.5", f"0.{NINES}", "1e-400"])
def test_a_number_is_kept_exactly_however_odd(number: str) -> None:
    """E15 at the client"""
    odd, _ = found(number)
    assert odd.problem is None
    value: Any = odd.decoded["valueQuantity"]["value"] if odd.decoded else None
    assert Decimal(value) == Decimal(number)
    assert Decimal(value).is_finite()


@contextmanager
def answering(markup: str, kind: str) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every request with this markup; what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path.partition("?")[0])
            body = markup.replace("HERE", f"http://127.0.0.1:{self.server.server_port}").encode()  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/fhir", asked
    finally:
        http.shutdown()
        http.server_close()


_LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 9))
MARKUP = {
    "a file is named": '<!DOCTYPE x [<!ENTITY e SYSTEM "file://FILE">]><Bundle xmlns="http://hl7.org/fhir">&e;</Bundle>',
    "an address is named": '<!DOCTYPE x [<!ENTITY e SYSTEM "HERE/evil">]><Bundle>&e;</Bundle>',
    "a definition is named": '<!DOCTYPE Bundle SYSTEM "HERE/evil.dtd"><Bundle/>',
    "a billion laughs": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]><Bundle>&l8;</Bundle>',
}


@pytest.mark.parametrize("kind", ["application/fhir+xml", "application/xml", "application/fhir+json", "text/html"])
@pytest.mark.parametrize("markup", MARKUP)
def test_markup_that_commands_is_refused_before_anything_is_read_for_it(tmp_path: Path, kind: str, markup: str) -> None:
    """E17 at the client: no file is read and nothing else is fetched, under whatever name the markup comes"""
    (tmp_path / "secret").write_text(CANARY)
    with answering(MARKUP[markup].replace("FILE", str(tmp_path / "secret")), kind) as (base, asked):
        server = FhirServer(base, RequestsTransport())
        for ask in (lambda: server.search("Observation", []), lambda: server.read("Patient/1"), server.capabilities):
            with pytest.raises(ServerError) as refused:
                ask()
            assert refused.value.code == "unexpected-content"
            assert CANARY not in str(refused.value)
            assert not refused.value.may_retry
    assert asked == ["/fhir/Observation", "/fhir/Patient/1", "/fhir/metadata"]
