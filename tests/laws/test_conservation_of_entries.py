"""Law: "conservation of entries".

"Every entry that comes in is used, set aside with a problem, or counted as irrelevant."
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.decoding import encode
from tests.laws.accounting import assert_conserved
from tests.laws.bundles import (
    Json,
    assessed_from,
    in_bundle,
    measured,
    observation,
    of_patient,
    only,
    quantity,
    records,
)

_JOURNEYS = sorted((Path(__file__).resolve().parents[2] / "fixtures").glob("*/*/input.*"))
_RESULT = measured("odd", "ctx", "812")
# What else may stand in a Bundle: deletions, entries without a resource, containers, what the server says, nonsense.
ODD_ENTRIES: list[Any] = [
    None,
    "text",
    {},
    {"resource": None},
    {"resource": []},
    {"resource": {}},
    {"resource": {"resourceType": "Banana", "id": "b"}},
    {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}},
    {"resource": {"resourceType": "OperationOutcome", "issue": []}},
    {"response": {"status": "404", "outcome": {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}}},
    {"request": {"method": "DELETE", "url": "Observation/r0"}, "response": {"lastModified": "2026-06-14T00:00:00Z"}},
    {"request": {"method": "DELETE", "url": "Patient/p"}},
    {"resource": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": _RESULT}, {"resource": 1}]}},
    {"resource": {"resourceType": "Bundle", "type": "collection"}},
    {"resource": {"resourceType": "Parameters", "parameter": [{"name": "x", "resource": _RESULT}, {"name": "y"}]}},
    {"resource": _RESULT | {"subject": {"reference": "Patient/nobody"}}},
    {"resource": {name: each for name, each in _RESULT.items() if name != "subject"}},
    {"resource": _RESULT | {"subject": {"reference": "Group/g"}}},
    {"resource": _RESULT | {"contained": [{"resourceType": "Patient", "id": "x"}], "subject": {"reference": "#x"}}},
    {"resource": _RESULT | {"modifierExtension": [{"url": "http://example.org/not"}]}},
    {"resource": _RESULT | {"valueQuantity": None, "component": []}},
    {"resource": _RESULT | {"valueString": "<5", "valueQuantity": quantity(_RESULT["valueQuantity"]["value"], "g")}},
    {"resource": {"resourceType": "Patient"}},
]  # fmt: skip


def conserved(*sources: tuple[str, bytes]) -> None:
    assert_conserved(assessed_from(*sources), sources)


@given(records())
def test_every_entry_of_a_bundle_is_told_of_exactly_once(record: list[Json]) -> None:
    conserved(("a.json", encode(in_bundle(record))))


@given(
    records(most=4),
    records(most=4),
    st.lists(st.sampled_from(ODD_ENTRIES), max_size=4),
    st.sampled_from(["collection", "history", "searchset", "transaction"]),
)
def test_patients_versions_deletions_containers_and_nonsense_are_counted(
    one: list[Json], other: list[Json], odd: list[Any], kind: str
) -> None:
    bundle = in_bundle([*one, *of_patient(other, "q")], kind=kind)
    bundle["entry"][2:2] = odd

    conserved(("a.json", encode(bundle)))


@given(records(most=5), st.integers(0, 5))
def test_several_files_of_several_kinds_are_counted(record: list[Json], cut: int) -> None:
    lines = b"\n".join(encode(each) for each in record[cut:])

    conserved(("a.json", encode(in_bundle(record[:cut]))), ("b.ndjson", lines), ("c.json", encode(_RESULT)))


@pytest.mark.parametrize("path", _JOURNEYS, ids=lambda path: path.parent.name)
def test_every_entry_of_every_fixture_is_counted(path: Path) -> None:
    conserved((path.name, path.read_bytes()))


def test_an_irrelevant_result_whose_range_cannot_be_read_is_irrelevant_and_no_caution() -> None:
    odd = observation("odd", "718-7", quantity(Decimal(13), "g/dL"), referenceRange=[{"high": {"value": "x"}}])

    outcome = assessed_from(("a.json", encode(odd)))

    assert only(outcome).irrelevant == ("a.json",)
    assert (only(outcome).cautions, only(outcome).set_aside) == ((), ())
