from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.clinical.results import Coding, ReportedOther, ReportedQuantity, ReportedRange, ReportedRatio, ReportedText
from adapter.clinical.time import Precision
from adapter.fhir.releases import Release
from adapter.problems import ProblemCode
from tests.fhir.building import (
    CTX,
    DATA_ABSENT,
    LOINC,
    REASONS,
    Json,
    absent,
    observation,
    only_result,
    quantity,
    read_all,
    refusals,
)

T_SCORE = {"coding": [{"system": LOINC, "code": "38267-1"}]}


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_result_that_stands_is_read(status: str) -> None:
    """A3.1"""
    assert only_result(observation(status=status)).status == status


@pytest.mark.parametrize(
    "status", ["preliminary", "registered", "cancelled", "entered-in-error", "unknown", "banana", "Final", None, ""]
)
def test_a_result_that_does_not_stand_is_set_aside(status: str | None) -> None:
    """A3.1, E23"""
    assert refusals(observation(status=status)) == [ProblemCode.STATUS_NOT_USABLE]


def test_a_preliminary_result_is_read_if_that_is_wanted() -> None:
    """A3.1"""
    reading = read_all(observation(status="preliminary"), allow_preliminary=True)
    assert [result.status for result in reading.results] == ["preliminary"]


def test_a_status_that_is_masked_is_set_aside_and_the_reason_told() -> None:
    """A3.4: data-absent-reason as an extension on the primitive"""
    reading = read_all(observation(status=None, _status=absent("masked")))
    assert reading.set_aside[0].problem.what == "status is absent (masked)"


def test_an_error_emptied_to_id_and_status_is_noted_as_retracted() -> None:
    """A3.3, E22"""
    reading = read_all({"resourceType": "Observation", "id": "gone", "status": "entered-in-error"})
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.STATUS_NOT_USABLE]
    assert reading.retracted == ["Observation/gone"]


def test_a_value_that_is_absent_keeps_its_reason_and_is_never_zero() -> None:
    """A3.4"""
    reason = {"coding": [{"system": REASONS, "code": "not-performed"}]}
    result = only_result(observation(valueQuantity=None, dataAbsentReason=reason))
    assert (result.value, result.absent_reason) == (None, "not-performed")


@pytest.mark.parametrize("reason", [{"text": "lost"}, {}])
def test_a_reason_in_words_is_a_reason(reason: Json) -> None:
    result = only_result(observation(valueQuantity=None, dataAbsentReason=reason))
    assert result.absent_reason == reason.get("text", "unknown")


@pytest.mark.parametrize(
    "value",
    [
        {"valueQuantity": {"_value": absent("not-a-number"), "unit": "ng/mL"}},
        {"valueQuantity": {"extension": [{"url": DATA_ABSENT, "valueCode": "not-a-number"}]}},
        {"_valueQuantity": absent("not-a-number")},
        {"_valueString": absent("not-a-number")},
        {"_valueInteger": absent("not-a-number")},
    ],
)
def test_a_reason_within_the_value_is_found(value: Json) -> None:
    """A3.4"""
    result = only_result(observation(**{"valueQuantity": None, **value}))
    assert (result.value, result.absent_reason) == (None, "not-a-number")


def test_an_extension_without_a_code_still_says_that_the_value_is_absent() -> None:
    value = {"extension": [7, {"url": "other"}, {"url": DATA_ABSENT}]}
    assert only_result(observation(valueQuantity=None, _valueString=value)).absent_reason == "unknown"


def test_a_value_beside_a_reason_for_none_is_believed_neither_way() -> None:
    """A3.4 obs-6, E23"""
    reason = {"coding": [{"system": REASONS, "code": "error"}]}
    assert refusals(observation(dataAbsentReason=reason)) == [ProblemCode.ELEMENT_INVALID]
    inside = {**quantity(), "extension": [{"url": DATA_ABSENT, "valueCode": "error"}]}
    assert refusals(observation(valueQuantity=inside)) == [ProblemCode.ELEMENT_INVALID]


@pytest.mark.parametrize("comparator", ["<", "<=", ">=", ">"])
def test_a_comparator_travels_with_the_number(comparator: str) -> None:
    """A3.5"""
    value = only_result(observation(valueQuantity=quantity(comparator=comparator))).value
    assert isinstance(value, ReportedQuantity)
    assert value.comparator == comparator


@pytest.mark.parametrize("comparator", ["~", "=", "<>", "ad", "about", "a text with spaces"])
def test_a_comparator_that_bounds_nothing_is_refused(comparator: str) -> None:
    """A3.5, E23: R5 has ``ad`` besides, which bounds nothing either"""
    document = observation(valueQuantity=quantity(comparator=comparator))
    assert refusals(document) == [ProblemCode.COMPARATOR_INVALID]
    assert refusals(document, release=Release.R5) == [ProblemCode.COMPARATOR_INVALID]


