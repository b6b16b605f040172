from __future__ import annotations

import gzip

import pytest

from adapter.errors import InputUnreadable
from adapter.fhir.decoding import encode
from adapter.fhir.entries import split
from adapter.fhir.reading import Source, read
from adapter.problems import ProblemCode, Severity
from tests.fhir.building import Json, bundle, ndjson, observation, patient, read_all, resource


def places(document: Json | bytes, name: str = "a.json") -> list[str]:
    data = document if isinstance(document, bytes) else encode(document)
    return [entry.where for entry in split(data, name)]


BUNDLE_TYPES = (
    *("searchset", "collection", "batch", "transaction", "history", "document", "message"),
    *("batch-response", "transaction-response", "subscription-notification", "", "invented"),
)


@pytest.mark.parametrize("type_", BUNDLE_TYPES)
def test_the_entries_of_a_bundle_of_any_type_are_read(type_: str) -> None:
    """A4.1"""
    reading = read_all(bundle(patient(), observation(), type_=type_))
    assert len(reading.results) == 1
    assert reading.results[0].where == "1.json#Bundle.entry[1].resource"


def test_a_resource_on_its_own_is_an_entry() -> None:
    """A4.1"""
    assert places(observation()) == ["a.json"]


@pytest.mark.parametrize("name", ["b.ndjson", "b.jsonl", "b.NDJSON", "standard-input"])
def test_ndjson_is_known_by_its_name_or_by_its_lines(name: str) -> None:
    """A4.1, A6.6"""
    assert places(ndjson(patient(), observation()), name) == [f"{name}:1", f"{name}:2"]


def test_lines_may_end_as_in_windows_be_blank_or_hold_other_line_separators() -> None:
    """A6.6: U+2028 inside a text is no line end"""
    note = [{"text": "one\u2028two\u0085three"}]
    data = b"\xef\xbb\xbf" + ndjson(patient()).replace(b"\n", b"\r\n") + b"\n\r\n" + encode(observation(note=note))
    reading = read([Source("b.ndjson", data)], release=None)
    assert [result.where for result in reading.results] == ["b.ndjson:4"]
    assert reading.results[0].test.notes == ("one\u2028two\u0085three",)


def test_a_broken_line_costs_no_other() -> None:
    """A6.6, E16: each line is judged for itself"""
    data = ndjson(patient()) + b'{"resourceType": "Obser\n[]\n"\xff"\n{"a":1,"a":2}\n' + ndjson(observation())
    reading = read([Source("b.ndjson", data)], release=None)
    assert reading.entries == 6
    assert len(reading.results) == 1
    assert [(a.entry, a.problem.code) for a in reading.set_aside] == [
        (f"b.ndjson:{number}", ProblemCode.JSON_INVALID) for number in (2, 3, 4, 5)
    ]


def test_packed_files_are_unpacked() -> None:
    """A6.5"""
    assert places(gzip.compress(ndjson(patient(), observation())), "b.ndjson.gz") == ["b.ndjson.gz:1", "b.ndjson.gz:2"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'[{"resourceType": "Patient"}]', "a JSON array is no FHIR"),
        (b'"Patient"', "found a bare str"),
        (
            b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Patient/>',
            "XML is not supported",
        ),
        (b'\xef\xbb\xbf <Patient xmlns="http://hl7.org/fhir"/>', "XML is not supported"),
        (b"<!DOCTYPE html><html>log in</html>", "this is an HTML page"),
        (b"\n<html>", "this is an HTML page"),
        (b"", "there is nothing in it"),
    ],
)
def test_what_is_no_fhir_json_is_refused_in_clear_words(data: bytes, words: str) -> None:
    """A4.1, E17, E18"""
    with pytest.raises(InputUnreadable, match=words):
        split(data, "a.json")


def test_a_source_that_cannot_be_read_costs_no_other() -> None:
    reading = read_all(b"<html>", bundle(patient(), observation()))
    assert len(reading.results) == 1
    assert [(a.entry, a.problem.code) for a in reading.set_aside] == [("1.json", ProblemCode.JSON_INVALID)]


def test_one_broken_entry_among_many_costs_no_other() -> None:
    """E19, E20"""
    good = [observation(f"o{number}") for number in range(99)]
    document = bundle(patient(), *good)
    document["entry"] += [7, {"resource": "x"}, {"resource": {"resourceType": "Banana"}}, {"resource": {}}]
    document["entry"] += [{"resource": observation("odd", code="CTX")}]
    reading = read_all(document)
    assert len(reading.results) == 99
    assert [(a.entry, a.problem.code.value) for a in reading.set_aside] == [
        ("1.json#Bundle.entry[100]", "entry-invalid"),
        ("1.json#Bundle.entry[101]", "entry-invalid"),
        ("1.json#Bundle.entry[102].resource", "type-unknown"),
        ("1.json#Bundle.entry[103].resource", "entry-invalid"),
        ("1.json#Bundle.entry[104].resource", "element-invalid"),
    ]
    assert reading.set_aside[-1].problem.where == "1.json#Bundle.entry[104].resource.code"


