"""The benchmark measures what it says: its data are as described, and every rival reads all of them."""

from __future__ import annotations

import json

import pytest

from adapter import Knowledge, load_knowledge
from tests.benchmarks import generating, naive, ours


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


def test_a_seed_always_gives_the_same_bytes_and_another_seed_others() -> None:
    assert generating.bundle(7) == generating.bundle(7)
    assert generating.bundle(7) != generating.bundle(8)


def test_an_observation_is_as_large_as_those_of_real_servers() -> None:
    sizes = [len(line) for seed in range(20) for line in generating.relevant_observations(seed)]
    assert min(sizes) >= 900
    assert max(sizes) <= 1400


def test_every_relevant_observation_is_understood(knowledge: Knowledge) -> None:
    lines = list(generating.relevant_observations(seed=3))
    assert len(ours.understood(b"\n".join(lines), knowledge)) == len(lines) == 12


def test_a_bundle_has_twelve_results_to_use_and_thirteen_to_leave(knowledge: Knowledge) -> None:
    outcome = ours.assessed(generating.bundle(seed=3), knowledge)
    [patient] = outcome.patients
    assert (outcome.entries, len(patient.irrelevant), patient.set_aside) == (26, 13, ())


def test_validation_changes_nothing_that_is_written(knowledge: Knowledge) -> None:
    data = generating.bundle(seed=3)
    assert ours.converted_and_validated(data, knowledge) == ours.converted(data, knowledge)


def test_the_naive_script_writes_a_risk_assessment_on_the_same_twelve_results() -> None:
    written = json.loads(naive.converted(generating.bundle(seed=3)))
    assert (written["resourceType"], len(written["basis"])) == ("RiskAssessment", 12)