def test_a_quantity_keeps_its_digits_and_its_units_as_received() -> None:
    """A3.10, A3.8, E26: units are judged elsewhere"""
    value = {"value": Decimal("0.500"), "unit": "μg/L", "system": "http://unitsofmeasure.org/", "code": "ug/L"}
    reported = only_result(observation(valueQuantity=value)).value
    assert reported == ReportedQuantity(Decimal("0.500"), "", "μg/L", "http://unitsofmeasure.org/", "ug/L")
    assert isinstance(reported, ReportedQuantity)
    assert str(reported.value) == "0.500"


def test_a_value_whose_comparator_is_not_known_is_not_taken_as_exact() -> None:
    """A3.5"""
    document = observation(valueQuantity=quantity(_comparator=absent("masked")))
    assert refusals(document) == [ProblemCode.COMPARATOR_INVALID]
    assert "masked" in read_all(document).set_aside[0].problem.values["reason"]


def test_a_comparator_without_a_number_is_a_value_without_a_number() -> None:
    """Trap 12"""
    value = only_result(observation(valueQuantity={"comparator": "<", "unit": "ng/mL"})).value
    assert value == ReportedQuantity(None, "<", "ng/mL")


VALUES: list[tuple[str, Any, Any]] = [
    ("valueInteger", 3, ReportedQuantity(Decimal(3))),
    ("valueString", "<0.05", ReportedText("<0.05")),
    ("valueBoolean", False, ReportedOther("boolean", boolean=False)),
    ("valueTime", "08:10:00", ReportedOther("Time")),
    ("valueSampledData", {"data": "1 2"}, ReportedOther("SampledData")),
    ("valueAttachment", {"url": "x"}, ReportedOther("Attachment")),
    ("valueReference", {"reference": "x"}, ReportedOther("Reference")),
    ("valueRange", {"low": {"value": 1}}, ReportedRange(ReportedQuantity(Decimal(1)))),
    (
        "valueRatio",
        {"numerator": {"value": 324, "unit": "mg"}, "denominator": {"value": 24, "unit": "h"}},
        ReportedRatio(ReportedQuantity(Decimal(324), "", "mg"), ReportedQuantity(Decimal(24), "", "h")),
    ),
]


@pytest.mark.parametrize(("name", "value", "expected"), VALUES)
def test_every_type_of_value_has_its_answer(name: str, value: Any, expected: Any) -> None:
    """A3.6, A3.7"""
    assert only_result(observation(valueQuantity=None, **{name: value})).value == expected


def test_coded_and_timed_values_are_read() -> None:
    """A3.7"""
    coded = only_result(observation(valueQuantity=None, valueCodeableConcept={"coding": [{"code": "LA33-6"}]})).value
    timed = only_result(observation(valueQuantity=None, valueDateTime="2020-05")).value
    spanned = only_result(observation(valueQuantity=None, valuePeriod={"start": "2020"})).value
    assert getattr(coded, "codings", None) == (Coding("", "LA33-6"),)
    assert isinstance(timed, ReportedOther)
    assert timed.time is not None
    assert isinstance(spanned, ReportedOther)
    assert spanned.time is not None


@pytest.mark.parametrize(
    "faulty",
    [
        {"valueQuantity": "0.5"},
        {"valueQuantity": {"value": "0.5"}},
        {"valueQuantity": {"value": True}},
        {"valueQuantity": {"value": {"x": 1}}},
        {"valueQuantity": {"value": 1, "unit": 5}},
        {"valueQuantity": [{"value": 1}]},
        {"valueInteger": "1"},
        {"valueBoolean": "true"},
        {"valueRatio": 1},
        {"valueRange": {"low": 1}},
        {"valueCodeableConcept": "x"},
        {"valuePeriod": "x"},
        {"valueBanana": 1},
        {"valueQuantity": {"value": 1}, "valueString": "1"},
        {"code": "41171-0"},
        {"code": {"coding": {"system": LOINC}}},
        {"code": {"coding": [5]}},
        {"code": {"coding": [{"system": 5}]}},
        {"component": {}},
        {"component": ["x"]},
        {"performer": 1},
        {"note": [{"text": 1}]},
        {"specimen": "x"},
        {"focus": 7},
        {"meta": []},
        {"hasMember": [1]},
        {"interpretation": "H"},
        {"dataAbsentReason": "unknown"},
    ],
)
def test_an_element_of_the_wrong_type_is_named_and_the_result_not_used(faulty: Json) -> None:
    """E19, E20: wrong JSON is a problem with its path, never an exception"""
    reading = read_all(observation(**({"valueQuantity": None} | faulty)))
    assert reading.results == []
    assert {aside.problem.code for aside in reading.set_aside} == {ProblemCode.ELEMENT_INVALID}
    assert all(aside.problem.where.startswith("1.json.") for aside in reading.set_aside)


def test_elements_that_are_not_used_are_not_judged() -> None:
    """E20: an unknown element costs nothing"""
    only_result(observation(category="wrong", encounter=5, banana={"x": 1}, text=None))


def test_null_and_empty_texts_say_nothing() -> None:
    only_result({**observation(valueQuantity=quantity(comparator="")), "bodySite": None, "method": {"text": None}})


