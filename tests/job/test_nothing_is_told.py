"""Whatever goes wrong at a server, however it is asked to speak, nothing that came out names a patient or a secret.

The server holds one unmistakable patient, and repeats her and our token wherever a server can put words. What is
scanned is everything a run leaves: both streams, every record of every logger, the ledger's files, and what `status`
says of them; in what is kept or shown about whom, the id alone is allowed, since it is there for the operator.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.entrypoints.building import AS_OF, run
from tests.job.building import BORN, CANARY, NAME, NUMBER, VALUE, canary
from tests.servers.picky import Picky, Said, picky, statement

TOKEN = "token-that-nobody-may-see-0123456789"  # noqa: S105 - of nobody
ELSEWHERE = f"https://elsewhere.example/?name={NAME}&token={TOKEN}"
PERSON = (NAME, NUMBER, VALUE, BORN, TOKEN)
# An id, an address and what is asked of it are for nobody's log.
ADDRESS = ("canary-77", "Patient/", "elsewhere.example", "patient=", "_count=", "%7C")
_TOLD = f"{NAME} {NUMBER} {BORN} {VALUE} {CANARY} {TOKEN}"
OUTCOME = json.dumps(
    {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "processing", "diagnostics": _TOLD, "details": {"text": _TOLD}}],
    }
).encode()
STATUSES = (400, 401, 403, 404, 409, 412, 413, 422, 423, 429, 500, 503)
Habits = Mapping[str, Any]


def is_read(method: str, path: str) -> bool:
    return method == "GET" and path.startswith("Patient/")


def is_search(method: str, path: str) -> bool:
    return path.startswith("Observation") and (method == "GET" or "_search" in path)


def is_write(method: str, path: str) -> bool:
    return method in ("POST", "PUT") and "_search" not in path


def saying(where: Callable[[str, str], bool], status: int, body: bytes, **headers: str) -> Habits:
    """A server that says this there, and behaves well elsewhere."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def says(method: str, path: str, asked: Mapping[str, str]) -> Said | None:
        # What it was shown it repeats.
        told = body.replace(b"AUTHORIZATION", asked.get("authorization", "").encode())
        return (status, named, told) if where(method, path) else None

    return {"says": says}


def page(resource: str = "", **more: Any) -> bytes:
    """A searchset with one entry, as bytes that need be no JSON."""
    head = json.dumps({"resourceType": "Bundle", "type": "searchset", **more})[:-1]
    return f'{head},"entry":[{{"resource":{resource or "{}"}}}]}}'.encode()


def result(**more: Any) -> str:
    [ctx] = [each for each in canary() if each["id"] == "ctx"]
    return json.dumps({**ctx, **more})


def next_page(url: str) -> bytes:
    return page(result(), link=[{"relation": "next", "url": url}])


