"""The job is killed with -9 wherever it may be, started again until it is done, and every patient has one assessment.

E45. ``pytest tests/campaigns --kills 200`` is the long form; what is counted is what the server holds.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

from tests.campaigns.population import Population, population
from tests.campaigns.trap import Moment, Way

_NOT_KILLED = "it ended before"
# All done, or something left for another copy that is at work on it.
_ORDERLY = {0, 3}


def one_life(people: Population, chance: random.Random) -> str:
    """Start the job, kill it at some moment, and say at which."""
    moment = chance.choice([*Moment, None])
    number = chance.randint(1, 25) if moment is Moment.READING else chance.randint(1, 3)
    people.trap.set(moment, number, delay=chance.random() / 50)
    order = chance.sample(people.patients, len(people.patients))
    process = people.trap.victim = people.started(order)
    try:
        process.wait(timeout=600 if moment else 0.5 + chance.random())
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "at any time"
    return str(moment) if moment and people.trap.sprung else _NOT_KILLED


def test_a_job_that_is_killed_again_and_again_assesses_every_patient_once(
    tmp_path: Path, kills: int, kind: str, way: Way
) -> None:
    chance, deaths = random.Random(45), Counter[str]()  # noqa: S311 - no secret hangs on it
    with population(tmp_path, kind, way, max(6, kills)) as people:
        while deaths.total() - deaths[_NOT_KILLED] < kills:
            deaths[one_life(people, chance)] += 1
            # Once there is nothing left to write, only a reader can be killed.
            assert deaths[_NOT_KILLED] <= max(6, kills), deaths
        people.bring_to_an_end()

        people.assert_each_was_assessed_once()
        people.assert_the_ledger_agrees()
    print(dict(deaths))  # noqa: T201 - shown by -s, and where the test fails


def test_a_job_that_is_killed_at_each_boundary_goes_on_from_there(
    tmp_path: Path, writes: list[int], kind: str, way: Way
) -> None:
    # In a transaction a patient is one write, and a life has two patients.
    boundaries = [(moment, write) for moment in Moment for write in writes if way is not Way.TRANSACTIONS or write < 3]
    with population(tmp_path, kind, way, 2 * len(boundaries)) as people:
        patients = iter(people.patients)
        for moment, write in boundaries:
            people.trap.set(moment, write, delay=0.003)
            process = people.trap.victim = people.started([next(patients), next(patients)])
            process.wait(timeout=60)
            assert people.trap.sprung, (moment, write, people.log())
        people.bring_to_an_end()

        people.assert_each_was_assessed_once()
        people.assert_the_ledger_agrees()


def test_two_copies_started_together_assess_every_patient_once(tmp_path: Path, kind: str, way: Way) -> None:
    with population(tmp_path, kind, way, 6) as people:
        copies = [people.started(name=name) for name in ("first", "second")]

        assert {copy.wait(timeout=120) for copy in copies} <= _ORDERLY
        people.bring_to_an_end()
        people.assert_each_was_assessed_once()
        people.assert_the_ledger_agrees()


def test_two_copies_that_do_not_share_a_ledger_assess_every_patient_once_where_the_server_helps(
    tmp_path: Path, kind: str, way: Way
) -> None:
    with population(tmp_path, kind, way, 6) as people:
        copies = [people.started(name=name, ledger=f"{name}.sqlite") for name in ("first", "second")]

        assert {copy.wait(timeout=120) for copy in copies} <= _ORDERLY
        if way is Way.PLAIN_CREATES:
            # Nothing but a shared ledger can keep two apart who may only create; nobody is lost, though.
            assert {each["subject"]["reference"] for each in people.found("RiskAssessment")} == {
                f"Patient/{each}" for each in people.patients
            }
        else:
            people.assert_each_was_assessed_once()
