"""Law: "raising a resorption marker never lowers the plan", whatever else is recorded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.bundles import Json, assessed, frax, measured, only, records

# How far the plan goes towards a medicine, by its row in the decision table.
_REACH: dict[str | None, int] = {
    None: 0,
    **dict.fromkeys(("P1", "P12", "P13"), 1),
    "P2": 2,
    **dict.fromkeys(("P4", "P5", "P6", "P7"), 3),
    "P3": 4,
    **dict.fromkeys(("P9", "P10"), 5),
    "P8": 6,
    "P11": 7,
}
_HIGHEST = {"ctx": 10000, "ntx": 500, "urine-ntx-creatinine": 3000}
_CODES = {"41171-0", "21215-9", "14115-0"}


def without_resorption(record: list[Json]) -> list[Json]:
    return [each for each in record if not any(code in str(each) for code in _CODES)]


@pytest.mark.parametrize("marker", _HIGHEST)
@given(records(), st.data())
def test_a_higher_resorption_marker_never_asks_for_less(marker: str, record: list[Json], data: st.DataObject) -> None:
    amounts = st.decimals(5, _HIGHEST[marker], places=1)
    low, high = sorted((data.draw(amounts), data.draw(amounts)))
    others = without_resorption(record)

    before, after = (_plan([*others, measured("raised", marker, f"{value:f}")]) for value in (low, high))

    assert _REACH[after] >= _REACH[before]


def test_the_plan_does_rise_with_the_marker() -> None:
    """Without this the law would hold of plans that never move."""
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}

    plans = [_plan([patient, *frax("12.4", "2.1"), measured("ctx", "ctx", value)]) for value in ("400", "900")]

    assert plans == ["P4", "P3"]


def _plan(record: list[Json]) -> str | None:
    return only(assessed(record)).assessment.plan


@given(records(), st.decimals(5, 10000, places=1))
def test_a_resorption_marker_never_changes_the_stratum(record: list[Json], value: Decimal) -> None:
    others = without_resorption(record)

    before, after = only(assessed(others)), only(assessed([*others, measured("more", "ctx", f"{value:f}")]))

    assert (after.assessment.stratum, after.assessment.stratum_rule) == (
        before.assessment.stratum,
        before.assessment.stratum_rule,
    )