def test_each_component_is_a_result_of_its_own() -> None:
    """A3.12"""
    components = [
        {"code": T_SCORE, "valueQuantity": quantity("-2.6", "1"), "interpretation": [{"coding": [{"code": "L"}]}]},
        {"code": {"text": "Z"}, "dataAbsentReason": {"text": "no"}, "referenceRange": [{"text": "> -1"}]},
    ]
    reading = read_all(observation(valueQuantity=None, component=components, note=[{"text": "hip"}]))
    first, second = reading.results
    assert (first.where, first.entry, first.resource) == ("1.json.component[0]", "1.json", "Observation/ctx")
    assert (first.code.codings[0].code, first.interpretation) == ("38267-1", (Coding("", "L"),))
    assert first.test.panel is not None
    assert first.test.panel.codings[0].code == "41171-0"
    assert (second.value, second.absent_reason, second.reference_ranges[0].text) == (None, "no", "> -1")
    assert second.test.notes == ("hip",)


def test_a_value_beside_components_is_a_result_too() -> None:
    """A3.12"""
    reading = read_all(observation(component=[{"code": T_SCORE, "valueInteger": 1}]))
    assert [result.where for result in reading.results] == ["1.json", "1.json.component[0]"]


def test_one_faulty_component_costs_no_other() -> None:
    """A3.12, A3.19"""
    components = [
        {"code": T_SCORE, "valueInteger": 1},
        {"code": T_SCORE, "valueInteger": 1, "modifierExtension": [{"url": "x"}]},
        {"code": T_SCORE, "valueQuantity": 7},
    ]
    reading = read_all(observation(valueQuantity=None, component=components))
    assert len(reading.results) == 1
    assert [(a.problem.code, a.problem.where) for a in reading.set_aside] == [
        (ProblemCode.MODIFIER_UNKNOWN, "1.json.component[1].modifierExtension"),
        (ProblemCode.ELEMENT_INVALID, "1.json.component[2].valueQuantity"),
    ]


def test_a_component_may_not_repeat_the_code_of_a_whole_with_a_value() -> None:
    """A3.12 obs-7"""
    reading = read_all(observation(component=[{"code": CTX, "valueInteger": 1}]))
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.ELEMENT_INVALID]


def test_a_panel_heading_is_a_result_without_a_value() -> None:
    """A3.13"""
    result = only_result(observation(valueQuantity=None, hasMember=[{"reference": "Observation/a"}]))
    assert (result.value, result.absent_reason, result.members) == (None, "", ("Observation/a",))


TIMES = [
    ("2026", Precision.YEAR),
    ("2026-03", Precision.MONTH),
    ("2026-03-15", Precision.DAY),
    ("2026-03-15T08:00:00+14:00", Precision.INSTANT),
    ("2026-06-30T23:59:60Z", Precision.INSTANT),
]


@pytest.mark.parametrize(("text", "precision"), TIMES)
def test_a_time_is_as_precise_as_it_was_given(text: str, precision: Precision) -> None:
    """A3.15, E27"""
    effective = only_result(observation(effectiveDateTime=text)).effective
    assert effective is not None
    assert (effective.text, effective.precision) == (text, precision)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-01-01T24:00:00Z", "0000", "02.03.2026", "2026-13"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """A3.15, E27"""
    assert refusals(observation(effectiveDateTime=text)) == [ProblemCode.TIME_INVALID]


def test_a_clock_time_without_zone_is_known_by_its_date() -> None:
    """A3.15, E27"""
    effective = only_result(observation(effectiveDateTime="2026-03-15T08:00:00")).effective
    assert effective is not None
    assert (effective.precision, effective.zone_missing) == (Precision.DAY, True)


def test_instants_and_open_periods_are_times() -> None:
    """A3.15"""
    instant = only_result(observation(effectiveDateTime=None, effectiveInstant="2026-03-15T08:00:00Z")).effective
    period = only_result(observation(effectiveDateTime=None, effectivePeriod={"start": "2026-03-15"})).effective
    assert instant is not None
    assert period is not None
    assert period.precision is Precision.PERIOD


@pytest.mark.parametrize(
    "time",
    [
        {"effectiveTiming": {"event": ["2026-03-15"]}},
        {"effectivePeriod": {"start": "2026-03-15", "end": "2026-03-14"}},
        {"effectivePeriod": {"start": "today"}},
    ],
)
def test_schedules_and_reversed_periods_are_no_time(time: Json) -> None:
    """A3.15"""
    assert refusals(observation(effectiveDateTime=None, **time)) == [ProblemCode.TIME_INVALID]


def test_a_missing_time_is_left_to_whoever_needs_one() -> None:
    """A3.15"""
    result = only_result(observation(effectiveDateTime=None, issued="2026-06-02T08:10:00Z"))
    assert result.effective is None
    assert result.issued == "2026-06-02T08:10:00Z"


def test_a_time_that_only_breaks_ties_may_be_unreadable() -> None:
    """A3.16"""
    result = only_result(observation(issued="yesterday", meta={"lastUpdated": 5, "versionId": "3"}))
    assert (result.issued, result.last_updated, result.version) == ("yesterday", "", "3")
