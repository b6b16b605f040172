"""No patient's name, identifier or birth date is said by any command, whether it succeeds or fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapter.entrypoints.library import assess_bundle
from adapter.fhir.decoding import encode
from tests.entrypoints.building import AS_OF, LOW, run
from tests.laws.bundles import DAY, Json, in_bundle, measured

NAME, NUMBER, BORN, PLACE, PHONE = "Kanarienvogel", "4711-0815-CANARY", "1951-11-23", "Vogelgasse 7", "+49 89 1234567"
CANARIES = (NAME, NUMBER, BORN, PLACE, PHONE)
# Results are told where they are meant to be told, never on the way: in no summary, no error.
RESULT = "812.7731"
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "gender": "female",
    "birthDate": BORN,
    "name": [{"family": NAME, "given": [NAME], "text": f"{NAME}, {NAME}"}],
    "identifier": [{"system": "urn:mrn", "value": NUMBER}],
    "address": [{"line": [PLACE]}],
    "telecom": [{"value": PHONE}],
    "text": {"status": "generated", "div": f"<div>{NAME} {NUMBER} {BORN}</div>"},
}
_SUBJECT = {
    "reference": "Patient/p",
    "display": f"{NAME} {BORN}",
    "identifier": {"system": "urn:mrn", "value": NUMBER},
}
_ISSUE = {"severity": "error", "code": "invalid", "diagnostics": f"{NAME} {NUMBER}", "details": {"text": NAME}}
_BANANA = {"value": 1, "unit": "bananas"}


def _ctx(id_: str, **more: Any) -> Json:
    whole = measured(id_, "ctx", RESULT, subject=_SUBJECT, note=[{"text": f"{NAME} {PHONE}"}]) | more
    return {name: each for name, each in whole.items() if each is not None}


RECORD: list[Json] = [PATIENT, *LOW[1:-1], _ctx("ctx")]
# Each of these makes some other part of the adapter say what is wrong.
FAULTS: dict[str, Json] = {
    "unit": _ctx("x", valueQuantity=_BANANA),
    "status": _ctx("x", status="entered-in-error"),
    "text": _ctx("x", valueQuantity=None, valueString=f"{RESULT} ng/L, {NAME}"),
    "no subject": _ctx("x", subject={"display": NAME}),
    "subject by another identifier": _ctx("x", subject={"identifier": {"system": "urn:other", "value": NUMBER}}),
    "conditional subject": _ctx("x", subject={"reference": f"Patient?identifier=urn:mrn|{NUMBER}x"}),
    "subject that is none": _ctx("x", subject={"reference": f"{NAME} {NUMBER}"}),
    "subject of a wrong type": _ctx("x", subject=NAME),
    "time": _ctx("x", effectiveDateTime=f"{BORN}x"),
    "wrong type": _ctx("x", code=NAME),
    "focus": _ctx("x", focus=[{"reference": "Patient/q", "display": NAME}]),
    "contained": _ctx("x", contained=[{**PATIENT, "id": "c"}], subject={"reference": "#c"}),
    "status that is a name": _ctx("x", status=f"{NAME} {NUMBER}"),
    "gender that is a name": {**PATIENT, "id": "x", "gender": f"{NAME} {NUMBER}"},
    "birth date that is none": {**PATIENT, "id": "x", "birthDate": f"{BORN}T"},
    "patient twice": {**PATIENT, "gender": "male"},
    "patient replaced": {**PATIENT, "id": "x", "link": [{"type": "replaced-by", "other": _SUBJECT}]},
    "outcome": {"resourceType": "OperationOutcome", "id": "x", "issue": [_ISSUE]},
    "modifier": _ctx("x", modifierExtension=[{"url": "http://example.org/x", "valueString": NAME}]),
}  # fmt: skip
_WHOLE = encode(in_bundle(RECORD))
BROKEN: dict[str, bytes] = {
    "cut in the name": _WHOLE[: _WHOLE.index(NAME.encode()) + 5],
    "cut in the number": _WHOLE[: _WHOLE.index(NUMBER.encode()) + 5],
    "byte that is no text": _WHOLE.replace(NAME.encode(), NAME.encode() + b"\xff"),
    "a key twice": _WHOLE.replace(b'"birthDate"', b'"birthDate":"1950-01-01","birthDate"'),
    "surrogate": _WHOLE.replace(NAME.encode(), NAME.encode() + b"\\ud800"),
    "not a number": _WHOLE.replace(RESULT.encode(), b"NaN"),
    "deep": _WHOLE.replace(b'"given":', b'"given":' + b"[" * 100),
    "not packed": b"\x1f\x8b" + _WHOLE,
    "a page": f"<html>{NAME} {NUMBER}</html>".encode(),
    "a list": b"[" + _WHOLE + b"]",
}


USUAL = (
    ("explain", "FILE", *AS_OF),
    ("explain", "FILE", "--json", *AS_OF),
    ("coverage", "FILE", "--concept-map", "FOLDER/map.json"),
    ("convert", "FILE", "--out", "FOLDER/out", *AS_OF),
)
OTHER = (
    ("coverage", "FILE", "--json"),
    ("coverage", "FILE", "--concept-map", "FOLDER/map.json"),
    ("convert", "FILE", *AS_OF),
    ("convert", "FILE", "--language", "zh", "--format", "resources", *AS_OF),
    ("convert", "FILE", "--out", "FOLDER/out", *AS_OF),
    ("convert", "FILE", "--fhir", "R5", "--dry-run", *AS_OF),
    ("convert", "FILE", "--as-of", "yesterday"),
)


def said(folder: Path, data: bytes, calls: Sequence[Sequence[str]] = USUAL) -> str:
    """Everything that the command says about these bytes."""
    (folder / "a.json").write_bytes(data)
    words = ""
    for call in calls:
        places = {"FILE": str(folder / "a.json")}
        result = run(*(places.get(word, word.replace("FOLDER", str(folder))) for word in call))
        assert RESULT not in result.stderr
        words += result.output
    return words


def assert_silent(words: str) -> None:
    assert [canary for canary in CANARIES if canary in words] == []


def test_the_canaries_are_in_the_input() -> None:
    assert all(json.dumps(canary).strip('"').encode() in _WHOLE for canary in (*CANARIES, RESULT))


def test_nothing_is_said_about_the_person_when_all_goes_well(tmp_path: Path) -> None:
    assert_silent(said(tmp_path, _WHOLE, (*USUAL, *OTHER)))

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p.json"]
    assert_silent((tmp_path / "out" / "p.json").read_text("utf-8"))


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_said_about_the_person_when_something_is_wrong(tmp_path: Path, fault: str) -> None:
    assert_silent(said(tmp_path, encode(in_bundle([*RECORD, FAULTS[fault]], base=""))))


@pytest.mark.parametrize("fault", BROKEN)
def test_nothing_is_said_about_the_person_when_the_bytes_are_broken(tmp_path: Path, fault: str) -> None:
    assert_silent(said(tmp_path, BROKEN[fault]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: assess_bundle({**PATIENT, "weight": 1.5}, as_of=DAY),
        lambda: assess_bundle({**PATIENT, "name": "\ud800" + NAME}, as_of=DAY),
    ],
)
def test_no_exception_of_the_library_holds_a_name(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError) as raised:
        call()

    assert_silent(f"{raised.value} {raised.value.args}")
