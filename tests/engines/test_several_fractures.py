"""Several fractures are found among thousands as if each record were held against every other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import combinations
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from adapter.clinical.patient import Sex
from adapter.clinical.results import RiskFactor
from adapter.clinical.time import months_before
from adapter.engines.answers import Answer, all_of, any_of
from adapter.engines.density import density_of
from adapter.engines.fractures import very_high_triggers
from adapter.knowledge.model import Knowledge
from tests.engines.building import changed, fracture, profile, shipped

_DAYS = (None, "2019", "2021-03", "2021-05-01", "2021-06-01", "2021-08-02", "2023")
records: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "site": st.sampled_from(["", "hip", "vertebra"]),
        "since": st.sampled_from(_DAYS),
        "fragility": st.sampled_from([True, True, None, False]),
        "code": st.sampled_from(["a", "b", "c"]),
    }
)


# A fracture twice on record, and between the two another, too near to the first alone to be told from it.
_BETWEEN = [
    {"site": "", "since": since, "fragility": True, "code": code}
    for since, code in (("2021-05-01", "a"), ("2021-06-01", "b"), ("2023", "a"))
]


@example(_BETWEEN, 2)
@given(st.lists(records, max_size=6), st.sampled_from([2, 3]))
def test_the_answer_is_that_of_holding_each_against_every_other(recorded: list[dict[str, Any]], many: int) -> None:
    known = [fracture(**each, id=str(index)) for index, each in enumerate(recorded)]
    patient, knowledge = profile(Sex.FEMALE, 70, *known), from_so_many(many)

    found = very_high_triggers(patient, density_of(patient, knowledge), knowledge)["several-fractures"]

    months = int(knowledge.number("btm_fracture_block_months"))
    assert found is any_of(are_different(group, months) for group in combinations(known, many))


@cache
def from_so_many(fractures: int) -> Knowledge:
    """Knowledge by which so many fragility fractures are several."""
    parameter = shipped().parameters["fractures_many"].model_copy(update={"value": Decimal(fractures)})
    return changed(parameters={**shipped().parameters, "fractures_many": parameter})


def are_different(group: Sequence[RiskFactor], healing: int) -> Answer:
    """Whether all are fragility fractures, and no two of them one fracture."""
    fragile = [fracture.fragility for fracture in group]
    return all_of([*fragile, *(differ(one, other, healing) for one, other in combinations(group, 2))])


def differ(one: RiskFactor, other: RiskFactor, healing: int) -> Answer:
    """Whether two records are of two fractures: at two sites, or coded differently and a healing time apart."""
    if one.site and other.site and one.site != other.site:
        return True
    if one.since is None or other.since is None or one.code == other.code:
        return None
    earlier, later = sorted((one.since, other.since), key=lambda time: time.latest)
    return earlier.latest < months_before(later.earliest, healing) or None
