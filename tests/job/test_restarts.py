"""Killed at any moment, and started again: each assessment is on the server once, and the ledger knows it (E45)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.job.endings import Ending
from adapter.ledger.entries import Entry, State
from adapter.ledger.ledger import Ledger
from tests.job.building import PATIENT, hospital_with, job_on, journey
from tests.job.hospital import BASE, Hospital, statement

# More than one patient ever needs, so that the last ones of each list run through.
_MOST = 24


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this."""


def in_sequence() -> dict[str, Any]:
    """A server that takes no transactions."""
    said = statement()
    said["rest"][0]["interaction"] = [{"code": "search-system"}]
    return said


def at(number: int) -> Callable[[object], None]:
    """Kills at the n-th call."""
    left = [number]

    def called(_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    return called


def run_until_killed(hospital: Hospital, folder: Path, kill: Callable[[object], None], where: str) -> None:
    job = job_on(hospital, folder, owner="first")
    if where in ("before", "after"):
        setattr(hospital, where, kill)
    else:
        job.ledger = Dying(folder / "ledger.sqlite", job.ledger, kill)  # type: ignore[assignment]
    try:
        job.assess_and_write(PATIENT)
    except Killed:
        pass
    finally:
        hospital.before = hospital.after = lambda request: None
        job.ledger.close()


class Dying:
    """A ledger whose process dies around the n-th record."""

    def __init__(self, path: Path, ledger: Ledger, kill: Callable[[object], None]) -> None:
        self._ledger, self._kill = ledger, kill

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def record(self, entry: Entry) -> None:
        self._kill(entry)
        self._ledger.record(entry)
        self._kill(entry)


@pytest.mark.parametrize("number", range(1, _MOST))
@pytest.mark.parametrize("where", ["before", "after", "recording"])
@pytest.mark.parametrize("says", [statement, in_sequence])
def test_what_was_killed_is_gone_on_with_and_written_once(
    tmp_path: Path, says: Callable[[], dict[str, Any]], where: str, number: int
) -> None:
    hospital = hospital_with(metadata=says())
    run_until_killed(hospital, tmp_path, at(number), where)
    job = job_on(hospital, tmp_path, owner="second")
    assert job.assess_and_write(PATIENT).ending in (Ending.WRITTEN, Ending.UNCHANGED)
    assert [len(hospital.all(kind)) for kind in ("RiskAssessment", "Device", "Provenance")] == [1, 1, 1]
    [entry] = job.ledger.entries()
    assert (entry.state, entry.written[0]) == (State.WRITTEN, _place(hospital.all("RiskAssessment")[0]))


@pytest.mark.parametrize("number", range(1, _MOST))
@pytest.mark.parametrize("where", ["before", "after", "recording"])
def test_a_renewal_that_was_killed_leaves_one_assessment_standing(tmp_path: Path, where: str, number: int) -> None:
    hospital = hospital_with()
    job_on(hospital, tmp_path).assess_and_write(PATIENT)
    [result] = [each for each in journey() if each["id"] == "t-score"]
    hospital.hold({**result, "status": "entered-in-error"})
    run_until_killed(hospital, tmp_path, at(number), where)
    job = job_on(hospital, tmp_path, owner="second")
    job.assess_and_write(PATIENT)
    assert [each["status"] for each in hospital.all("RiskAssessment")] == ["entered-in-error", "final"]
    current = job.ledger.current(BASE, PATIENT)
    assert current is not None
    assert current.written[0] == _place(hospital.all("RiskAssessment")[1])
    assert len(job.ledger.entries(states=[State.RETRACTED])) == 1


@pytest.mark.parametrize("number", range(1, _MOST))
@pytest.mark.parametrize("where", ["before", "after", "recording"])
def test_a_return_to_an_earlier_assessment_that_was_killed_leaves_that_one_standing(
    tmp_path: Path, where: str, number: int
) -> None:
    hospital = hospital_with()
    job_on(hospital, tmp_path).assess_and_write(PATIENT)
    hidden = hospital.held.pop("Observation/t-score")
    job_on(hospital, tmp_path).assess_and_write(PATIENT)
    hospital.held["Observation/t-score"] = hidden
    run_until_killed(hospital, tmp_path, at(number), where)
    job = job_on(hospital, tmp_path, owner="second")
    job.assess_and_write(PATIENT)
    assert [each["status"] for each in hospital.all("RiskAssessment")] == ["final", "entered-in-error"]
    assert [entry.state for entry in job.ledger.history(BASE, PATIENT)] == [State.WRITTEN, State.RETRACTED]


def _place(resource: dict[str, Any]) -> str:
    return f"RiskAssessment/{resource['id']}/_history/{resource['meta']['versionId']}"
