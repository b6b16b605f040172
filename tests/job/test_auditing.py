"""The audit trail: every record that was read and everything that was written is accounted for, and no more is told."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import LedgerUnusable
from adapter.fhir.audit_event import CHANGED, CREATED, EXPORTED, READ, Event, audit_event
from adapter.fhir.releases import WRITTEN, Release
from adapter.fhir.validation import validate
from adapter.job.auditing import Audit, AuditFile
from adapter.job.doing import Choices, Job
from adapter.job.endings import Done, Ending
from adapter.pipeline import Options
from adapter.problems import ProblemCode
from tests.job.building import (
    AS_OF,
    BORN,
    CANARY,
    KNOWLEDGE,
    NAME,
    NUMBER,
    PATIENT,
    VALUE,
    canary,
    hospital_with,
    journey,
    ledger_at,
    server_of,
)
from tests.job.hospital import BASE, LISTED, Hospital, statement
from tests.validators.judges import assert_valid_r4

Json = dict[str, Any]
NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def done_on(
    hospital: Hospital, folder: Path, *, patient: str = PATIENT, to_server: bool = False, dry_run: bool = False
) -> Done:
    server = server_of(hospital)
    audit = Audit(server, clock=lambda: NOW, file=AuditFile(folder / "audit.ndjson"), to_server=to_server)
    choices = Choices(options=Options(), owner="test", dry_run=dry_run)
    job = Job(server, ledger_at(folder), KNOWLEDGE, choices, as_of=lambda: AS_OF, audit=audit)
    return job.assess_and_write(patient)


def events(folder: Path) -> list[Json]:
    return [json.loads(line) for line in (folder / "audit.ndjson").read_bytes().splitlines()]


def told(folder: Path) -> list[tuple[str, str, list[str]]]:
    """What was done, how it ended, and about what, without ids that the server chose."""
    return [
        (
            each["subtype"][0]["code"],
            each["outcome"],
            [entity["what"]["reference"].partition("/")[0] for entity in each["entity"]],
        )
        for each in events(folder)
    ]


def test_what_is_read_and_what_is_written_are_an_event_each(tmp_path: Path) -> None:
    """A9.8"""
    hospital = hospital_with()
    done = done_on(hospital, tmp_path)
    assert told(tmp_path) == [
        ("search", "0", ["Patient"]),
        ("create", "0", ["Patient", "RiskAssessment", "Device", "Provenance"]),
    ]
    assert [each["what"]["reference"] for each in events(tmp_path)[1]["entity"]] == [PATIENT, *done.written]
    assert {each["recorded"] for each in events(tmp_path)} == {"2026-06-15T12:00:00.000+00:00"}
    assert events(tmp_path)[0]["agent"][1]["who"] == {"display": BASE}


def test_a_second_run_reads_and_writes_nothing(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    done_on(hospital, tmp_path)
    assert [what for what, _, _ in told(tmp_path)] == ["search", "create", "search"]


def test_what_was_taken_back_is_a_change(tmp_path: Path) -> None:
    hospital = hospital_with()
    done_on(hospital, tmp_path)
    [ctx] = [each for each in journey() if each["id"] == "ctx"]
    hospital.hold({**ctx, "status": "entered-in-error"})
    done_on(hospital, tmp_path)
    assert ("update", "0", ["Patient", "RiskAssessment"]) in told(tmp_path)


@pytest.mark.parametrize("status", [403, 500])
def test_a_record_that_came_in_part_was_read_and_not_wholly(tmp_path: Path, status: int) -> None:
    done_on(hospital_with(refuses={"Condition": status}), tmp_path)
    assert told(tmp_path) == [("search", "4", ["Patient"])]


def test_a_dry_run_reads_and_says_so(tmp_path: Path) -> None:
    done_on(hospital_with(), tmp_path, dry_run=True)
    assert [what for what, _, _ in told(tmp_path)] == ["search"]


def test_no_name_and_no_value_stands_in_the_trail(tmp_path: Path) -> None:
    """E46"""
    hospital = Hospital()
    hospital.hold(*canary())
    assert done_on(hospital, tmp_path, patient=CANARY).ending is Ending.WRITTEN
    text = (tmp_path / "audit.ndjson").read_text()
    assert CANARY in text
    assert not [each for each in (NAME, NUMBER, VALUE, BORN, "moderate", "38483") if each in text]


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    done_on(hospital_with(), tmp_path)
    assert stat.S_IMODE((tmp_path / "audit.ndjson").stat().st_mode) == 0o600


def test_the_file_may_be_moved_away_at_any_time(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.ndjson")
    file.add(b"{}")
    (tmp_path / "audit.ndjson").rename(tmp_path / "audit.1")
    file.add(b"[]")
    assert [(tmp_path / name).read_bytes() for name in ("audit.1", "audit.ndjson")] == [b"{}\n", b"[]\n"]


def test_what_cannot_be_accounted_for_is_not_done(tmp_path: Path) -> None:
    hospital = hospital_with()
    (tmp_path / "audit.ndjson").mkdir()
    with pytest.raises(LedgerUnusable, match="audit_file"):
        done_on(hospital, tmp_path)
    assert hospital.all("RiskAssessment") == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, match="No space left"):
        AuditFile(Path("/dev/full")).add(b"{}")


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "audit.ndjson")
    with pytest.raises(LedgerUnusable):
        AuditFile(tmp_path / "audit.ndjson").add(b"{}")
    assert not (tmp_path / "elsewhere").exists()


def test_a_server_that_keeps_the_trail_gets_the_same_events(tmp_path: Path) -> None:
    hospital = hospital_with(metadata=statement(*LISTED, "AuditEvent"))
    assert done_on(hospital, tmp_path, to_server=True).ending is Ending.WRITTEN
    kept = [{**each, "id": "", "meta": {}} for each in hospital.all("AuditEvent")]
    assert kept == [{**each, "id": "", "meta": {}} for each in events(tmp_path)]


def test_what_was_written_stands_where_the_server_does_not_record_it(tmp_path: Path) -> None:
    hospital = hospital_with()

    def full(request: Any) -> None:
        if b'"create"' in request.body and "AuditEvent" in request.url:
            hospital.refuses["AuditEvent"] = 403

    hospital.before = full
    done = done_on(hospital, tmp_path, to_server=True)
    assert (done.ending, [each.code for each in done.problems]) == (Ending.WRITTEN, [ProblemCode.AUDIT_NOT_STORED])


def test_a_record_whose_reading_the_server_does_not_record_is_not_used(tmp_path: Path) -> None:
    hospital = hospital_with(refuses={"AuditEvent": 403})
    done = done_on(hospital, tmp_path, to_server=True)
    assert (done.ending, done.reason) == (Ending.FAILED, "http-403")
    assert hospital.all("RiskAssessment") == []


@pytest.mark.parametrize("release", WRITTEN)
def test_every_event_is_valid_in_every_release(release: Release) -> None:
    written = [
        audit_event(
            Event(
                done=done, patient=PATIENT if about else "", others=("RiskAssessment/1/_history/2",), succeeded=about
            ),
            id_="e-1",
            server=BASE,
            recorded=NOW.isoformat(),
            release=release,
        )
        for done in (READ, EXPORTED, CREATED, CHANGED)
        for about in (True, False)
    ]
    assert [problem for each in written for problem in validate(each, release)] == []
    if release is Release.R4:
        assert_valid_r4(written)
