"""A profile holds what is usable at one moment, and says of everything else why it is not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from adapter.clinical.patient import Patient, Sex
from adapter.clinical.profile import Menopause
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.time import ClinicalTime, period
from adapter.problems import ProblemCode
from adapter.recognition.gathering import Gathered, gather
from adapter.recognition.markers import RecognitionOptions
from tests.recognition.building import AS_OF, factor, knowledge, marker, time


def gathered(
    results: list[MarkerResult] | None = None, factors: list[RiskFactor] | None = None, **patient: Any
) -> Gathered:
    who = Patient(
        key="Patient/1", reference="Patient/1", **{"sex": Sex.FEMALE, "birth_date": time("1963-01-01"), **patient}
    )
    return gather(who, results or [], factors or [], knowledge(), as_of=AS_OF, options=RecognitionOptions())


def test_the_newest_result_of_each_marker_is_in_the_profile() -> None:
    results = [marker("ctx", "300", resource="Observation/1"), marker("p1np", "50", resource="Observation/2")]
    profile = gathered(results).profile
    assert {name: result.digits for name, result in profile.results.items()} == {"ctx": "300", "p1np": "50"}


def test_dxa_results_are_kept_for_each_site() -> None:
    hip = marker("dxa-t-score", "-2.6", site="total-hip", resource="Observation/1")
    spine = marker("dxa-t-score", "-1.9", site="lumbar-spine", resource="Observation/2")
    assert {result.site for result in gathered([hip, spine]).profile.dxa} == {"total-hip", "lumbar-spine"}


def test_an_old_result_is_set_aside_as_too_old_and_stays_in_the_history() -> None:
    old = marker("ctx", "300", effective=time("2025-06-01"))
    outcome = gathered([old])
    assert "ctx" not in outcome.profile.results
    assert outcome.profile.history["ctx"] == (old,)
    assert [problem.code for problem in outcome.set_aside] == [ProblemCode.TOO_OLD]


def test_of_many_old_results_only_the_newest_is_told_with_its_date() -> None:
    days = ("2010-06-01", "2018-06-01", "2025-06-01")
    old = [marker("ctx", "300", effective=time(day), resource=f"Observation/{day}") for day in days]
    told = [problem.what for problem in gathered(old).set_aside]
    assert told == [*["ctx is older than 6 months"] * 2, "ctx of 2025-06-01 is older than 6 months"]


@pytest.mark.parametrize("coarse", [period(None, time("2026-06-01")), time("2025")])
def test_a_result_that_may_be_recent_is_not_called_older_than_it_is_known_to_be(coarse: ClinicalTime) -> None:
    """A3.15: a Period without a start, or a year, may have been before the limit and after it"""
    told = gathered([marker("ctx", "300", effective=coarse)]).set_aside
    assert [problem.what for problem in told] == [f"ctx of {coarse.text} may be older than 6 months"]


def test_the_history_is_oldest_first() -> None:
    newer = marker("ctx", "180", effective=time("2026-06-01"), resource="Observation/2")
    older = marker("ctx", "610", effective=time("2025-12-01"), resource="Observation/1")
    assert gathered([newer, older]).profile.history["ctx"] == (older, newer)


@pytest.mark.parametrize(
    ("birth_date", "factors", "menopause", "assumed"),
    [
        ("1976-01-01", [factor("postmenopausal")], Menopause.POST, False),
        ("1976-01-01", [factor("postmenopausal", present=False)], Menopause.PRE, False),
        ("1976-01-01", [factor("last-menstrual-period", since=time("2024-01"))], Menopause.POST, False),
        ("1976-01-01", [factor("last-menstrual-period", since=time("2026-05-20"))], Menopause.UNKNOWN, False),
        ("1976-01-01", [], Menopause.UNKNOWN, False),
        ("1976-01-01", [factor("smoking", present=False)], Menopause.UNKNOWN, False),
        ("1966-06-15", [], Menopause.POST, True),
        ("1990-01-01", [], Menopause.PRE, True),
    ],
)
def test_menopause_is_recorded_or_assumed_from_age_and_then_says_so(
    birth_date: str, factors: list[RiskFactor], menopause: Menopause, assumed: bool
) -> None:
    profile = gathered(factors=factors, birth_date=time(birth_date)).profile
    assert (profile.menopause, profile.menopause_assumed) == (menopause, assumed)


def test_menopause_is_no_question_for_a_man() -> None:
    assert gathered(sex=Sex.MALE).profile.menopause is Menopause.NOT_APPLICABLE


def test_a_fasting_answer_reaches_the_results_of_the_same_sample() -> None:
    ctx = marker("ctx", "300")
    answer = factor("fasting", present=False, since=ctx.effective)
    assert gathered([ctx], [answer]).profile.results["ctx"].fasting is False


def test_fasting_answers_that_differ_or_belong_elsewhere_say_nothing() -> None:
    ctx = marker("ctx", "300")
    elsewhere = factor("fasting", since=time("2026-05-01"))
    assert gathered([ctx], [elsewhere]).profile.results["ctx"].fasting is None
    yes = factor("fasting", since=ctx.effective, resource="Observation/y")
    no = factor("fasting", present=False, since=ctx.effective, resource="Observation/n")
    assert gathered([ctx], [yes, no]).profile.results["ctx"].fasting is None


def test_a_stated_fasting_is_not_overruled_by_an_answer() -> None:
    ctx = marker("ctx", "300", fasting=True)
    assert (
        gathered([ctx], [factor("fasting", present=False, since=ctx.effective)]).profile.results["ctx"].fasting is True
    )


def test_a_factor_that_begins_after_the_assessment_does_not_count_yet() -> None:
    outcome = gathered(factors=[factor("paget", since=time("2026-07-01"))])
    assert outcome.profile.factors == ()
    assert [problem.code for problem in outcome.set_aside] == [ProblemCode.IN_THE_FUTURE]


def test_one_record_that_came_twice_counts_once_in_its_newest_version() -> None:
    old = factor("paget", version="1", since=time("2020"))
    new = factor("paget", version="2", since=time("2020"))
    for order in ([old, new], [new, old]):
        outcome = gathered(factors=order)
        assert outcome.profile.factors == (new,)
        assert [problem.code for problem in outcome.set_aside] == [ProblemCode.DUPLICATE]


def test_the_newest_factor_stands_first() -> None:
    older = factor("paget", since=time("2019"), resource="Condition/1")
    newer = factor("paget", present=False, since=time("2025"), resource="Condition/2")
    profile = gathered(factors=[older, newer]).profile
    assert profile.factors == (newer, older)
    assert profile.denies("paget")
    assert profile.having("paget") == (older,)


def _answer(number: int, day: str | None, *, present: bool = True, kind: str = "smoking-current") -> RiskFactor:
    code = "http://loinc.org|82810-3" if kind == "pregnancy" else "http://loinc.org|72166-2"
    made = factor(kind, present=present, since=day and time(day), resource=f"Observation/{number}")
    return replace(made, code=code)


def _record(kind: str, day: str, **fields: Any) -> RiskFactor:
    return replace(
        factor(kind, since=time(day), resource=f"Procedure/{day}"), code="http://snomed.info/sct|1", **fields
    )


def test_only_the_newest_answer_to_a_question_counts() -> None:
    yes, no = _answer(1, "2024-05-01"), _answer(2, "2026-05-01", present=False)
    for order in ([yes, no], [no, yes]):
        outcome = gathered(factors=order)
        assert outcome.profile.factors == (no,)
        assert [(p.code, p.resource) for p in outcome.set_aside] == [(ProblemCode.SUPERSEDED, "Observation/1")]


def test_answers_that_cannot_be_ordered_all_count() -> None:
    answers = [_answer(1, "2026-05-01"), _answer(2, "2026", present=False), _answer(3, None)]
    outcome = gathered(factors=answers)
    assert {answer.resource for answer in outcome.profile.factors} == {answer.resource for answer in answers}
    assert outcome.set_aside == ()


def test_a_pregnancy_is_not_forgotten_when_it_is_over() -> None:
    answers = [
        _answer(1, "2026-03-01", kind="pregnancy"),
        _answer(2, "2026-06-01", present=False, kind="pregnancy"),
    ]
    assert len(gathered(factors=answers).profile.factors) == 2


def test_a_lasting_state_recorded_again_and_again_counts_once() -> None:
    sessions = [_record("dialysis", day) for day in ("2026-05-01", "2026-05-03", "2026-05-05")]
    outcome = gathered(factors=sessions)
    assert outcome.profile.factors == (sessions[-1],)
    assert [problem.code for problem in outcome.set_aside] == [ProblemCode.SUPERSEDED] * 2


def test_a_newer_record_that_is_over_does_not_hide_an_older_one_that_holds() -> None:
    taken = _record("thiazide", "2025-01-01")
    stopped = _record("thiazide", "2026-01-01", until=time("2026-02-01"))
    ended = _record("thiazide", "2024-01-01", ended=True)
    assert gathered(factors=[taken, stopped, ended]).profile.factors == (stopped, taken)


@pytest.mark.parametrize("kind", ["fracture", "antiresorptive", "glucocorticoid", "pregnancy", "falls"])
def test_events_and_courses_of_treatment_all_count(kind: str) -> None:
    records = [_record(kind, "2024-05-01"), _record(kind, "2026-05-03")]
    assert len(gathered(factors=records).profile.factors) == 2


def test_a_preliminary_result_makes_the_profile_preliminary() -> None:
    assert gathered([marker("ctx", "300", status="preliminary")]).profile.preliminary


@pytest.mark.parametrize(("measured", "counts"), [("2024-06-15T00:10:00Z", True), ("2024-06-14T23:50:00Z", False)])
def test_a_density_of_exactly_two_years_ago_counts_whatever_the_hour(measured: str, counts: bool) -> None:
    density = marker("dxa-t-score", "-2.6", effective=time(measured))
    assert bool(gathered([density]).profile.dxa) is counts


def test_some_results_never_grow_too_old() -> None:
    ageless = {name for name, known in knowledge().markers.items() if known.max_age_months is None}
    result = marker(min(ageless), "1.6", effective=time("2001-01-01"))
    assert gathered([result]).profile.history[result.marker] == (result,)
    assert gathered([result]).set_aside == ()
