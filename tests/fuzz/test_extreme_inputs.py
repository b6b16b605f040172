"""Inputs that are huge, deep or endless in one way: each is read or refused quickly."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from adapter.pipeline import Options
from tests.fuzz.surviving import survives
from tests.laws.bundles import Json, coded, in_bundle, measured, observation, quantity
from tests.recognition.building import LOINC, SNOMED

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
_DEEP = 100_000


def many(count: int, made: Callable[[int], Json]) -> bytes:
    """A Bundle of the Patient and so many others."""
    return encode(in_bundle([PATIENT, *(made(number) for number in range(count))]))


def with_elements(**elements: Any) -> bytes:
    """A CTX with more of something than anybody sends."""
    return encode(measured("ctx", "ctx", "400") | elements)


def _fracture(number: int) -> Json:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "code": coded(SNOMED, "431031001"),
        "subject": {"reference": "Patient/p"},
        "onsetDateTime": "2020",
    }


def _replaced(number: int) -> Json:
    link = {"type": "replaced-by", "other": {"reference": f"Patient/p{number + 1}"}}
    return {"resourceType": "Patient", "id": f"p{number}", "link": [link]}


def _component(number: int) -> Json:
    return {"code": coded(LOINC, "41171-0"), "valueQuantity": quantity(Decimal(number), "ng/L")}


EXTREMES: dict[str, bytes] = {
    "nothing": b"",
    "blank": b" \n" * 1_000_000,
    "one resource of a million spaces": b'{"resourceType":' + b" " * 1_000_000 + b'"Patient"}',
    "brackets": b"[" * _DEEP,
    "closed brackets": b"[" * _DEEP + b"]" * _DEEP,
    "braces": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    "Bundles within Bundles": b'{"resourceType":"Bundle","entry":[{"resource":' * _DEEP + b"{}" + b"}]}" * _DEEP,
    "parameters within parameters": b'{"resourceType":"Parameters","parameter":[' + b'{"part":[' * _DEEP,
    "brackets in an entry": b'{"resourceType":"Bundle","entry":[' + b"[" * _DEEP + b"]" * _DEEP + b"]}",
    "a text without an end": b'{"a":"' * _DEEP,
    "escapes": b'"' + b'\\"' * 1_000_000 + b'"',
    "backslashes": b'"' + b"\\" * 1_000_001,
    "a number": b"9" * 3_000_000,
    "signs": b"-" * 1_000_000,
    "keys": b"{" + b",".join(b'"k%d":1' % number for number in range(_DEEP)) + b"}",
    "the same key": b"{" + b'"a":1,' * _DEEP + b'"a":1}',
    "the same key in many objects": b"[" + b'{"a":1,"a":2},' * 20_000 + b"1]",
    "empty entries": b'{"resourceType":"Bundle","entry":[' + b"{}," * 20_000 + b"{}]}",
    "empty lines": b"\n" * 1_000_000 + b"{}",
    "results of one marker": many(2000, lambda number: measured(f"o{number}", "ctx", f"{100 + number % 800}")),
    "results of many days": many(
        2000, lambda number: measured(f"o{number}", "ctx", "400", effectiveDateTime=f"{number % 2000 + 1:04}")
    ),
    "versions": many(2000, lambda number: measured("o", "ctx", "400", meta={"versionId": f"{number}"})),
    "results without an id": many(2000, lambda number: measured("", "ctx", f"{number}")),
    "fractures": many(3000, _fracture),
    "patients replaced by each other": many(2000, _replaced),
    "components": encode(observation("o", "90264-3", None, component=[_component(each) for each in range(1000)])),
    "codings": with_elements(code={"coding": [{"system": f"s{each}", "code": "41171-0"} for each in range(5000)]}),
    "ranges": with_elements(referenceRange=[{"high": quantity(Decimal(each), "ng/L")} for each in range(5000)]),
    "contained": with_elements(contained=[{"resourceType": "Specimen", "id": f"s{each}"} for each in range(5000)]),
    "notes": with_elements(note=[{"text": "x" * 1000}] * 1000),
    "a unit": with_elements(valueQuantity={"value": 1, "unit": "x" * 1_000_000}),
    "a code": with_elements(code=coded(LOINC, "4" * 1_000_000)),
    "a date": with_elements(effectiveDateTime="2" * 1_000_000),
    "a reference": with_elements(subject={"reference": "Patient/" + "p" * 1_000_000}),
    "a reference of slashes": with_elements(subject={"reference": "http://" + "/" * 100_000}),
    "a number as text": with_elements(valueQuantity=None, valueString="<" + "9" * 1_000_000 + " ng/L"),
    "digits": with_elements(valueQuantity={"value": Decimal("4." + "0" * 490), "unit": "ng/mL"}),
}  # fmt: skip


@pytest.mark.parametrize("shape", EXTREMES)
def test_an_extreme_input_is_read_or_refused_quickly(shape: str) -> None:
    survives(EXTREMES[shape])


@pytest.mark.parametrize(
    "marker", ["frax-mof", "frax-hip", "dxa-t-score", "egfr", "urine-calcium-24h", "height", "weight"]
)
@pytest.mark.parametrize("digits", ["9" * 490, "-" + "9" * 490, "0." + "0" * 480 + "1", "1." + "9" * 490])
@pytest.mark.parametrize("comparator", [None, "<", ">"])
def test_a_number_of_hundreds_of_digits_is_no_arithmetic_error(
    marker: str, digits: str, comparator: str | None
) -> None:
    odd = measured("odd", marker, digits)
    odd["valueQuantity"] |= {"comparator": comparator} if comparator else {}

    survives(encode(in_bundle([PATIENT, odd])), options=Options(with_qfracture=True))
