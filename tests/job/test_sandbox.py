"""``osteo-fhir sandbox``: up with patients, gone with Ctrl-C, and a friendly word where it cannot be."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from adapter.entrypoints import sandboxing
from adapter.errors import InputUnreadable, SettingsInvalid
from tests.entrypoints.building import run
from tests.job.building import JOURNEYS

PROGRAM = "from adapter.entrypoints.cli import main; main()"
ONE = JOURNEYS / "moderate-raised-turnover" / "input.json"


def started(*words: str | Path) -> tuple[subprocess.Popen[str], str]:
    """A sandbox, and its base address once it is there."""
    command = [sys.executable, "-c", PROGRAM, "sandbox", "--port", "0", *map(str, words)]
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert sandbox.stdout is not None
    found = re.fullmatch(r"FHIR server: (\S+)\n", sandbox.stdout.readline())
    assert found, sandbox.communicate()
    return sandbox, found[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_up_with_the_patients_and_gone_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    sandbox, base = started("--load", ONE)
    try:
        patient: Any = requests.get(f"{base}/Patient/p-01", timeout=10).json()
        assert patient["birthDate"] == "1963-03-14"
        assert sandbox.stdout is not None
        # Not before it has said what to do next: it may be asked to go in the middle of its words.
        assert any("osteo-fhir run --server" in line for line in iter(sandbox.stdout.readline, ""))
    finally:
        sandbox.send_signal(number)
    _, err = sandbox.communicate(timeout=30)
    assert (sandbox.returncode, "stopped" in err) == (0, True)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base}/metadata", timeout=5)


def test_a_folder_keeps_what_was_written_and_is_not_filled_again(tmp_path: Path) -> None:
    for gender in ("male", "other"):
        sandbox, base = started("--data", tmp_path / "data", "--load", ONE)
        patient: Any = requests.get(f"{base}/Patient/p-01", timeout=10).json()
        requests.put(f"{base}/Patient/p-01", json={**patient, "gender": gender}, timeout=10)
        sandbox.terminate()
        sandbox.wait(30)
        assert patient["gender"] == {"male": "female", "other": "male"}[gender]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sekmet", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("sandbox", "--port", "0")
    assert result.exit_code == 2
    assert "pip install 'osteo-fhir-adapter[sandbox]'" in result.stderr


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("sandbox", "--port", str(taken.getsockname()[1]), "--load", ONE)
    assert result.exit_code == 2
    assert "choose another" in result.stderr


def test_every_clinical_state_is_a_patient_called_so() -> None:
    patients = sandboxing.journeys()
    assert len(patients) == len(list(JOURNEYS.glob("*/input.json")))
    named = [each for resources in patients.values() for each in resources]
    ids = [(each["resourceType"], each["id"]) for each in named]
    assert len(set(ids)) == len(ids)
    assert all(len(id_) <= 64 for _, id_ in ids)
    assert ("Patient", "moderate-raised-turnover") in ids
    text = json.dumps(patients, default=str)
    assert '"Patient/p-01"' not in text


def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}')
    with pytest.raises(InputUnreadable, match="have an id"):
        sandboxing.loaded((str(tmp_path),))
    with pytest.raises(SettingsInvalid, match="no such file"):
        sandboxing.loaded((str(tmp_path / "b.json"),))
