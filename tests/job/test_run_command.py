"""``osteo-fhir run`` on a real server: what it writes, what it says, what it leaves with, and what it never says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from adapter.entrypoints import sandboxing
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.transport import RequestsTransport
from tests.entrypoints.building import run
from tests.job.building import BORN, JOURNEYS, NAME, NUMBER, VALUE, canary
from tests.servers.sekmet import Sekmet, sekmet

# One server with all fixtures for the whole file.
pytestmark = pytest.mark.xdist_group("run command")

AS_OF = ("--as-of", "2026-06-15")
PROGRAM = "from adapter.entrypoints.cli import main; main()"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sandbox with a patient for each clinical state."""
    with sandboxing.running(tmp_path_factory.mktemp("sandbox"), 0) as base:
        sandboxing.fill(base, sandboxing.journeys())
        yield base


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Sekmet]:
    """A server with one patient of whom everything is told that must never be repeated."""
    with sekmet(tmp_path / "server") as server:
        server.load(canary())
        yield server


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def written(base: str) -> dict[str, dict[str, Any]]:
    """The RiskAssessments on a server by their patient."""
    found = FhirServer(base, RequestsTransport()).search("RiskAssessment", [])
    entries = [entry for page in found.pages for entry in json.loads(page.data).get("entry", [])]
    return {entry["resource"]["subject"]["reference"]: entry["resource"] for entry in entries}


def test_every_clinical_state_is_written_to_a_real_server_as_it_was_reviewed(base: str, tmp_path: Path) -> None:
    """The golden run: expected.json was derived by hand."""
    result = run("run", "--server", base, "--all", *AS_OF, "--ledger", tmp_path / "ledger.sqlite")
    summary = events(result)[-1]
    assert summary["event"] == "summary"
    assert result.exit_code == 1, "some fixtures cannot be placed, on purpose"
    on_server = written(base)
    wrong = {}
    for folder in sorted(each.parent for each in JOURNEYS.glob("*/expected.json")):
        expected = json.loads((folder / "expected.json").read_text("utf-8"))
        found = on_server.get(f"Patient/{folder.name}")
        if "stratum" in expected and (found is not None) != expected.get("writes", True):
            wrong[folder.name] = "writes"
        elif "stratum" in expected and found is not None and _stratum(found) != expected["stratum"]:
            wrong[folder.name] = _stratum(found)
    # This server offers no search for RiskAssessment, so what others wrote in one cannot be known; that is said.
    assert wrong == {"frax-from-risk-assessment": "moderate"}
    assert "RiskAssessment" in summary["not_offered"]
    assert len(on_server) == summary["written"]
    again = run("run", "--server", base, "--all", *AS_OF, "--ledger", tmp_path / "ledger.sqlite")
    assert "written" not in events(again)[-1]
    assert len(written(base)) == len(on_server)


