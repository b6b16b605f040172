"""Every element of every kind of resource that is read, holding what it may not hold: one by one, none left out."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir.decoding import encode
from tests.fhir.test_any_json import RICH
from tests.laws.accounting import assert_conserved
from tests.laws.bundles import Json, assessed_from, in_bundle, measured

JUNK: list[Any] = [
    *(None, True, 0, Decimal("-1e30"), "", "x", [], {}, [None], [[]], ["x"], [{}], {"x": 1}, "\u0000", "#", "0001"),
    *({"reference": ["x"]}, {"coding": "x"}, {"value": "1"}, {"extension": {}}, [{"extension": [None]}]),
]  # fmt: skip
PATIENT = {"resourceType": "Patient", "id": "1", "gender": "female", "birthDate": "1956-03-14"}
NEIGHBOUR = measured("neighbour", "vitamin-d", "34", subject={"reference": "Patient/1"})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every element, however deep."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def spoiled(resource: Json, path: tuple[Any, ...], junk: Any) -> Json:
    """The resource with junk in one place."""
    copy = deepcopy(resource)
    holder: Any = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = junk
    return copy


@pytest.mark.parametrize("resource", RICH, ids=lambda resource: resource["resourceType"])
def test_a_wrong_type_in_any_element_costs_no_neighbour_and_nothing_vanishes(resource: Json) -> None:
    for path in places(resource):
        for junk in JUNK:
            data = encode(in_bundle([spoiled({**resource, "id": "odd"}, path, junk), PATIENT, NEIGHBOUR], base=""))

            outcome = assessed_from(("a.json", data))

            assert_conserved(outcome, [("a.json", data)])
            used = {str(each.result) for patient in outcome.patients for each in patient.assessment.evidence}
            assert any("Observation/neighbour" in each for each in used), (path, junk)
