"""What no JSON may hold costs the entry of a Bundle that holds it, and no other."""

from __future__ import annotations

import pytest

from adapter.fhir.compact import spelled_out
from adapter.fhir.entries import split
from adapter.problems import ProblemCode

_GOOD = b'{"resource":{"resourceType":"Observation","id":"good","status":"final"}}'
_BAD = b'{"resource":{"resourceType":"Observation","id":"bad","status":"final","valueQuantity":{"value":@VALUE@}}}'
_UNFIT = [b"NaN", b"Infinity", b"-Infinity", b"1e999", rb'"\ud800"', rb'"\udc00 alone"', b'"a\nb"', b'"\xff"']


@pytest.mark.parametrize("carefully", [True, False])
@pytest.mark.parametrize("value", _UNFIT)
def test_what_is_no_json_costs_the_one_entry_that_holds_it(value: bytes, carefully: bool) -> None:
    """E15, E16, E19"""
    entries = b",".join([_GOOD, _BAD.replace(b"@VALUE@", value), _GOOD.replace(b"good", b"other")])
    bundle = b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}"
    first, broken, last = split(bundle, "page", carefully=carefully)
    assert (first.id, last.id) == ("good", "other")
    assert (first.problem, last.problem) == (None, None)
    assert broken.problem is not None
    assert broken.problem.code is ProblemCode.JSON_INVALID
    assert broken.where == "page#Bundle.entry[1]"


@pytest.mark.parametrize(
    ("came", "spelled"),
    [
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\\ud800"', rb'"\\ud800"'),
        (rb'"\\\ud800"', rb'"\\\u0000"'),
        (rb'"\ud800\ud83d\ude00"', rb'"\u0000\ud83d\ude00"'),
        (rb'"\u0041 NaN -Infinity \n"', rb'"\u0041 NaN -Infinity \n"'),
        (b'{"a": [NaN, -Infinity,Infinity]}', b'{"a": [1e999, 1e999,1e999]}'),
        (b'"a\tb"', rb'"a\u0000b"'),
    ],
)
def test_only_what_is_no_json_is_spelled_otherwise(came: bytes, spelled: bytes) -> None:
    assert spelled_out(came) == spelled
