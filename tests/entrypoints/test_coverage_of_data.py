"""``osteo-fhir coverage``: every kind of value and of code is counted once, with its unit."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.entrypoints.building import LOW, run, saved
from tests.laws.bundles import Json, irrelevant, measured, observation, quantity

_SPOT = "9321-1"
_RATIO = {"numerator": quantity(Decimal(2), "mg"), "denominator": quantity(Decimal(1), "g")}


def rows(folder: Path, *resources: Json) -> Any:
    """The rows of the coverage, by code."""
    told = json.loads(run("coverage", saved(folder / "a.json", [*LOW[:1], *resources]), "--json").stdout)
    return {row["code"]: row for row in told["codes"]}


def test_units_are_counted_whatever_the_type_of_the_value(tmp_path: Path) -> None:
    ends = {"low": quantity(Decimal(1), "ng/L"), "high": quantity(Decimal(2), "ng/L")}
    found = rows(
        tmp_path,
        measured("a", "ctx", "812"),
        measured("b", "ctx", "0.4", "ng/mL"),
        measured("c", "ctx", "1") | {"valueQuantity": {"value": 1, "unit": "bananas"}},
        measured("d", "ctx", "1") | {"valueQuantity": {"value": 1}},
        observation("e", "41171-0", None, valueRange=ends),
        observation("f", _SPOT, None, valueRatio=_RATIO),
        observation("g", _SPOT, None, valueRatio={"denominator": quantity(Decimal(1), "g")}),
        observation("h", _SPOT, None, valueString="high"),
    )

    assert found["41171-0"]["units"] == {"ng/L": 2, "ng/mL": 1, "?bananas": 1, "?(none)": 1}
    assert found["41171-0"]["count"] == 5
    assert (len(found[_SPOT]["units"]), found[_SPOT]["count"]) == (1, 3)


def test_a_unit_is_known_only_for_the_marker_it_can_be_converted_for(tmp_path: Path) -> None:
    spot = observation("c", _SPOT, None, valueRatio=_RATIO | {"denominator": quantity(Decimal(3), "kg")})

    found = rows(tmp_path, measured("a", "dxa-t-score", "0.889", "g/cm2"), measured("b", "dxa-bmd", "0.889"), spot)

    assert [row["units"] for row in found.values() if row["meaning"] == "dxa-t-score"] == [{"?g/cm2": 1}]
    assert [row["units"] for row in found.values() if row["meaning"] == "dxa-bmd"] == [{"g/cm2": 1}]
    assert [unit[0] for unit in found[_SPOT]["units"]] == ["?"]


def test_answers_are_risk_factors_and_what_is_nothing_to_us_is_unknown(tmp_path: Path) -> None:
    found = rows(tmp_path, observation("a", "72166-2", None), *irrelevant("i")[:1])

    assert (found["72166-2"]["standing"], found["72166-2"]["meaning"]) == ("factor", "smoking-current")
    assert (found["718-7"]["standing"], found["718-7"]["meaning"]) == ("unknown", "")


def test_what_has_no_code_is_counted_as_an_entry_alone(tmp_path: Path) -> None:
    result = run("coverage", saved(tmp_path / "a.json", [measured("a", "ctx", "1") | {"code": {"text": "β-CTX"}}]))

    assert (result.exit_code, result.stdout) == (0, "1 entry, 0 codes\n")


def test_a_code_whose_system_is_spelled_otherwise_is_known_all_the_same(tmp_path: Path) -> None:
    coding = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "41171-0"}]}

    found = rows(tmp_path, measured("a", "ctx", "1") | {"code": coding})

    assert (found["41171-0"]["system"], found["41171-0"]["standing"]) == ("http://loinc.org", "marker")
