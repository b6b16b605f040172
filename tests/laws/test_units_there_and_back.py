"""Law: "units there and back": a result in another unit is the same result, for every marker and every factor."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.knowledge.facts import MappedCode
from tests.laws.bundles import assessed, codes, numbers, observation, only, quantity, units
from tests.recognition.building import knowledge

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
_PAIRS = [
    (marker, one, other)
    for marker, factors in knowledge().unit_factors.items()
    for one, other in permutations(factors, 2)
]
# Decimals are worked out to 28 digits; no laboratory writes more than 20 that count.
_NOTHING = Decimal("1e-25")


def factor(marker: str, unit: str) -> Decimal:
    return knowledge().unit_factors[marker][unit].factor


@pytest.mark.parametrize("marker", knowledge().unit_factors)
def test_the_canonical_unit_is_itself(marker: str) -> None:
    assert factor(marker, knowledge().markers[marker].unit) == 1


@given(st.sampled_from(_PAIRS), st.decimals("0.001", 10000, places=3))
def test_a_value_converted_there_and_back_is_the_same(pair: tuple[str, str, str], value: Decimal) -> None:
    marker, one, other = pair

    canonical = Interval.exactly(value).scaled(factor(marker, one))
    elsewhere = canonical.scaled(1 / factor(marker, other))
    back = elsewhere.scaled(factor(marker, other)).scaled(1 / factor(marker, one)).exact

    assert back is not None
    assert abs(back - value) <= value * _NOTHING


@given(st.data())
def test_a_result_is_understood_the_same_whatever_unit_it_came_in(data: st.DataObject) -> None:
    code = data.draw(st.sampled_from([code for code in codes(decisive=False) if len(units(code)) > 1]))
    one, other = data.draw(st.permutations(units(code)))[:2]
    value = data.draw(numbers(code, one))
    same = value * factor(code.marker, one) / factor(code.marker, other)

    found = [_understood(code, value, one), _understood(code, same, other)]

    assert len({each is None for each in found}) == 1
    if found[0] is not None and found[1] is not None:
        first, second = found[0].value.exact, found[1].value.exact
        assert first is not None and second is not None
        assert abs(first - second) <= abs(first) * _NOTHING
        assert {each.unit for each in found if each} == {knowledge().markers[code.marker].unit}


def _understood(code: MappedCode, value: Decimal, unit: str) -> MarkerResult | None:
    patient = only(assessed([PATIENT, observation("o", code.code, quantity(value, unit))]))
    return next((each.result for each in patient.assessment.evidence if isinstance(each.result, MarkerResult)), None)
