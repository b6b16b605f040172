"""The independent server starts, holds what is loaded, comes back with it, and never outlives its test."""

from __future__ import annotations

from pathlib import Path

from tests.servers.sekmet import sekmet

PATIENT = {"resourceType": "Patient", "id": "one", "gender": "female", "birthDate": "1956-03-14"}


def test_what_was_loaded_is_there_after_a_power_failure(tmp_path: Path) -> None:
    with sekmet(tmp_path) as server:
        server.load([PATIENT, PATIENT | {"id": "two"}])
        assert server.read("Patient/one")["gender"] == "female"
        server.kill()
    with sekmet(tmp_path) as again:
        assert [each["id"] for each in again.found("Patient?_count=1&_sort=_id")] == ["one", "two"]
    assert again.process.poll() is not None
