"""Law: "an irrelevant result changes nothing": it is counted, and what is written stays the same to the byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.bundles import Json, assessed, conclusion, irrelevant, of_patient, only, records, written


@given(records(), st.lists(st.sampled_from(irrelevant()), min_size=1, max_size=4), st.integers(0, 9))
def test_what_says_nothing_about_bones_changes_nothing(record: list[Json], others: list[Json], place: int) -> None:
    more = [other | {"id": f"other-{number}"} for number, other in enumerate(others)]

    before, after = only(assessed(record)), only(assessed([*record[:place], *more, *record[place:]]))

    assert conclusion(after) == conclusion(before)
    assert written(after) == written(before)
    assert len(after.irrelevant) == len(before.irrelevant) + len(more)


@given(records(most=5), records(most=5))
def test_the_results_of_somebody_else_change_nothing(mine: list[Json], other: list[Json]) -> None:
    together = assessed([*mine, *of_patient(other, "q")])

    (same,) = [each for each in together.patients if each.assessment.patient.reference == "Patient/p"]

    assert conclusion(same) == conclusion(only(assessed(mine)))
    assert written(same) == written(only(assessed(mine)))
