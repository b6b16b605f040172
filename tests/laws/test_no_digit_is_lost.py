"""Law: "decode and encode lose no digit": the number that a clinician reads is the number that the laboratory wrote."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.clinical.results import MarkerResult
from adapter.fhir.decoding import decode, encode
from tests.laws.bundles import Json, assessed, frax, measured, only, records

_JOURNEYS = sorted((Path(__file__).resolve().parents[2] / "fixtures").glob("*/*/input.json"))
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1956-03-14"}
whole = st.from_regex(r"-?(0|[1-9][0-9]{0,40})", fullmatch=True)
fractions = st.from_regex(r"-?(0|[1-9][0-9]{0,25})\.[0-9]{1,40}", fullmatch=True)
exponents = st.from_regex(r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,5})?[eE][+-]?[0-9]{1,2}", fullmatch=True)


@given(st.one_of(whole, fractions).filter(lambda digits: digits != "-0"))
def test_a_number_comes_out_as_it_came_in(digits: str) -> None:
    assert encode(decode(digits.encode(), where="")).decode() == digits


@given(exponents)
def test_a_number_with_an_exponent_keeps_its_digits_and_loses_the_exponent(digits: str) -> None:
    encoded = encode(decode(digits.encode(), where="")).decode()

    assert "e" not in encoded.lower()
    assert Decimal(encoded) == Decimal(digits)
    exponent = Decimal(digits).as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent > 0 or Decimal(encoded).as_tuple() == Decimal(digits).as_tuple()


@given(records())
def test_a_document_decoded_and_encoded_again_is_the_same(record: list[Json]) -> None:
    encoded = encode(record)

    assert encode(decode(encoded, where="")) == encoded


@pytest.mark.parametrize("path", _JOURNEYS, ids=lambda path: path.parent.name)
def test_every_fixture_decoded_and_encoded_again_says_the_same(path: Path) -> None:
    once = decode(path.read_bytes(), where="")

    assert encode(decode(encode(once), where="")) == encode(once)


@given(st.decimals("60", "2000", places=4).map(lambda number: f"{number:f}"), st.integers(0, 6))
def test_the_digits_of_a_result_are_shown_as_received(digits: str, zeros: int) -> None:
    sent = digits + "0" * zeros

    patient = only(assessed([PATIENT, measured("ctx", "ctx", sent)]))

    (ctx,) = (each.result for each in patient.assessment.evidence if isinstance(each.result, MarkerResult))
    assert ctx.digits == sent
    assert f"{sent} ng/L".encode() in encode(list(patient.resources))


@given(st.decimals(0, 45, places=3), st.decimals(0, 1, places=4))
def test_a_probability_is_written_with_the_digits_it_came_with(mof: Decimal, share: Decimal) -> None:
    hip = mof * share

    patient = only(assessed([PATIENT, *frax(f"{mof:f}", f"{hip:f}")]))

    written = encode(list(patient.resources))
    assert f'"probabilityDecimal":{mof:f},'.encode() in written
    assert f'"probabilityDecimal":{hip:f},'.encode() in written