def test_entries_that_are_no_list_are_a_problem() -> None:
    reading = read_all({"resourceType": "Bundle", "entry": {}})
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.ENTRY_INVALID]


def test_types_that_are_not_read_are_irrelevant_and_keep_their_patient() -> None:
    reading = read_all(bundle(patient(), resource("Encounter"), resource("Immunization", id="i", subject=None)))
    assert reading.irrelevant == [
        ("1.json#Bundle.entry[1].resource", "Patient/1"),
        ("1.json#Bundle.entry[2].resource", ""),
    ]


def test_bundles_within_bundles_and_parameters_are_opened() -> None:
    """A4.1"""
    inner = bundle(patient(), observation())
    outer = {"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": inner}]}
    parts = [{"name": "p"}, {"name": "q", "part": [{"name": "r", "resource": inner}]}, {"name": "s", "resource": 1}]
    assert places(outer) == [f"a.json#Bundle.entry[0].resource.entry[{index}].resource" for index in (0, 1)]
    assert places({"resourceType": "Parameters", "parameter": parts}) == [
        "a.json#Parameters.parameter[1].part[0].resource.entry[0].resource",
        "a.json#Parameters.parameter[1].part[0].resource.entry[1].resource",
        "a.json#Parameters.parameter[2].resource",
    ]
    assert places({"resourceType": "Parameters", "parameter": [{"name": "p"}]}) == ["a.json"]


def test_what_a_server_reports_is_told_without_its_words() -> None:
    """A1.7, E18"""
    issues = [
        {"severity": "warning", "code": "throttled"},
        {"severity": "error", "code": "processing", "diagnostics": "Ann"},
    ]
    outcome = {"resourceType": "OperationOutcome", "issue": issues}
    reading = read_all(bundle(patient(), observation(), {**outcome, "id": "o"}))
    assert len(reading.results) == 1
    [aside] = reading.set_aside
    assert aside.problem.code is ProblemCode.OPERATION_OUTCOME
    assert aside.problem.severity is Severity.ERROR
    assert aside.problem.what == "the server reports error: 'processing'"


def test_an_outcome_without_faults_is_irrelevant() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
    assert len(read_all(outcome).irrelevant) == 1


def test_the_outcome_of_a_failed_entry_is_told() -> None:
    """A1.18"""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}
    entries = [{"response": {"status": "404", "outcome": outcome}}, {"response": {"status": "201 Created"}}]
    reading = read_all({"resourceType": "Bundle", "type": "batch-response", "entry": entries})
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.OPERATION_OUTCOME]
    assert len(reading.irrelevant) == 1


def test_rules_that_the_whole_bundle_demands_forbid_every_entry() -> None:
    """A3.19"""
    reading = read_all({**bundle(patient(), observation()), "implicitRules": "http://example.org/rules"})
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.IMPLICIT_RULES] * 2


def test_entries_that_contradict_each_other_under_one_address_are_both_rejected() -> None:
    """A4.2, bdl-7"""
    other = observation(valueQuantity=None, valueString="900")
    reading = read_all(bundle(patient(), observation(), other))
    assert reading.results == []
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.BUNDLE_DUPLICATE] * 2


def test_an_entry_that_stands_twice_is_read_once() -> None:
    reading = read_all(bundle(patient(), observation(), observation()))
    assert len(reading.results) == 1
    assert [aside.problem.code for aside in reading.set_aside] == [ProblemCode.DUPLICATE]


def test_an_address_that_names_another_id_is_told() -> None:
    """A4.2"""
    document = bundle(patient(), observation())
    document["entry"][1]["fullUrl"] = "https://fhir.example.org/r4/Observation/other"
    reading = read_all(document)
    assert reading.results[0].resource == "Observation/other"
    assert [problem.code for problem in reading.problems] == [ProblemCode.FULL_URL_MISMATCH]


def test_files_of_the_same_name_keep_places_of_their_own() -> None:
    sources = [Source("a.json", encode(each)) for each in (patient(), observation(), observation("two"))]
    reading = read(sources, release=None)
    assert [result.where for result in reading.results] == ["a.json (2)", "a.json (3)"]
