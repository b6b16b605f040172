"""Where the data say two things, neither is believed: about the unit, the range, or whose result it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from tests.entrypoints.building import AS_OF, LOW, OTHER, WOMAN, explained, run, saved
from tests.laws.bundles import Json, measured
from tests.recognition.building import UCUM

HERS: Json = {"system": "urn:ward", "value": "1"}
THEIRS: Json = {"system": "urn:ward", "value": "2"}


def reasons(tmp_path: Path, *more: Json) -> list[str]:
    """Why results beside those that are low risk were set aside."""
    return [each["reason"] for each in explained(saved(tmp_path / "in.json", [*LOW[:-1], *more]))["set_aside"]]


def read(tmp_path: Path, bundle: Json) -> Any:
    path = tmp_path / "in.json"
    path.write_bytes(encode(bundle))
    return json.loads(run("explain", path, "--json", *AS_OF).stdout)


def told(answer: Any) -> list[str]:
    return [problem["reason"] for problem in answer["problems"] if problem["reason"] != "release-assumed"]


def used_by(answer: Any) -> dict[str, list[str]]:
    return {
        patient["patient"]: [each["marker"] for each in patient["used"] if each["marker"] != "patient"]
        for patient in answer["patients"]
    }


def test_a_code_without_its_system_may_not_contradict_the_unit(tmp_path: Path) -> None:
    value = {"value": 812, "unit": "ng/L", "code": "ug/L"}

    assert reasons(tmp_path, measured("ctx", "ctx", "1") | {"valueQuantity": value}) == ["unit-contradicts"]


def test_the_units_of_a_ratio_may_not_contradict_their_codes(tmp_path: Path) -> None:
    ratio = {
        "numerator": {"value": 324, "unit": "mmol", "system": UCUM, "code": "mg"},
        "denominator": {"value": 24, "unit": "h", "system": UCUM, "code": "h"},
    }
    urine = {**measured("urine", "urine-calcium-24h", "1"), "valueRatio": ratio}
    del urine["valueQuantity"]

    assert reasons(tmp_path, urine) == ["unit-contradicts"]


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        ({"value": 900}, {"value": 100}, "element-invalid"),
        ({"value": 1, "comparator": ">"}, {"value": 9}, "comparator-invalid"),
    ],
)
def test_a_range_that_is_none_is_no_value(low: Json, high: Json, reason: str, tmp_path: Path) -> None:
    unit = {"unit": "ng/L", "system": UCUM, "code": "ng/L"}
    ctx = {**measured("ctx", "ctx", "1"), "valueRange": {"low": low | unit, "high": high | unit}}
    del ctx["valueQuantity"]

    assert reasons(tmp_path, ctx) == [reason]


def test_a_reference_range_in_two_units_is_no_limit(tmp_path: Path) -> None:
    end = {"unit": "ug/L", "system": UCUM, "code": "ng/L"}
    ctx = measured("ctx", "ctx", "812") | {"referenceRange": [{"low": end | {"value": 1}, "high": end | {"value": 2}}]}

    patient = explained(saved(tmp_path / "in.json", [*LOW[:-1], ctx]))

    [used] = [each for each in patient["used"] if each["marker"] == "ctx"]
    assert used["limit_source"].startswith("fallback")


def test_a_result_of_one_patient_by_reference_and_another_by_identifier_is_nobodys(tmp_path: Path) -> None:
    subject = {"reference": "Patient/p", "identifier": THEIRS}
    result = measured("ctx", "ctx", "812") | {"subject": subject}

    path = saved(tmp_path / "in.json", [WOMAN | {"identifier": [HERS]}, OTHER | {"identifier": [THEIRS]}, result])
    answer = json.loads(run("explain", path, "--json", *AS_OF).stdout)

    assert (used_by(answer), told(answer)) == ({"Patient/p": [], "Patient/q": []}, ["subject-ambiguous"])


def test_a_number_without_its_system_names_nobody(tmp_path: Path) -> None:
    bare = {"value": "1"}
    result = measured("ctx", "ctx", "812") | {"subject": {"identifier": bare}}

    answer = json.loads(
        run("explain", saved(tmp_path / "in.json", [WOMAN | {"identifier": [bare]}, result]), "--json", *AS_OF).stdout
    )

    assert (used_by(answer), told(answer)) == ({"Patient/p": []}, ["subject-unresolved"])


@pytest.mark.parametrize(("more", "markers"), [("", ["ctx"]), ("&birthdate=1990-01-01", [])])
def test_a_condition_that_asks_for_more_than_a_number_is_not_taken_by_halves(
    more: str, markers: list[str], tmp_path: Path
) -> None:
    result = measured("ctx", "ctx", "812") | {"subject": {"reference": f"Patient?identifier=urn:ward|1{more}"}}
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{number}", "resource": resource,
         "request": {"method": "POST", "url": resource["resourceType"]}}
        for number, resource in enumerate([WOMAN | {"identifier": [HERS]}, result])
    ]  # fmt: skip

    answer = read(tmp_path, {"resourceType": "Bundle", "type": "transaction", "entry": entries})

    assert [used for each in used_by(answer).values() for used in each] == markers


@pytest.mark.parametrize(
    ("full_url", "url", "base"),
    [
        ("http://example.org/fhir/Observation/ctx", "Observation/ctx", "http://example.org/fhir"),
        ("http://example.org/fhir/Observation/ctx", "Observation?identifier=urn:ward|7", "http://example.org/fhir"),
        ("http://example.org/fhir/Observation/ctx", "/Observation/ctx", "http://example.org/fhir"),
        ("http://example.org/fhir/Observation/ctx", "Observation/ctx", ""),
        ("http://inside:8080/fhir/Observation/ctx", "Observation/ctx", "http://example.org/fhir"),
        ("urn:uuid:00000000-0000-4000-8000-00000000000a", "Observation/ctx", "http://example.org/fhir"),
        ("", "Observation/ctx", "http://example.org/fhir"),
    ],
)
def test_what_was_deleted_is_not_used_whichever_of_its_addresses_names_it(
    full_url: str, url: str, base: str, tmp_path: Path
) -> None:
    """A4.1"""
    kept = [
        {**({"fullUrl": f"{base}/{each['resourceType']}/{each['id']}"} if base else {}), "resource": each}
        for each in (WOMAN, measured("ctx", "ctx", "812"))
    ]
    gone = {
        **({"fullUrl": full_url} if full_url else {}),
        "request": {"method": "DELETE", "url": url},
        "response": {"status": "204", "lastModified": "2026-06-10T00:00:00Z"},
    }

    answer = read(tmp_path, {"resourceType": "Bundle", "type": "history", "entry": [gone, *kept]})

    [patient] = answer["patients"]
    assert [each["reason"] for each in patient["set_aside"]] == ["deleted"]


def test_a_deletion_on_one_of_two_servers_costs_the_other_nothing(tmp_path: Path) -> None:
    """A4.1, A4.3"""
    here, there = "http://example.org/fhir", "http://example.com/fhir"
    kept = [
        {"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each}
        for base in (here, there)
        for each in (WOMAN, measured("ctx", "ctx", "812"))
    ]
    gone = {"fullUrl": f"{here}/Observation/ctx", "request": {"method": "DELETE", "url": "Observation/ctx"}}

    answer = read(tmp_path, {"resourceType": "Bundle", "type": "history", "entry": [gone, *kept]})

    assert used_by(answer) == {f"{here}/Patient/p": [], f"{there}/Patient/p": ["ctx"]}
