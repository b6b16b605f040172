"""Same input, same output: what is written twice is written once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import __version__
from adapter.clinical.assessment import Evidence, Stratum
from adapter.fhir.device import VERSION
from adapter.fhir.identity import provenance_id
from adapter.fhir.releases import Release
from adapter.knowledge.model import Knowledge
from tests.writing.building import AS_OF, EVIDENCE, PATIENT, assessment, factor, result, written


def id_of(knowledge: Knowledge, **changed: Any) -> str:
    id_: str = written(knowledge, assessment(**changed))[0]["id"]
    return id_


def test_the_same_assessment_is_the_same_resource(knowledge: Knowledge) -> None:
    assert written(knowledge) == written(knowledge)


def test_a_later_run_over_the_same_evidence_is_the_same_resource(knowledge: Knowledge) -> None:
    assert id_of(knowledge) == id_of(knowledge, as_of=AS_OF + timedelta(days=1))


def test_the_order_of_the_evidence_is_irrelevant(knowledge: Knowledge) -> None:
    assert id_of(knowledge) == id_of(knowledge, evidence=EVIDENCE[::-1])


UNVERSIONED = result("p1np", "40", "ug/L", version="")


@pytest.mark.parametrize(
    "changed",
    [
        {"patient": PATIENT.__class__(key="Patient/64", reference="Patient/64")},
        {"stratum": Stratum.HIGH},
        {"plan": "P4"},
        {"evidence": EVIDENCE[:-1]},
        {"evidence": (*EVIDENCE[:1], Evidence(result=result("frax-mof", "12.4", "%", version="4")))},
        {"evidence": (Evidence(result=UNVERSIONED),)},
        {"evidence": (Evidence(result=result("p1np", "41", "ug/L", version="")),)},
        {"evidence": (Evidence(result=factor("smoking")),)},
        {"evidence": (Evidence(result=factor("smoking", present=False)),)},
        {"evidence": (Evidence(result=factor("smoking", version="1")),)},
    ],
)
def test_another_patient_conclusion_or_evidence_is_another_resource(
    knowledge: Knowledge, changed: dict[str, Any]
) -> None:
    assert id_of(knowledge, **changed) != id_of(knowledge)


def test_without_versions_another_value_is_another_resource(knowledge: Knowledge) -> None:
    amended = result("p1np", "41", "ug/L", version="")
    before, after = (Evidence(result=each) for each in (UNVERSIONED, amended))
    assert id_of(knowledge, evidence=(before,)) != id_of(knowledge, evidence=(after,))


def test_other_rules_make_another_resource(knowledge: Knowledge) -> None:
    other = knowledge.model_copy(update={"fingerprint": "0" * 64})
    assert id_of(knowledge) != id_of(other)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_id_is_the_uuid_of_its_name_in_our_name_space(name: str) -> None:
    assert provenance_id(name) == str(uuid5(UUID("2f0e3f0c-5d1b-5c1e-9a55-6d0c8f4b7a31"), f"provenance\n{name}"))


def test_the_device_is_the_same_for_everyone_in_every_release(knowledge: Knowledge) -> None:
    others = written(knowledge, assessment(patient=PATIENT.__class__(key="x", reference="Patient/x")))[1]
    assert written(knowledge)[1] == others
    assert written(knowledge, release=Release.R5)[1]["id"] == others["id"]


def test_the_device_has_the_version_of_the_distribution(knowledge: Knowledge, repository: Any) -> None:
    assert __version__ == VERSION
    assert f'\nversion = "{VERSION}"\n' in (repository / "pyproject.toml").read_text()
