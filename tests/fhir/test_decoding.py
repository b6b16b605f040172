from __future__ import annotations

import gzip
import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import InputUnreadable
from adapter.fhir.decoding import DEPTH_LIMIT, decode, encode, unpack

digits = st.from_regex(r"(0|-?[1-9][0-9]{0,20}|-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20})", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | digits.map(Decimal),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(digits)
def test_no_digit_is_lost_between_the_servers_bytes_and_ours(number: str) -> None:
    """A3.10, E15"""
    assert encode(decode(number.encode(), where="")) == number.encode()


@given(values)
def test_what_is_encoded_is_decoded_again(value: object) -> None:
    again = decode(encode(value), where="")
    assert encode(again) == encode(value)


@given(st.binary())
def test_any_bytes_give_a_value_or_a_named_error(data: bytes) -> None:
    try:
        decode(data, where="a.json")
    except InputUnreadable as error:
        assert str(error).startswith("a.json: ")


def outcome(data: bytes) -> str:
    """What is decoded, digit by digit; of an error only that it is one, for it names columns."""
    try:
        return repr(decode(data, where=""))
    except InputUnreadable:
        return "unreadable"


@given(st.one_of(values.map(encode), values.map(lambda value: json.dumps(value, default=str).encode()), st.binary()))
def test_a_blank_before_a_document_changes_nothing(document: bytes) -> None:
    """Without it a document may be proved plain and decoded at once; with it, it is always looked at closely."""
    assert outcome(document) == outcome(b" " + document)


@pytest.mark.parametrize(
    "document",
    [b"1e2", b"[1E2,1e-2,-0.0,-0,0.50]", b"9" * 600, b"-" + b"9" * 30, b"9" * 5000, b'{"a":1,"a":2}',
     b'{"a":1,"\\u0061":2}', b'{"a":1,"a":2,"b":[1e2,1e2,1e2,1e2,1e2,1e2]}', b'["\\u0000"]', b'["\\ud800"]',
     b'["\\ud83d\\ude00","\\/"]', b"[01]", b"[1.]", b"[1,]", b"[NaN]", b"[1] 2", b'"\xff"', b"[" * 64 + b"]" * 64,
     b"[" * 65 + b"]" * 65, b"[" * 64 + b"1" + b"]" * 64, b"[" * 65 + b"1" + b"]" * 65],
)  # fmt: skip
def test_a_blank_before_an_odd_document_changes_nothing(document: bytes) -> None:
    assert outcome(document) == outcome(b" " + document)


def test_a_trailing_zero_is_part_of_the_result() -> None:
    """A3.10: 0.010 is regarded as different to 0.01"""
    assert str(decode(b"0.010", where="")) == "0.010"
    assert encode(Decimal("0.50")) == b"0.50"


def test_an_exponent_is_never_written() -> None:
    assert encode({"low": Decimal("0.0000001"), "high": [Decimal("1E+5")]}) == b'{"low":0.0000001,"high":[100000]}'


def test_a_text_that_looks_like_an_exponent_is_left_alone() -> None:
    assert encode({"id": "1E-5", "value": (Decimal("1E-7"), "x")}) == b'{"id":"1E-5","value":[0.0000001,"x"]}'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e-9999", "1e99999999999999999999"])
def test_what_is_no_finite_number_is_refused(number: str) -> None:
    """E15"""
    with pytest.raises(InputUnreadable, match="a number is NaN, infinite or beyond all bounds"):
        decode(f'{{"value": {number}}}'.encode(), where="")


@pytest.mark.parametrize("number", ["9" * 5000, "0." + "1" * 5000])
def test_a_number_of_thousands_of_digits_is_refused(number: str) -> None:
    """E15"""
    with pytest.raises(InputUnreadable):
        decode(number.encode(), where="")


def test_a_number_of_four_hundred_digits_is_kept_exactly() -> None:
    """E15"""
    assert str(decode(b"0." + b"1" * 400, where="")) == "0." + "1" * 400


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (b'{"status": "final", "status": "entered-in-error"}', "status"),
        (b'{"entry": [{}, {"resource": {"a": 1, "a": 1}}]}', "entry[1].resource.a"),
        (b'{"a": {"b": 1, "b": 2}, "a": 3}', "a"),
    ],
)
def test_a_key_given_twice_is_refused_and_its_path_named(document: bytes, path: str) -> None:
    """E14"""
    with pytest.raises(InputUnreadable) as caught:
        decode(document, where="a.json")
    assert str(caught.value) == f"a.json: {path} occurs twice in one object"


@pytest.mark.parametrize("document", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000])
def test_nesting_without_end_is_refused_at_once(document: bytes) -> None:
    """E11"""
    start = time.perf_counter()
    with pytest.raises(InputUnreadable, match="nested deeper than 64 levels"):
        decode(document, where="")
    assert time.perf_counter() - start < 0.1


def test_the_depth_that_is_allowed_is_exact_and_blind_to_brackets_in_texts() -> None:
    """E11"""
    inner = b'"[[[[{{\\"[[[["'
    decode(b"[" * DEPTH_LIMIT + inner + b"]" * DEPTH_LIMIT, where="")
    with pytest.raises(InputUnreadable):
        decode(b"[" * (DEPTH_LIMIT + 1) + inner + b"]" * (DEPTH_LIMIT + 1), where="")


@pytest.mark.parametrize(
    "document", [b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'{"\\udc00": 1}', b'["\\u0000"]', b'"\0"']
)
def test_characters_that_are_none_are_refused(document: bytes) -> None:
    """E16"""
    with pytest.raises(InputUnreadable):
        decode(document, where="")


@pytest.mark.parametrize("document", [b'\xef\xbb\xbf"a"', b'"\\ud83d\\ude00"', b'"\\\\u0000"', '"µμ\u2028"'.encode()])
def test_characters_that_only_look_odd_are_kept(document: bytes) -> None:
    """E16"""
    assert decode(document, where="") == json.loads(document.decode("utf-8-sig"))


def test_an_error_names_the_place_and_nothing_of_the_content() -> None:
    with pytest.raises(InputUnreadable) as caught:
        decode(b'{"name": "Secret",\n  "x" "Secret"}', where="a.json")
    assert str(caught.value) == "a.json: no JSON at line 2, column 7: Expecting ':' delimiter"


@pytest.mark.parametrize(
    ("document", "what"),
    [(b" \n", "there is nothing in it"), ("{}".encode("utf-16"), "this is UTF-16; save it as UTF-8")],
)
def test_a_file_that_was_saved_wrongly_is_told_so(document: bytes, what: str) -> None:
    with pytest.raises(InputUnreadable, match=what):
        decode(document, where="a.json")


def test_what_is_not_packed_stays_as_it_is() -> None:
    assert unpack(b"{}", where="") == b"{}"


def test_gzip_in_several_parts_is_one_file() -> None:
    assert unpack(gzip.compress(b"{") + gzip.compress(b"}"), where="") == b"{}"


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data[:10] + b"x" * 20])
def test_damaged_gzip_is_refused(damage: object) -> None:
    """E9"""
    assert callable(damage)
    with pytest.raises(InputUnreadable, match="gzip"):
        unpack(damage(gzip.compress(b"{}" * 1000)), where="")


def test_gzip_that_grows_without_end_is_stopped_at_the_limit() -> None:
    """E10"""
    with pytest.raises(InputUnreadable, match="grow beyond 1000 bytes"):
        unpack(gzip.compress(b"0" * 10_000_000), where="", limit=1000)
