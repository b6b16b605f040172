"""Law: "entry order is irrelevant": the same entries in another order say the same, down to the bytes written."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.decoding import decode, encode
from tests.laws.bundles import Json, assessed, assessed_from, of_patient, records, told

_JOURNEYS = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "journeys").glob("*/input.json"))


@given(records(), st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_nothing(record: list[Json], chance: random.Random) -> None:
    shuffled = chance.sample(record, len(record))

    assert told(assessed(shuffled)) == told(assessed(record))


@given(records(most=4), records(most=4), st.randoms(use_true_random=False))
def test_the_order_of_interleaved_patients_changes_nothing(
    one: list[Json], other: list[Json], chance: random.Random
) -> None:
    both = [*one, *of_patient(other, "q")]

    assert told(assessed(chance.sample(both, len(both)))) == told(assessed(both))


@given(records(), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_of_files_changes_nothing(record: list[Json], chance: random.Random) -> None:
    lines = [encode(resource) for resource in record]
    shuffled = chance.sample(lines, len(lines))
    files = [(f"{number}.json", line) for number, line in enumerate(shuffled)]

    in_order = told(assessed_from(("a.ndjson", b"\n".join(lines))))

    assert told(assessed_from(("a.ndjson", b"\n".join(shuffled)))) == in_order
    assert told(assessed_from(*files)) == in_order


@given(records(), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(record: list[Json], chance: random.Random) -> None:
    assert told(assessed([_keys_shuffled(resource, chance) for resource in record])) == told(assessed(record))


@pytest.mark.parametrize("path", _JOURNEYS, ids=lambda path: path.parent.name)
def test_the_order_of_entries_changes_no_journey(path: Path) -> None:
    document = decode(path.read_bytes(), where=path.name)
    assert isinstance(document, dict)
    backwards = document | {"entry": document["entry"][::-1]}

    assert told(assessed_from(("a.json", encode(backwards)))) == told(assessed_from(("a.json", path.read_bytes())))


def _keys_shuffled(value: object, chance: random.Random) -> Json:
    def shuffled(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return dict(chance.sample(pairs, len(pairs)))

    text = encode(value).decode()
    mixed: Json = json.loads(text, object_pairs_hook=shuffled, parse_float=_exactly)
    return mixed


def _exactly(digits: str) -> object:
    return decode(digits.encode(), where="")