def _stratum(found: dict[str, Any]) -> str:
    risk = found["prediction"][0]["qualitativeRisk"]
    codes = [each["code"] for each in risk.get("coding", ())]
    reason = [each["valueCode"] for each in risk.get("extension", ())]
    return (
        "very-high"
        if "very-high" in codes
        else {"unknown": "indeterminate"}.get(*reason, *reason)
        if reason
        else codes[0]
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--patient", "low-risk-normal-turnover"), 0),
        (("--patient", "child"), 1),
        (("--patient", "indeterminate-high-turnover-nothing-else"), 1),
        (("--patient", "nobody"), 3),
        ((), 2),
        (("--all", "--group", "g"), 2),
        (("--patient", "not an id"), 2),
        (("--patient", "child", "--as-of", "June"), 2),
        (("--group", "nobody"), 2),
        (("--since", "yesterday"), 2),
    ],
)
def test_the_exit_code_says_who_must_act(base: str, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    result = run("run", "--server", base, "--ledger", tmp_path / "ledger.sqlite", *AS_OF, *arguments)
    assert result.exit_code == code, result.output


def test_a_server_that_is_not_there_is_said_in_one_line_and_worth_another_try(tmp_path: Path) -> None:
    result = run(
        "run", "--server", "http://127.0.0.1:1/fhir", "--all", "--retry-tries", "1", "--ledger", tmp_path / "l"
    )
    assert result.exit_code == 3
    assert "[unreachable]" in result.stderr


def test_a_ledger_that_cannot_be_used_is_for_the_operator(base: str, tmp_path: Path) -> None:
    """E45"""
    (tmp_path / "notes.sqlite").write_text("no ledger")
    result = run("run", "--server", base, "--all", "--ledger", tmp_path / "notes.sqlite")
    assert result.exit_code == 2
    assert "no database" in result.stderr


def test_patients_come_from_a_file_too(base: str, tmp_path: Path) -> None:
    (tmp_path / "patients.txt").write_text("low-risk-normal-turnover # the first\n\nPatient/moderate-raised-turnover\n")
    ledger = tmp_path / "ledger.sqlite"
    result = run("run", "--server", base, "--patients", tmp_path / "patients.txt", *AS_OF, "--ledger", ledger)
    assert (result.exit_code, events(result)[-1]["patients"]) == (0, 2)


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(small: Sekmet, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    result = run("run", "--server", small.base, "--all", "--dry-run", *AS_OF, "--ledger", ledger)
    assert events(result)[-1]["would-write"] == 1
    assert small.found("RiskAssessment") == []


def test_two_copies_started_together_write_each_assessment_once(small: Sekmet, tmp_path: Path) -> None:
    """E32: two processes on one ledger, and two on ledgers of their own"""
    for number in range(8):
        text = json.dumps(canary()).replace("canary-77", f"twin-{number}")
        small.load(
            [
                {**each, "id": f"{each['id']}-{number}"} if each["resourceType"] != "Patient" else each
                for each in json.loads(text)
            ]
        )
    ledgers = [tmp_path / "one.sqlite", tmp_path / "one.sqlite", tmp_path / "other.sqlite"]
    copies = [_process(small.base, ledger) for ledger in ledgers]
    for copy in copies:
        # 3: at its end the other one still held somebody.
        assert copy.wait(60) in (0, 1, 3)
    assert len(small.found("RiskAssessment")) == 9
    assert len(small.found("Device")) == 1
    assert len(small.found("Provenance")) == 9


def test_a_run_that_is_killed_is_gone_on_with(small: Sekmet, tmp_path: Path) -> None:
    """E45, with a real process and a real kill; every moment is tried in test_restarts"""
    ledger = tmp_path / "ledger.sqlite"
    for wait in (0.3, 0.5, 0.6, 0.7):
        copy = _process(small.base, ledger)
        time.sleep(wait)
        copy.kill()
        copy.wait()
    assert run("run", "--server", small.base, "--all", *AS_OF, "--ledger", ledger).exit_code == 0
    assert [len(small.found(kind)) for kind in ("RiskAssessment", "Provenance", "Device")] == [1, 1, 1]


def test_ctrl_c_finishes_what_was_begun_and_says_so(base: str, tmp_path: Path) -> None:
    copy = _process(base, tmp_path / "ledger.sqlite", "--workers", "1")
    assert copy.stdout is not None
    copy.stdout.readline()
    copy.send_signal(signal.SIGINT)
    out, err = copy.communicate(timeout=60)
    assert copy.returncode == 3
    assert b"stopping" in err
    summary = json.loads(out.splitlines()[-1])
    assert summary["stopped"]
    assert summary["patients"] < 124


def _process(base: str, ledger: Path, *more: str) -> subprocess.Popen[bytes]:
    words = ["run", "--server", base, "--all", *AS_OF, "--ledger", str(ledger), *more]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_no_patient_is_in_anything_that_is_said(
    small: Sekmet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """E46: every event, at every level, of runs that go well and that do not"""
    caplog.set_level("DEBUG")
    ledger = tmp_path / "ledger.sqlite"
    common = ("run", "--server", small.base, *AS_OF, "--verbose", "--ledger", ledger)
    said = [run(*common, "--all"), run(*common, "--patient", "canary-77", "--allow-incomplete")]
    for fault in ({"status": "entered-in-error"}, {"valueQuantity": {"value": NAME}}, {"subject": {"display": NAME}}):
        [ctx] = [each for each in canary() if each["id"] == "ctx"]
        try:
            small.load([{**ctx, **fault}])
        except AssertionError:
            continue
        said.append(run(*common, "--since", "last"))
    said += [run(*common, "--patient", "canary-78"), run(*common, "--patient", f"{NAME} {NUMBER}")]
    small.kill()
    said.append(run(*common, "--patient", "canary-77", "--retry-tries", "1"))
    text = "".join(result.output for result in said) + caplog.text
    assert '"event": "exchange"' in text
    found = [word for word in (NAME, NUMBER, VALUE, "canary-7", "Patient/", "?", BORN) if word in text]
    # The message for a word that is no id must not repeat it; urllib3's own log at DEBUG does name what was asked.
    assert [word for word in found if word in "".join(result.output for result in said)] == []


def test_the_log_of_libraries_names_no_patient_unless_somebody_asks_for_it(small: Sekmet, tmp_path: Path) -> None:
    """E46: nothing of ours switches on the debugging of others"""
    copy = _process(small.base, tmp_path / "ledger.sqlite", "--verbose")
    out, err = copy.communicate(timeout=60)
    assert b'"event": "summary"' in out
    assert b'"event": "exchange"' in out + err
    assert not [word for word in (NAME, NUMBER, VALUE, "canary-77") if word.encode() in out + err]


def test_a_terminal_gets_a_bar_and_a_summary_for_people(base: str, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    import os

    leader, follower = pty.openpty()
    words = ["run", "--server", base, "--patient", "child", *AS_OF, "--ledger", str(tmp_path / "ledger.sqlite")]
    copy = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=follower, stderr=follower)
    os.close(follower)
    said = bytearray()
    reader = threading.Thread(target=lambda: said.extend(_all(leader)))
    reader.start()
    assert copy.wait(60) == 1
    reader.join(10)
    text = said.decode()
    assert re.search(r"1/1", text)
    assert "1 patient: 1 nothing-to-write; 1 undetermined" in text
    assert "osteo-fhir status" in text


def _all(leader: int) -> bytes:
    import os

    said = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            return said
        if not piece:
            return said
        said += piece


def test_the_doctor_says_what_a_server_can_do(base: str) -> None:
    result = run("doctor", "--server", base)
    assert result.exit_code == 0
    assert "FHIR R4 (4.0.1)" in result.stdout
    assert "one transaction" in result.stdout
    assert "ask       let us create and update RiskAssessment" in result.stdout
    findings = json.loads(run("doctor", "--server", base, "--json").stdout)
    assert {"release", "smart", "reading", "search", "writing"} == {each["about"] for each in findings}


def test_the_doctor_says_of_a_wrong_address_what_is_wrong(base: str) -> None:
    result = run("doctor", "--server", f"{base}/nowhere")
    assert result.exit_code == 3
    assert "check the address" in result.stdout
    gone = run("doctor", "--server", "http://127.0.0.1:1/fhir", "--retry-tries", "1")
    assert (gone.exit_code, "unreachable" in gone.stdout) == (3, True)
