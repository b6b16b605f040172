"""Law: "any bytes in, only ``InputUnreadable`` may be raised"; everywhere else what is wrong with data is reported."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.entrypoints.cli import main
from adapter.entrypoints.library import assess_bundle
from adapter.errors import InputUnreadable, MappingsInvalid
from adapter.fhir.decoding import decode, encode, unpack
from adapter.fhir.entries import split
from adapter.knowledge.loading import load_layers
from adapter.mapping_files import shipped
from tests.laws.bundles import DAY, in_bundle, records

_WORDS = ("resourceType", "Bundle", "entry", "resource", "Observation", "Patient", "Patient/p", "subject",
          "reference", "id", "status", "final", "valueQuantity", "value", "code", "coding")  # fmt: skip
words = st.one_of(st.sampled_from(_WORDS), st.text(max_size=5))
numbers = st.one_of(st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=3))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=6)),
)
documents = st.one_of(st.binary(max_size=200), values.map(encode), st.builds(gzip.compress, st.binary(max_size=50)))


@given(documents)
def test_taking_bytes_apart_raises_nothing_else(data: bytes) -> None:
    for read in (decode, unpack):
        try:
            read(data, where="a.json")
        except InputUnreadable as error:
            assert str(error).startswith("a.json")
    try:
        assert all(entry.where.startswith("a.json") for entry in split(data, "a.json"))
    except InputUnreadable as error:
        assert str(error).startswith("a.json")


@given(documents)
def test_the_library_raises_nothing_and_reports(data: bytes) -> None:
    outcome = assess_bundle(data, as_of=DAY)

    assert outcome.entries or not data.strip() or not outcome.patients


@given(records(most=3), st.integers(0, 4000), st.binary(max_size=3), st.integers(0, 40))
def test_a_record_with_changed_bytes_raises_nothing(record: list[Any], place: int, put: bytes, taken: int) -> None:
    data = encode(in_bundle(record))
    place %= len(data)
    changed = data[:place] + put + data[place + taken :]

    outcome = assess_bundle(changed, as_of=DAY)

    # A Bundle whose "entry" is spelled otherwise has none.
    assert outcome.entries >= 1 or b'"entry"' not in changed


@given(values)
def test_a_parsed_document_of_any_shape_raises_nothing(value: Any) -> None:
    outcome = assess_bundle({"resourceType": "Bundle", "type": "collection", "entry": value}, as_of=DAY)

    assert outcome.entries == (len(value) if isinstance(value, list) else 1)


@settings(max_examples=15)
@given(documents)
def test_the_command_ends_with_a_sentence_and_no_traceback(data: bytes) -> None:
    run = CliRunner().invoke(main, ["convert", "-", "--as-of", str(DAY)], input=data)

    assert run.exception is None or isinstance(run.exception, SystemExit), repr(run.exception)
    assert run.exit_code in (0, 1)
    assert "Traceback" not in run.stderr


@settings(max_examples=40)
@given(documents, st.sampled_from(["codes/x.json", "x.toml", "x.txt"]))
def test_mappings_of_any_bytes_are_used_or_refused_with_their_name(data: bytes, name: str) -> None:
    try:
        load_layers([{"about.toml": shipped()["about.toml"]}, {name: data}])
    except MappingsInvalid as error:
        assert name in str(error)


def test_a_number_too_long_to_measure_anything_is_refused_quickly() -> None:
    for digits in ("9" * 100_000, "1e999999999", "-" * 5000, f"0.{'0' * 600}1"):
        outcome = assess_bundle(f'{{"resourceType":"Observation","valueInteger":{digits}}}', as_of=DAY)
        assert [problem.code for problem in outcome.problems if not problem.used] == ["json-invalid"]


def test_half_a_surrogate_pair_is_reported_as_text_and_refused_as_an_object() -> None:
    outcome = assess_bundle('{"resourceType":"Patient","id":"\ud800"}', as_of=DAY)

    assert [problem.code for problem in outcome.problems if not problem.used] == ["json-invalid"]
    with pytest.raises(ValueError, match="is no JSON"):
        assess_bundle({"resourceType": "Patient", "id": "\ud800"}, as_of=DAY)


def test_an_object_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"extension": deep}

    with pytest.raises(ValueError, match="nested too deep"):
        assess_bundle(deep, as_of=DAY)


def test_a_decimal_without_an_end_is_refused_before_it_is_read() -> None:
    outcome = assess_bundle({"resourceType": "Observation", "valueInteger": Decimal("NaN")}, as_of=DAY)

    assert [problem.code for problem in outcome.problems if not problem.used] == ["json-invalid"]
