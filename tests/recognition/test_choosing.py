"""The newest usable result wins, never one after ``as_of``, and every other is named (fhir.md A3.16, A3.23)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

from adapter.clinical.results import MarkerResult
from adapter.problems import Problem, ProblemCode
from adapter.recognition.choosing import dated, newest_usable, without_duplicates
from tests.recognition.building import AS_OF, marker, time


def chosen(*results: MarkerResult) -> tuple[str | None, list[ProblemCode]]:
    newest, aside = newest_usable(results, use_issued=False)
    return (newest.digits if newest else None), [problem.code for problem in aside]


def codes(problems: list[Problem]) -> list[ProblemCode]:
    return [problem.code for problem in problems]


def test_the_newest_by_effective_time_wins_whatever_the_order() -> None:
    old = marker("ctx", "300", effective=time("2026-01-01"), resource="Observation/old")
    new = marker("ctx", "400", effective=time("2026-05-01"), resource="Observation/new")
    assert chosen(old, new) == chosen(new, old) == ("400", [ProblemCode.SUPERSEDED])


def test_on_one_time_a_corrected_result_beats_a_final_one() -> None:
    final = marker("ctx", "300", resource="Observation/a")
    corrected = marker("ctx", "400", resource="Observation/b", status="corrected")
    assert chosen(final, corrected)[0] == "400"


def test_on_one_time_the_later_issued_wins() -> None:
    first = marker("ctx", "300", resource="Observation/a", issued="2026-06-01T10:00:00Z")
    second = marker("ctx", "400", resource="Observation/b", issued="2026-06-01T12:00:00Z")
    assert chosen(first, second)[0] == "400"


def test_equal_standing_and_different_values_are_a_conflict_and_neither_counts() -> None:
    one, other = marker("ctx", "300", resource="Observation/a"), marker("ctx", "400", resource="Observation/b")
    assert chosen(one, other) == (None, [ProblemCode.CONFLICT, ProblemCode.CONFLICT])


def test_copies_that_differ_in_fasting_contradict_each_other() -> None:
    one = marker("ctx", "300", resource="Observation/a", fasting=True)
    other = marker("ctx", "300", resource="Observation/b", fasting=False)
    assert chosen(one, other) == (None, [ProblemCode.CONFLICT, ProblemCode.CONFLICT])


@pytest.mark.parametrize("fasting", [True, False])
def test_copies_that_agree_in_fasting_are_one_result(fasting: bool) -> None:
    copies = [marker("ctx", "300", resource=f"Observation/{name}", fasting=fasting) for name in "ab"]
    assert chosen(*copies) == ("300", [ProblemCode.DUPLICATE])


def test_thousands_of_results_are_chosen_from_without_comparing_all_with_all() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [time((start + timedelta(minutes=minute)).isoformat()) for minute in range(20_000)]
    many = [marker("ctx", "300", effective=when, resource=f"Observation/{n}") for n, when in enumerate(times)]
    began = perf_counter()
    newest, _ = newest_usable(many, use_issued=False)
    assert newest is many[-1]
    # All with all took minutes, so this bound is far from both.
    assert perf_counter() - began < 15


def test_equal_standing_and_equal_values_are_one_result() -> None:
    one, other = marker("ctx", "300", resource="Observation/a"), marker("ctx", "300", resource="Observation/b")
    assert chosen(one, other) == ("300", [ProblemCode.DUPLICATE])


def test_frax_with_bone_density_beats_frax_without_on_the_same_day() -> None:
    without = marker("frax-mof", "9.0", effective=time("2026-06-01"), with_bmd=False, resource="Observation/a")
    with_bmd = marker("frax-mof", "12.0", effective=time("2026-06-01"), with_bmd=True, resource="Observation/b")
    assert chosen(without, with_bmd)[0] == "12.0"


def test_a_month_that_cannot_be_ordered_against_a_day_gives_way_to_it() -> None:
    month = marker("ctx", "300", effective=time("2026-03"), resource="Observation/a")
    day = marker("ctx", "400", effective=time("2026-03-15"), resource="Observation/b")
    assert chosen(month, day) == ("400", [ProblemCode.SUPERSEDED])


def test_nothing_to_choose_from_gives_nothing() -> None:
    assert chosen() == (None, [])


def test_a_result_after_the_assessment_is_set_aside_and_so_is_one_that_may_be() -> None:
    later = marker("ctx", "300", effective=time("2026-07-01"))
    perhaps = marker("ctx", "300", effective=time("2026"))
    before = marker("ctx", "300", effective=time("2026-06-15"))
    usable, aside = dated([later, perhaps, before], AS_OF, use_issued=False)
    assert usable == [before]
    assert codes(aside) == [ProblemCode.IN_THE_FUTURE, ProblemCode.IN_THE_FUTURE]


def test_a_collection_period_counts_once_it_has_begun() -> None:
    from adapter.clinical.time import period

    open_ended = marker("urine-calcium-24h", "5", effective=period(time("2026-06-14"), None))
    future = marker("urine-calcium-24h", "5", effective=period(time("2026-07-14"), None))
    usable, aside = dated([open_ended, future], AS_OF, use_issued=False)
    assert usable == [open_ended]
    assert codes(aside) == [ProblemCode.IN_THE_FUTURE]


def test_a_result_without_time_is_set_aside_unless_issued_may_stand_in() -> None:
    result = marker("ctx", "300", effective=None, issued="2026-06-01T12:00:00Z")
    assert codes(dated([result], AS_OF, use_issued=False)[1]) == [ProblemCode.TIME_MISSING]
    assert dated([result], AS_OF, use_issued=True)[0] == [result]


def test_of_two_versions_of_one_resource_the_servers_latest_is_kept() -> None:
    first = marker("ctx", "300", version="1", last_updated="2026-06-01T09:00:00Z", where="x")
    second = marker("ctx", "400", version="uuid", last_updated="2026-06-02T09:00:00Z", where="y")
    kept, aside = without_duplicates([first, second])
    assert kept == [second]
    assert codes(aside) == [ProblemCode.DUPLICATE]


def test_versions_are_ordered_by_number_where_no_update_time_came() -> None:
    nine, ten = marker("ctx", "300", version="9"), marker("ctx", "400", version="10")
    assert without_duplicates([ten, nine])[0] == [ten]


def test_versions_that_differ_and_cannot_be_ordered_contradict_each_other() -> None:
    kept, aside = without_duplicates([marker("ctx", "300"), marker("ctx", "400")])
    assert kept == []
    assert codes(aside) == [ProblemCode.CONFLICT, ProblemCode.CONFLICT]


def test_two_components_of_one_panel_are_two_results() -> None:
    parts = [
        marker("frax-mof", "12.0", where=f"a.json#Observation/1.component[{n}]", entry="a.json#Observation/1")
        for n in range(2)
    ]
    assert without_duplicates(parts)[0] == parts


def test_the_same_business_identifier_time_and_value_are_one_result() -> None:
    one = marker("ctx", "300", identifiers=("acc|1",), resource="Observation/a")
    other = marker("ctx", "300", identifiers=("acc|1",), resource="Observation/b")
    kept, aside = without_duplicates([one, other])
    assert kept == [one]
    assert codes(aside) == [ProblemCode.DUPLICATE]


def test_of_two_codes_for_one_marker_the_preferred_one_is_chosen() -> None:
    newer_equation = marker("egfr", "61", resource="Observation/a", rank=0)
    older_equation = marker("egfr", "58", resource="Observation/b", rank=2)
    assert chosen(older_equation, newer_equation) == ("61", [ProblemCode.SUPERSEDED])
