"""An adult is not given the height of the child that she was."""

from __future__ import annotations

import pytest

from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult
from adapter.problems import Problem, ProblemCode
from adapter.recognition.adulthood import age_at, of_the_grown
from adapter.recognition.markers import RecognitionOptions, recognise
from tests.recognition.building import AS_OF, knowledge, lab, marker, quantity, time


def sorted_out(result: MarkerResult, born: str | None = "1963-01-01") -> tuple[list[MarkerResult], list[Problem]]:
    patient = Patient(key="Patient/1", reference="Patient/1", birth_date=time(born) if born else None)
    return of_the_grown([result], patient, knowledge(), as_of=AS_OF, use_issued=False)


@pytest.mark.parametrize(
    ("birth_date", "age"),
    [("1963-06-15", 63), ("1963-06-16", 62), ("1963", None), ("1963-01", 63), ("2030-01-01", None)],
)
def test_age_is_given_only_where_the_birth_date_settles_it(birth_date: str, age: int | None) -> None:
    assert age_at(time(birth_date), AS_OF) == age


def test_no_birth_date_is_no_age() -> None:
    assert age_at(None, AS_OF) is None


def test_a_height_of_childhood_is_not_the_height_of_the_adult() -> None:
    kept, aside = sorted_out(marker("height", "1.21", effective=time("1970-05-01")))
    assert kept == []
    assert [problem.code for problem in aside] == [ProblemCode.TOO_OLD]


@pytest.mark.parametrize("born", ["1963-01-01", "1963"])
def test_the_weight_of_a_newborn_is_old_and_not_implausible(born: str) -> None:
    weight = recognise(lab("29463-7", quantity("3.6", "kg")), knowledge(), RecognitionOptions())
    assert isinstance(weight, MarkerResult)
    at_birth = marker("weight", "3.6", effective=time("1963-01-01"))
    assert [problem.code for problem in sorted_out(at_birth, born)[1]] == [ProblemCode.TOO_OLD]


@pytest.mark.parametrize("born", ["1963-01-01", "2008-01-01", None])
def test_a_weight_that_no_adult_has_is_implausible(born: str | None) -> None:
    kept, aside = sorted_out(marker("weight", "3.6"), born)
    assert kept == []
    assert [(problem.code, problem.what) for problem in aside] == [
        (ProblemCode.IMPLAUSIBLE, "3.6 kg is below the plausible 20 kg")
    ]


def test_what_a_child_weighs_today_stays() -> None:
    weight = marker("weight", "18")
    assert sorted_out(weight, "2020-01-01") == ([weight], [])


def test_results_that_do_not_grow_with_the_body_are_left_alone() -> None:
    calcium = marker("calcium", "2.4", effective=time("1970-05-01"))
    assert sorted_out(calcium) == ([calcium], [])