_GOOD = result()
FAULTS: dict[str, Habits] = {
    "nothing": {},
    **{f"{status} to a read": saying(is_read, status, OUTCOME) for status in STATUSES},
    **{f"{status} to a search": saying(is_search, status, OUTCOME) for status in STATUSES},
    **{f"{status} to a write": saying(is_write, status, OUTCOME) for status in STATUSES},
    "the token repeated": saying(is_read, 403, b"AUTHORIZATION"),
    "throttled with a wait that is none": saying(is_search, 429, OUTCOME, retry_after=_TOLD),
    "redirect elsewhere": saying(is_read, 302, OUTCOME, location=ELSEWHERE),
    "redirect in a circle": saying(is_read, 302, OUTCOME, location=f"/fhir/{CANARY}?{NAME}"),
    "redirect of a write": saying(is_write, 302, OUTCOME, location=f"/fhir/{NAME}"),
    "login page": saying(is_search, 200, f"<html>{_TOLD}</html>".encode(), content_type="text/html"),
    "markup called JSON": saying(is_search, 200, f"<Bundle>{_TOLD}</Bundle>".encode()),
    "markup that commands": saying(is_search, 200, f"<!DOCTYPE x [<!ENTITY e '{_TOLD}'>]><x>&e;</x>".encode()),
    "no gzip": saying(is_search, 200, _TOLD.encode(), content_encoding="gzip"),
    "packed in another way": saying(is_search, 200, _TOLD.encode(), content_encoding=NAME),
    "bytes that are no text": saying(is_search, 200, page(_GOOD).replace(NAME.encode(), NAME.encode() + b"\xff")),
    "cut short in the name": saying(is_search, 200, page(_GOOD)[: page(_GOOD).index(NAME.encode()) + 6]),
    "empty": saying(is_search, 200, b""),
    "a list": saying(is_search, 200, b"[" + page(_GOOD) + b"]"),
    "another type": saying(is_search, 200, _GOOD.encode()),
    "deep": saying(is_search, 200, b"[" * 100_000 + _TOLD.encode()),
    "a failure among the results": saying(is_search, 200, page(OUTCOME.decode())),
    "a failure called a success": saying(is_search, 200, OUTCOME),
    "NaN": saying(is_search, 200, page(_GOOD.replace(VALUE, "NaN"))),
    "half a sign": saying(is_search, 200, page(_GOOD.replace(NAME, NAME + "\\ud800"))),
    "a key twice": saying(is_search, 200, page(_GOOD.replace('"status"', f'"status":"{NAME}","status"'))),
    "next page elsewhere": saying(is_search, 200, next_page(ELSEWHERE)),
    "next page of no scheme": saying(is_search, 200, next_page(f"file:///{NAME}")),
    "pages in a circle": saying(is_search, 200, next_page(f"/fhir/Observation?patient={CANARY}&name={NAME}")),
    "next page that is no address": saying(is_search, 200, next_page(f"http://[{NAME}")),
    "somebody else": saying(is_read, 200, json.dumps({"resourceType": NAME, "id": NUMBER}).encode()),
    "a status that is a name": saying(is_search, 200, page(result(status=_TOLD))),
    "a value that is a name": saying(is_search, 200, page(result(valueQuantity={"value": NAME, "unit": NAME}))),
    "a unit that is a name": saying(is_search, 200, page(result(valueQuantity={"value": 1, "unit": _TOLD}))),
    "a time that is a name": saying(is_search, 200, page(result(effectiveDateTime=_TOLD))),
    "a subject that is a name": saying(is_search, 200, page(result(subject={"reference": _TOLD, "display": _TOLD}))),
    "a subject known by number": saying(is_search, 200, page(result(subject={"identifier": {"value": NUMBER}}))),
    "a subject elsewhere": saying(is_search, 200, page(result(subject={"reference": f"{ELSEWHERE}/{CANARY}"}))),
    "a label that is a name": saying(is_search, 200, page(result(meta={"security": [{"code": _TOLD}]}))),
    "a written place that is a name": saying(is_write, 201, b"", location=f"/fhir/{NAME}/{NUMBER}?{_TOLD}"),
    "no statement": {"metadata": {"resourceType": NAME, "fhirVersion": _TOLD}},
    "no such release": {"metadata": {"resourceType": "CapabilityStatement", "fhirVersion": _TOLD}},
    "answers lost on reading": {"loses": lambda method, path: method == "GET" and path.startswith("Patient")},
    "answers lost on writing": {"loses": is_write},
    "silent": {"is_silent": True},
    "without versions": {"has_versions": False},
    "conditions ignored": {"ignores_conditions": True},
    "parameters ignored": {"ignores_parameters": True},
    "a race": {"race_seconds": 0.01},
    "only plain creates": {
        "takes_our_ids": False,
        "refuses": lambda method, path, headers: 400 if (not path or "if-none-exist" in headers) else 0,
    },
    "our ids": {"metadata": statement(update_create=True)},
    "no transactions": {"metadata": statement(transaction=False)},
    "half an answer to a transaction": {"answers_transaction": lambda entries: entries[:1]},
    "an answer in another order": {"answers_transaction": lambda entries: entries[::-1]},
    "an answer that names her": {
        "answers_transaction": lambda entries: [{"response": {"status": _TOLD, "location": _TOLD}} for _ in entries]
    },
}  # fmt: skip


class Terminal(io.StringIO):
    """Where a person is watching."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """Every logger at its most talkative, and a secret among the settings."""
    monkeypatch.setenv("OSTEO_FHIR_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    return caplog


def held(server: Picky) -> None:
    for resource in canary():
        server.store(resource, resource["id"])


def said_by_runs(server: Picky, folder: Path) -> str:
    """Everything said by three runs: as usual, in every detail, and to a person at a terminal."""
    words = ("run", "--server", server.base, "--patient", "canary-77", "--auth", "bearer", *AS_OF)
    more = ("--retry-tries", "1", "--ledger", folder / "ledger.sqlite")
    said = [run(*words, *more, *extra).output for extra in ((), ("--verbose",))]
    screen = Terminal()
    with redirect_stdout(screen):
        said.append(run(*words, *more, "--verbose", "--dry-run").output)
    return "\n".join([*said, screen.getvalue(), run("doctor", "--server", server.base, "--auth", "bearer").output])


def kept_in(folder: Path) -> str:
    """Every byte of the ledger, and what is shown of it."""
    files = b"\n".join(each.read_bytes() for each in sorted(folder.iterdir()) if each.is_file())
    ledger = ("--ledger", folder / "ledger.sqlite")
    shown = [run("status", *ledger), run("status", "--json", "--state", "written", *ledger)]
    shown.append(run("retry", "--all", "--dry-run", *ledger))
    return files.decode("latin-1") + "\n".join(each.output for each in shown)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_that_comes_out_names_the_patient_or_a_secret(
    tmp_path: Path, told: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    """E46"""
    with picky(**FAULTS[fault]) as server:
        held(server)
        said = said_by_runs(server, tmp_path)
    output = capfd.readouterr()
    out = "\n".join((said, told.text, output.out, output.err))
    assert '"event": "patient"' in out
    assert [word for word in (*PERSON, *ADDRESS) if word in out] == []
    kept = kept_in(tmp_path)
    assert CANARY in kept
    assert [word for word in PERSON if word in kept] == []


def test_the_scan_finds_what_is_there(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    """A check that cannot fail would prove nothing."""
    with picky() as server:
        held(server)
        said_by_runs(server, tmp_path)
        [assessment] = server.found("RiskAssessment")
        sent = server.requests
    assert assessment["subject"]["reference"] == CANARY
    assert [each for each in sent if CANARY in each]
    logging.getLogger("urllib3.connectionpool").warning("GET /fhir/%s", CANARY)
    assert CANARY in told.text
