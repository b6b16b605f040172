"""Law: "both lanes agree": the fast lane gives what the careful lane gives, on every input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.entries import of_line, split
from adapter.fhir.plain import plain_observation, plain_observations
from adapter.fhir.plain_shapes import ENCODER, ReadObservation
from adapter.fhir.reading import Reading, Source, read
from adapter.fhir.releases import Release

_ENDINGS = (".json", ".ndjson", ".gz")
PLAIN: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "ctx-1",
    "meta": {"versionId": "3", "lastUpdated": "2026-06-02T09:00:00+08:00", "profile": ["http://example.org/lab"]},
    "identifier": [{"system": "urn:lab", "value": "A-1"}],
    "status": "final",
    "category": [{"coding": [{"system": "http://example.org", "code": "laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "41171-0", "display": "β-CTX"}], "text": "CTX"},
    "subject": {"reference": "Patient/p-1", "display": "somebody"},
    "effectiveDateTime": "2026-06-02T08:00:00+08:00",
    "issued": "2026-06-02T09:00:00.000+08:00",
    "performer": [{"reference": "Organization/lab", "display": "Central Laboratory"}],
    "valueQuantity": {"value": 812, "unit": "pg/mL", "system": "http://unitsofmeasure.org", "code": "pg/mL"},
    "interpretation": [{"coding": [{"system": "http://example.org", "code": "H"}]}],
    "referenceRange": [{"low": {"value": 98, "unit": "pg/mL"}, "high": {"value": 646.0, "unit": "pg/mL"}}],
}
# What may stand where something else was expected: odd types, odd texts, things with a meaning of their own.
ODDITIES: list[Any] = [None, "", " ", [], {}, 0, -0.0, 1e300, True, "x", ["x"], {"x": 1}, "2026", "2026-02-30", "final",
                       {"reference": "#p"}, {"reference": "urn:uuid:1"}, {"reference": "Patient?identifier=a|b"},
                       [{"url": "u", "valueString": "v"}], "\ud7ff", "\x7f", "é", {"value": 1, "comparator": "<"},
                       {"value": 5, "extension": [{"url": "u"}]}, {"coding": [{"code": "1"}]}, [[[[]]]]]  # fmt: skip
NAMES = [*PLAIN, "component", "contained", "modifierExtension", "implicitRules", "focus", "specimen", "device",
         "dataAbsentReason", "_status", "_valueQuantity", "note", "hasMember", "bodySite", "method", "text",
         "extension", "valueString", "effectivePeriod", "unknownElement", "language", "encounter"]  # fmt: skip


def lanes(data: bytes, name: str = "a.json") -> tuple[Reading, Reading]:
    source = [Source(name, data)]
    fast = read(source, release=None, allow_preliminary=True)
    return fast, read(source, release=None, allow_preliminary=True, carefully=True)


def assert_same(fast: Reading, careful: Reading, name: str = "") -> None:
    """The same, digit by digit: 0.50 equals 0.5, and -0 equals 0, but they are not the same."""
    assert fast == careful, name
    assert repr(fast) == repr(careful), name


def compact(resource: object) -> bytes:
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def in_bundle(*resources: bytes) -> bytes:
    entries = b",".join(b'{"fullUrl":"http://h/fhir/X/%d","resource":%s}' % pair for pair in enumerate(resources))
    return b'{"resourceType":"Bundle","type":"collection","entry":[%s]}' % entries


def test_a_plain_observation_is_read_by_the_fast_lane() -> None:
    """Without this the other tests would hold of a lane that takes nothing."""
    assert plain_observation(compact(PLAIN)) is not None


def test_the_lanes_agree_on_a_plain_observation() -> None:
    fast, careful = lanes(compact(PLAIN))
    assert_same(fast, careful)
    assert [result.code.text for result in fast.results] == ["CTX"]


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ODDITIES), max_size=3), st.sets(st.sampled_from(NAMES)))
def test_the_lanes_agree_whatever_stands_in_an_element_or_is_missing(odd: dict[str, Any], missing: set[str]) -> None:
    resource = {key: value for key, value in (PLAIN | odd).items() if key not in missing or len(missing) > 3}
    for data in (compact(resource), in_bundle(compact(resource), compact(PLAIN))):
        fast, careful = lanes(data)
        assert_same(fast, careful)


@given(st.data())
def test_the_lanes_agree_when_something_deep_inside_is_odd(data: st.DataObject) -> None:
    resource = json.loads(compact(PLAIN))
    holder = resource
    for _ in range(data.draw(st.integers(1, 4))):
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], (dict, list)) or not holder[key]:
            break
        holder = holder[key]
    target = data.draw(st.sampled_from(list(holder) if isinstance(holder, dict) else list(range(len(holder)))))
    holder[target] = data.draw(st.sampled_from(ODDITIES))
    fast, careful = lanes(compact(resource))
    assert_same(fast, careful)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"status":"final"', b'"status":"final","status":"amended"'),
        (b'"status":"final"', b'"status":"entered-in-error","status":"final"'),
        (b'"status":"final"', b'"st\\u0061tus":"cancelled","status":"final"'),
        (b'"value":812', b'"value":812,"value":1'),
        (b'"value":812', b'"value":NaN'),
        (b'"value":812', b'"value":1e999'),
        (b'"value":812', b'"value":1e2'),
        (b'"value":812', b'"value":-0'),
        (b'"value":812', b'"value":0812'),
        (b'"value":812', b'"value":812.'),
        (b'"value":812', b'"value":"812"'),
        (b'"value":812', b'"value":' + b"8" * 600),
        (b'"value":812', b'"value":0.' + b"1" * 400),
        (b'"value":812', b'"value": 812'),
        (b'"unit":"pg/mL","system"', b'"unit":"pg/mL","unit":"ng/mL","system"'),
        (b'"id":"ctx-1"', b'"id":"ctx-1","id":"ctx-2"'),
        (b'"code":"41171-0"', b'"code":"41171-0","code":"2160-0"'),
        (b'"display":"somebody"', b'"display":"\xff"'),
        (b'"display":"somebody"', b'"display":"\\ud800"'),
        (b'"display":"somebody"', b'"display":"\\u0000"'),
        (b'"display":"somebody"', b'"display":"\x01"'),
        (b'"text":"CTX"', b'"text":' + b"[" * 70 + b"]" * 70),
        (b'"text":"CTX"', b'"text":' + b"[" * 100_000 + b"]" * 100_000),
        (b'"resourceType":"Observation"', b'"resourceType":"Observation","resourceType":"Patient"'),
        (b'{"resourceType":"Observation",', b'{"id":"0","resourceType":"Observation",'),
        (b'"issued":"', b'"issued":"yesterday'),
        (b'"reference":"Patient/p-1"', b'"reference":"#p"'),
        (b'"reference":"Patient/p-1"', b'"reference":"Patient?identifier=a|b"'),
        (
            b'"interpretation":[{"coding":[{"system":"http://example.org","code":"H"}]}]',
            b'"interpretation":[{"text":"high"}]',
        ),
        (b'"interpretation":[{"coding":[{"system":"http://example.org","code":"H"}]}]', b'"interpretation":[]'),
        (
            b'"profile":["http://example.org/lab"]',
            b'"profile":["http://hl7.org/fhir/3.0/StructureDefinition/Observation"]',
        ),
        (b'"value":812', b'"value":1e-2'),
        (b'"value":812', b'"value":1E2'),
        (b'"display":"somebody"', b'"display":"some\\/body"'),
        (b'"display":"somebody"', b'"display":null'),
        (b'"display":"somebody"', b'"display":"\\"valueQuantity\\":{\\"value\\":1"'),
        (b'"reference":"Patient/p-1"', b'"reference":"Patient/p-1","identifier":{"value":"1"}'),
        (b'"status":"final"', b'"status":"final","valueQuantity":{"value":1}'),
    ],
)
def test_the_lanes_agree_on_json_that_is_ambiguous_or_broken(old: bytes, new: bytes) -> None:
    raw = compact(PLAIN)
    assert old in raw
    changed = raw.replace(old, new, 1)
    for data in (changed, b"\xef\xbb\xbf" + changed, in_bundle(changed, raw), raw + b"\n" + changed + b"\n" + raw):
        fast, careful = lanes(data)
        assert_same(fast, careful)


# What stands beside the resource in an entry of a Bundle.
BESIDE = [
    b'"request":{"method":"POST","url":"Observation"}',
    b'"response":{"status":"200","lastModified":"2026-06-02"}',
]
ODD_BESIDE = [b'"request":{"method":"DELETE","url":"Observation/1"}', b'"request":{"method":"POST","method":"DELETE"}',
              b'"request":{"method":"\\u0000"}', b'"request":{"method":' + b"[" * 63 + b"]" * 63 + b"}",
              b'"request":{"method":"DELETE"},"request":{"method":"POST"}', b'"link":[{"a":1,"a":2}]',
              b'"request":{"method":"POST"},"extra":{"a":1,"a":2}', b'"request":"DELETE"',
              b'"request":null']  # fmt: skip


def beside(member: bytes) -> bytes:
    entries = (b'{"fullUrl":"http://h/fhir/Observation/ctx-1","resource":%s,%s}' % (compact(PLAIN), member), b"{}")
    return b'{"resourceType":"Bundle","type":"transaction","entry":[%s]}' % b",".join(entries)


@pytest.mark.parametrize("member", BESIDE)
def test_an_observation_that_is_to_be_written_is_read_by_the_fast_lane(member: bytes) -> None:
    """Bundles of synthetic records are transactions, and those of a history tell what the server did."""
    assert [entry.plain is not None for entry in split(beside(member), "a.json")] == [True, False]


@pytest.mark.parametrize("member", [*BESIDE, *ODD_BESIDE])
def test_the_lanes_agree_whatever_stands_beside_a_resource(member: bytes) -> None:
    fast, careful = lanes(beside(member))
    assert_same(fast, careful)


@pytest.mark.parametrize(
    ("tag", "results"),
    [
        ({"system": "http://example.org", "code": "demo"}, 1),
        ({"code": "SUBSETTED"}, 0),
        ({"code": "demo", "id": "1"}, 1),
    ],
)
def test_the_lanes_agree_on_a_tag_and_use_nothing_that_the_server_cut(tag: dict[str, str], results: int) -> None:
    fast, careful = lanes(compact(PLAIN | {"meta": {"tag": [tag]}}))
    assert_same(fast, careful)
    assert len(fast.results) == results


MEASURED = PLAIN | {
    "specimen": {"reference": "Specimen/s"},
    "performer": [{"reference": "Practitioner/d"}, {"reference": "Organization/lab", "display": "Central Laboratory"}],
}
FASTING = {"collection": {"fastingStatusDuration": {"value": 9, "code": "h"}}}
SPECIMEN = compact({"resourceType": "Specimen", "id": "s", **FASTING})
LABORATORY = compact({"resourceType": "Organization", "id": "d", "name": "Another Laboratory"})


def in_searchset(*resources: tuple[str, bytes]) -> bytes:
    entries = b",".join(b'{"fullUrl":"http://h/fhir/%s","resource":%s}' % (at.encode(), each) for at, each in resources)
    return b'{"resourceType":"Bundle","type":"searchset","entry":[%s]}' % entries


@pytest.mark.parametrize(
    ("others", "fasting", "laboratory"),
    [
        ([], None, "Central Laboratory"),
        ([("Specimen/s", SPECIMEN)], True, "Central Laboratory"),
        ([("Specimen/other", SPECIMEN)], None, "Central Laboratory"),
        ([("Practitioner/d", LABORATORY)], None, "Practitioner/d"),
    ],
)
def test_the_lanes_agree_whether_or_not_came_what_says_more(
    others: list[tuple[str, bytes]], fasting: bool | None, laboratory: str
) -> None:
    """A sample, or whoever measured it, may say more of a result; but mostly they do not come with it."""
    fast, careful = lanes(in_searchset(("Observation/ctx-1", compact(MEASURED)), *others))
    assert_same(fast, careful)
    assert [(result.fasting, result.test.performer) for result in fast.results] == [(fasting, laboratory)]


@pytest.mark.parametrize("name", ["specimen", "performer"])
def test_what_others_may_say_more_about_is_plain_only_among_them(name: str) -> None:
    """The bulk door reads every line by itself, so there the careful lane has to look for the others."""
    line = compact(PLAIN | {name: MEASURED[name]})
    assert plain_observation(line) is None
    assert plain_observations([line, compact(PLAIN)])[0] is None
    assert [entry.plain for entry in of_line(line, "")] == [None]
    assert [entry.plain is not None for entry in split(line, "a.json")] == [True]


@given(st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3))
def test_the_lanes_agree_on_bytes_changed_at_random(place: int, bytes_put: bytes, taken: int) -> None:
    raw = compact(PLAIN)
    place %= len(raw)
    changed = raw[:place] + bytes_put + raw[place + taken :]
    fast, careful = lanes(changed)
    assert_same(fast, careful)


@given(
    st.text(),
    st.booleans(),
    st.sampled_from(["\\/", "\\u0041", "\\u00e9", "\\ud83d\\ude00", "\\u001f", "\\t", "/", ""]),
)
def test_what_the_fast_lane_writes_again_is_never_longer(text: str, ascii_alone: bool, escape: str) -> None:
    """The proof of plainness rests on this: something lost can then never be made up for by something grown."""
    told = {"subject": {"reference": "Patient/p", "display": text}, "issued": text, "meta": {"source": text}}
    raw = json.dumps(PLAIN | told, ensure_ascii=ascii_alone, separators=(",", ":")).encode("utf-8", "surrogatepass")
    raw = raw.replace(b'"issued":"', b'"issued":"' + escape.encode(), 1)
    try:
        read = msgspec.json.decode(raw, type=ReadObservation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    assert len(ENCODER.encode(read)) <= len(raw)


@pytest.mark.parametrize("release", list(Release))
def test_the_lanes_agree_in_every_release(release: Release) -> None:
    source = [Source("a.json", compact(PLAIN))]
    assert read(source, release=release) == read(source, release=release, carefully=True)


def test_one_bad_entry_of_a_bundle_costs_no_other() -> None:
    bad = compact(PLAIN).replace(b'"value":812', b'"value":812,"value":1')
    fast, careful = lanes(in_bundle(bad, compact(PLAIN)))
    assert_same(fast, careful)
    assert len(fast.results) == 1


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name.endswith(_ENDINGS))


def test_the_lanes_agree_on_every_fixture(repository: Path) -> None:
    for path in _files(repository / "fixtures"):
        fast, careful = lanes(path.read_bytes(), path.name)
        assert_same(fast, careful, path.name)


def test_the_lanes_agree_on_everything_that_real_systems_sent(shared_data: Path) -> None:
    for path in _files(shared_data):
        fast, careful = lanes(path.read_bytes(), path.name)
        assert_same(fast, careful, path.name)
