"""A newer assessment names the one it replaces, and both stay valid; so does one that was taken back."""

from __future__ import annotations

import pytest

from adapter.fhir.amending import RETRACTED, restated, superseding
from adapter.fhir.releases import Release
from adapter.fhir.validation import validate
from adapter.knowledge.model import Knowledge
from tests.validators.judges import assert_valid_r4, node_complaints
from tests.writing.building import written

OLD = "RiskAssessment/old/_history/1"


@pytest.mark.parametrize("release", [Release.R4, Release.R4B, Release.R5])
def test_what_names_an_earlier_assessment_is_valid_in_every_release(knowledge: Knowledge, release: Release) -> None:
    resources = superseding(written(knowledge, release=release), OLD)
    assert resources[0]["parent"] == {"reference": OLD}
    assert resources[2]["entity"][-1] == {"role": "revision", "what": {"reference": OLD}}
    assert [problem for resource in resources for problem in validate(resource, release)] == []


def test_independent_judges_take_it_too(knowledge: Knowledge) -> None:
    assert_valid_r4(superseding(written(knowledge), OLD))


def test_an_independent_judge_takes_what_was_taken_back(knowledge: Knowledge) -> None:
    # Not asked: pyrofile (0.3), which knows only the four statuses that the definition's summary names before its "+".
    assert node_complaints([restated(written(knowledge)[0], status=RETRACTED, why="A result was withdrawn.")]) == []


def test_nothing_else_changes_and_the_ids_stay(knowledge: Knowledge) -> None:
    before = written(knowledge)
    after = superseding(before, OLD)
    assert before == written(knowledge)
    assert {**after[0], "parent": None} == {**before[0], "parent": None}
    assert after[1] == before[1]
    assert after[2]["entity"][:-1] == before[2]["entity"]


@pytest.mark.parametrize("release", [Release.R4, Release.R5])
def test_what_was_taken_back_is_valid_and_stays_readable(knowledge: Knowledge, release: Release) -> None:
    found = {**written(knowledge, release=release)[0], "meta": {"versionId": "1", "security": [{"code": "R"}]}}
    changed = restated(found, status=RETRACTED, why="A result was withdrawn.")
    assert validate(changed, release) == []
    assert changed["meta"] == {"security": [{"code": "R"}]}
    assert changed["text"] == found["text"]
    assert list(changed)[:3] == ["resourceType", "id", "meta"]
