"""Law: "an unknown unit is never guessed": the result is set aside, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapter.knowledge.facts import MappedCode
from tests.laws.bundles import (
    Json,
    assessed,
    codes,
    conclusion,
    numbers,
    observation,
    only,
    quantity,
    records,
    units,
)
from tests.recognition.building import UCUM, knowledge

_REFUSALS = {"unit-unknown", "unit-missing", "unit-contradicts", "scale-unclear"}
_SCORES = ("dxa-t-score", "dxa-z-score")
# Near misses of real units: another case, a space, a slash too many, a look-alike letter, words.
_SLIPS: list[Callable[[str], str]] = [
    str.upper,
    str.lower,
    str.swapcase,
    " {}".format,
    "{} ".format,
    "{}/".format,
    "{}.".format,
    "1 {}".format,
    "{{{}}}".format,
    lambda unit: unit.replace("/", " per "),
    lambda unit: unit.replace("L", "I"),
    lambda unit: unit[:-1],
]
slipped = st.builds(
    lambda unit, slip: slip(unit), st.sampled_from(sorted(knowledge().known_units)), st.sampled_from(_SLIPS)
)
unknown = st.one_of(slipped, st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)).filter(
    lambda unit: unit not in knowledge().known_units and unit not in knowledge().unit_aliases
)


def spelled(number: Json, unit: str, way: str) -> Json:
    """The number with the unit as text, as code, as both, or as a code of another system."""
    bare = {"value": number["value"]}
    forms = {
        "text": {"unit": unit},
        "code": {"system": UCUM, "code": unit},
        "both": {"unit": unit, "system": UCUM, "code": unit},
        "other system": {"unit": unit, "system": "http://example.org/units", "code": unit},
        "bare code": {"code": unit},
    }
    return bare | {name: each for name, each in forms[way].items() if each}


def never_used(record: list[Json], odd: Json) -> None:
    before, after = only(assessed(record)), only(assessed([*record, odd]))
    assert conclusion(after) == conclusion(before)
    found = [problem for problem in after.set_aside if problem.resource == f"Observation/{odd['id']}"]
    assert {problem.code.value for problem in found} <= _REFUSALS
    assert len(found) == 1


@given(records(most=4), st.data(), unknown, st.sampled_from(["text", "code", "both", "other system", "bare code"]))
def test_a_unit_that_is_not_known_sets_the_result_aside(
    record: list[Json], data: st.DataObject, unit: str, way: str
) -> None:
    code = data.draw(st.sampled_from([code for code in codes(decisive=False) if code.marker not in _SCORES or unit]))
    value = quantity(data.draw(numbers(code, units(code)[0])), "")

    never_used(record, observation("odd", code.code, spelled(value, unit, way)))


@given(records(most=4), st.data())
def test_a_known_unit_of_another_dimension_sets_the_result_aside(record: list[Json], data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(codes(decisive=False)))
    others = knowledge().known_units - knowledge().unit_factors[code.marker].keys()
    unit = data.draw(st.sampled_from(sorted(others)))
    value = data.draw(numbers(code, units(code)[0]))

    never_used(record, observation("odd", code.code, quantity(value, unit)))


@given(records(most=4), st.data())
def test_a_unit_that_contradicts_its_code_sets_the_result_aside(record: list[Json], data: st.DataObject) -> None:
    code = data.draw(st.sampled_from([code for code in codes(decisive=False) if code.marker not in _SCORES]))
    one, other = data.draw(st.permutations(sorted(knowledge().known_units)))[:2]
    assume(_canonical(one) != _canonical(other))
    value = quantity(data.draw(numbers(code, units(code)[0])), "") | {"unit": one, "code": other}

    never_used(record, observation("odd", code.code, value))


def _canonical(unit: str) -> str:
    alias = knowledge().unit_aliases.get(unit)
    return alias.unit if alias else unit


@pytest.mark.parametrize("code", codes(decisive=True), ids=lambda code: f"{code.marker} {code.code}")
def test_a_number_without_a_unit_is_a_number_only_where_there_is_no_dimension(code: MappedCode) -> None:
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}

    outcome = only(assessed([patient, observation("odd", code.code, {"value": 1})]))

    assert [problem.code.value for problem in outcome.set_aside] == ([] if code.marker in _SCORES else ["unit-missing"])
