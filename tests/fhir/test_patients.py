from __future__ import annotations

from typing import Any

import pytest

from adapter.clinical.patient import Patient, Sex
from adapter.clinical.results import Coding
from adapter.fhir.reading import Reading
from adapter.fhir.releases import Release
from adapter.problems import ProblemCode
from tests.fhir.building import Json, bundle, observation, patient, read_all


def read_patient(**more: Any) -> tuple[Patient, list[ProblemCode]]:
    reading = read_all(patient(**more))
    return reading.patients["Patient/1"], [aside.problem.code for aside in reading.set_aside]


@pytest.mark.parametrize("sex", list(Sex))
def test_sex_is_administrative_gender(sex: Sex) -> None:
    person, problems = read_patient(gender=sex.value)
    assert (person.sex, problems) == (sex, [])


def test_what_is_not_recorded_is_not_known() -> None:
    """A4.7"""
    person, problems = read_patient(gender=None, birthDate=None)
    assert (person.sex, person.birth_date, person.deceased, person.active, problems) == (None, None, None, None, [])


@pytest.mark.parametrize("text", ["1960", "1960-03", "1960-03-14"])
def test_a_birth_date_is_as_precise_as_it_was_given(text: str) -> None:
    """A3.15, E27"""
    birth_date = read_patient(birthDate=text)[0].birth_date
    assert birth_date is not None
    assert birth_date.text == text


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"birthDate": "1960-02-30"}, ProblemCode.TIME_INVALID),
        ({"birthDate": 1960}, ProblemCode.ELEMENT_INVALID),
        ({"gender": "f"}, ProblemCode.ELEMENT_INVALID),
        ({"active": "yes"}, ProblemCode.ELEMENT_INVALID),
    ],
)
def test_a_faulty_element_costs_the_patient_nothing_else(fault: Json, code: ProblemCode) -> None:
    reading = read_all(patient(**fault))
    assert reading.patients["Patient/1"].known
    [aside] = reading.set_aside
    assert (aside.problem.code, aside.problem.used) == (code, True)


@pytest.mark.parametrize(
    ("elements", "deceased"),
    [({"deceasedBoolean": True}, True), ({"deceasedBoolean": False}, False), ({"deceasedDateTime": "2020"}, True)],
)
def test_a_death_is_read(elements: Json, deceased: bool) -> None:
    """A4.7"""
    assert read_patient(**elements)[0].deceased is deceased


def test_a_record_that_is_no_longer_active_says_so() -> None:
    """A4.7"""
    assert read_patient(active=False)[0].active is False


def test_ethnicity_is_read_from_extensions_and_nothing_else_is() -> None:
    race = {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [{"url": "ombCategory", "valueCoding": {"system": "s", "code": "2028-9"}}, {"url": "text"}],
    }
    other = {"url": "http://example.org/other", "valueCoding": {"system": "s", "code": "x"}}
    assert read_patient(extension=[race, other])[0].ethnicity == (Coding("s", "2028-9"),)


@pytest.mark.parametrize(
    ("forbidding", "code"),
    [
        ({"modifierExtension": [{"url": "x"}]}, ProblemCode.MODIFIER_UNKNOWN),
        ({"implicitRules": "x"}, ProblemCode.IMPLICIT_RULES),
        ({"meta": {"tag": [{"code": "SUBSETTED"}]}}, ProblemCode.SUBSETTED),
    ],
)
def test_a_patient_that_may_not_be_used_leaves_results_without_sex_and_age(forbidding: Json, code: ProblemCode) -> None:
    """A3.19"""
    reading = read_all(bundle(patient(**forbidding), observation()))
    assert not reading.patients["Patient/1"].known
    assert [aside.problem.code for aside in reading.set_aside] == [code]


def test_an_animal_is_no_patient_here() -> None:
    """A2: a modifier element of STU3"""
    reading = read_all(patient(animal={"species": {}}), release=Release.STU3)
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.MODIFIER_UNKNOWN]


def test_a_patient_that_nothing_can_mean_is_set_aside() -> None:
    reading = read_all({"resourceType": "Patient", "gender": "female"})
    assert reading.patients == {}
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.ENTRY_INVALID]


def codes(reading: Reading) -> list[ProblemCode]:
    return [aside.problem.code for aside in reading.set_aside]


def test_a_patient_that_came_twice_is_one() -> None:
    reading = read_all(patient(), patient(), observation())
    assert reading.patients["Patient/1"].known
    assert codes(reading) == [ProblemCode.DUPLICATE]


def test_patients_of_one_identity_that_differ_prove_nothing() -> None:
    reading = read_all(patient(), patient(gender="male"), patient(), observation())
    assert not reading.patients["Patient/1"].known
    assert codes(reading) == [ProblemCode.CONFLICT] * 3
    assert reading.results[0].patient == "Patient/1"


def test_the_newest_version_of_a_patient_counts() -> None:
    """A3.23"""
    versions = [patient(gender=g, meta={"versionId": v}) for g, v in (("female", "9"), ("male", "10"))]
    reading = read_all(*versions)
    assert reading.patients["Patient/1"].sex is Sex.MALE
    assert codes(reading) == [ProblemCode.SUPERSEDED]
