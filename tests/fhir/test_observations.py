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
    bundle,
    observation,
    only_result,
    patient,
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
    assert first.panel is not None
    assert first.panel.codings[0].code == "41171-0"
    assert (second.value, second.absent_reason, second.reference_ranges[0].text) == (None, "no", "> -1")
    assert second.notes == ("hip",)


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
    assert result.issued is not None


def test_a_time_that_only_breaks_ties_may_be_unreadable() -> None:
    """A3.16"""
    result = only_result(observation(issued="yesterday", meta={"lastUpdated": 5, "versionId": "3"}))
    assert (result.issued, result.last_updated, result.version) == (None, None, "3")


def test_reference_ranges_are_read_with_their_conditions() -> None:
    """A3.17"""
    ranges = [
        {"low": quantity("0.1"), "high": quantity("0.6"), "type": {"text": "normal"}, "appliesTo": [{"text": "women"}]},
        {"text": "<0.6", "age": {"low": {"value": 50, "code": "a"}}},
    ]
    first, second = only_result(observation(referenceRange=ranges)).reference_ranges
    assert first.low is not None
    assert (first.low.value, first.type.text, first.applies_to[0].text) == (Decimal("0.1"), "normal", "women")
    assert (second.low, second.text) == (None, "<0.6")
    assert second.age is not None


@pytest.mark.parametrize("fault", [{"modifierExtension": [{"url": "lowComparator"}]}, {"low": {"value": "0.1"}}])
def test_a_range_that_is_not_understood_costs_neither_the_result_nor_the_other_ranges(fault: Json) -> None:
    """A3.17, E21"""
    reading = read_all(observation(referenceRange=[{"high": quantity(), **fault}, {"text": "<0.6"}]))
    assert [each.text for each in reading.results[0].reference_ranges] == ["<0.6"]
    [aside] = reading.set_aside
    assert (aside.problem.code, aside.problem.used) == (ProblemCode.RANGE_NOT_USED, True)
    assert aside.problem.where.startswith("1.json.referenceRange[0].")


@pytest.mark.parametrize(
    "system", ["http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "http://hl7.org/fhir/v2/0078"]
)
def test_the_laboratorys_own_reading_is_kept(system: str) -> None:
    """A3.18"""
    result = only_result(observation(interpretation=[{"coding": [{"system": system, "code": "H"}]}]))
    assert result.interpretation == (Coding(system, "H"),)


@pytest.mark.parametrize(
    "place",
    [
        {"modifierExtension": [{"url": "x"}]},
        {"code": {**CTX, "modifierExtension": [{"url": "x"}]}},
        {"valueQuantity": {**quantity(), "modifierExtension": [{"url": "x"}]}},
    ],
)
def test_a_modifier_that_is_not_known_forbids_the_use(place: Json) -> None:
    """A3.19, E21"""
    assert refusals(observation(**place)) == [ProblemCode.MODIFIER_UNKNOWN]


def test_rules_that_are_not_known_forbid_the_use() -> None:
    """A3.19, E21"""
    assert refusals(observation(implicitRules="http://example.org/rules")) == [ProblemCode.IMPLICIT_RULES]


def test_a_resource_that_the_server_shortened_is_not_used() -> None:
    """A1.24"""
    tag = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]
    assert refusals(observation(meta={"tag": tag})) == [ProblemCode.SUBSETTED]


def test_security_labels_are_passed_on() -> None:
    """A3.19"""
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    assert only_result(observation(meta={"security": [label]})).security == (Coding(label["system"], "R"),)


@pytest.mark.parametrize("focus", [{"reference": "Patient/mother"}, {"display": "fetus"}, {"reference": "Device/1"}])
def test_a_result_about_something_other_than_the_subject_is_not_used(focus: Json) -> None:
    """A3.21"""
    assert refusals(observation(focus=[focus])) == [ProblemCode.FOCUS_ELSEWHERE]


def test_a_focus_on_the_subject_itself_changes_nothing() -> None:
    only_result(observation(focus=[{"reference": "Patient/1"}]))


def test_no_category_is_needed() -> None:
    """A3.22"""
    only_result(observation(category=None))
    only_result(observation(category=[{"text": "procedure"}]))


def sampled(**collection: Any) -> Json:
    specimen = {"resourceType": "Specimen", "id": "s", "type": {"text": "serum"}, "collection": collection}
    return bundle(patient(), specimen, observation(specimen={"reference": "Specimen/s"}))


FASTING = "http://terminology.hl7.org/CodeSystem/v2-0916"


@pytest.mark.parametrize(("code", "fasting"), [("F", True), ("NF", False), ("FNA", None), ("NG", None)])
def test_whether_the_patient_was_fasting_is_read_from_the_specimen(code: str, fasting: bool | None) -> None:
    status = {"coding": [{"system": FASTING, "code": code}]}
    result = read_all(sampled(collectedDateTime="2026-06-02", fastingStatusCodeableConcept=status)).results[0]
    assert result.fasting is fasting
    assert result.specimen.text == "serum"
    assert result.specimen_collected is not None


@pytest.mark.parametrize(
    ("duration", "fasting"),
    [
        ({"value": 12, "code": "h"}, True),
        ({"value": 0, "code": "h"}, False),
        ({"value": 3, "code": "h"}, None),
        ({"value": 3, "code": "d"}, None),
        ({"code": "h"}, None),
    ],
)
def test_a_fast_of_a_night_is_fasting(duration: Json, fasting: bool | None) -> None:
    assert read_all(sampled(fastingStatusDuration=duration)).results[0].fasting is fasting


@pytest.mark.parametrize(
    "fault", [{"status": "entered-in-error"}, {"modifierExtension": [{"url": "x"}]}, {"type": "x"}]
)
def test_a_specimen_that_is_not_usable_tells_nothing(fault: Json) -> None:
    document = sampled()
    document["entry"][1]["resource"] |= fault
    result = read_all(document).results[0]
    assert (result.specimen.text, result.fasting) == ("", None)


def test_what_tells_assays_apart_is_kept() -> None:
    lab = {"resourceType": "Organization", "id": "lab"}
    document = observation(
        method={"text": "ECLIA"},
        device={"display": "e801"},
        bodySite={"text": "hip"},
        performer=[{"reference": "Practitioner/1", "display": "Ann"}, {"reference": "urn:uuid:lab", "display": "Lab"}],
        identifier=[{"system": "urn:oid:1", "value": "7"}, {"value": "8"}],
    )
    entries = {"entry": [{"fullUrl": "urn:uuid:LAB", "resource": lab}, {"resource": document}]}
    result = read_all({"resourceType": "Bundle", "type": "collection", **entries}).results[0]
    assert (result.method.text, result.device, result.performer) == ("ECLIA", "e801", "Lab")
    assert (result.body_site.text, result.identifiers) == ("hip", ("urn:oid:1|7",))


def test_a_contained_laboratory_without_a_name_tells_nothing_apart() -> None:
    lab = {"resourceType": "Organization", "id": "lab"}
    assert only_result(observation(contained=[lab], performer=[{"reference": "#lab"}])).performer == ""
