"""Several fractures are found among thousands as if each record were held against every other."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.patient import Sex
from adapter.clinical.results import RiskFactor
from adapter.engines.answers import Answer, all_of, any_of
from adapter.engines.density import density_of
from adapter.engines.fractures import very_high_triggers
from adapter.engines.spans import months_before
from tests.engines.building import fracture, profile, shipped

_DAYS = (None, "2019", "2021-03", "2021-05-01", "2021-06-01", "2021-08-02", "2023")
records: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "site": st.sampled_from(["", "hip", "vertebra"]),
        "since": st.sampled_from(_DAYS),
        "fragility": st.sampled_from([True, True, None, False]),
        "code": st.sampled_from(["a", "b", "c"]),
    }
)


@given(st.lists(records, max_size=6))
def test_the_answer_is_that_of_holding_each_against_every_other(recorded: list[dict[str, Any]]) -> None:
    known = [fracture(**each, id=str(index)) for index, each in enumerate(recorded)]
    patient, knowledge = profile(Sex.FEMALE, 70, *known), shipped()

    found = very_high_triggers(patient, density_of(patient, knowledge), knowledge)["several-fractures"]

    months = int(knowledge.number("btm_fracture_block_months"))
    pairs = combinations(known, 2)
    assert found is any_of(all_of((a.fragility, b.fragility, differ(a, b, months))) for a, b in pairs)


def differ(one: RiskFactor, other: RiskFactor, healing: int) -> Answer:
    """Whether two records are of two fractures: at two sites, or coded differently and a healing time apart."""
    if one.site and other.site and one.site != other.site:
        return True
    if one.since is None or other.since is None or one.code == other.code:
        return None
    earlier, later = sorted((one.since, other.since), key=lambda time: time.latest)
    return earlier.latest < months_before(later.earliest, healing) or None
