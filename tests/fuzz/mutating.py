"""Spoil a real input the way networks, exports, scripts and attackers do; the same seed spoils it the same way."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

_KEY = re.compile(rb'"([A-Za-z]{2,20})"\s*:')
_NUMBER = re.compile(rb":\s*(-?\d+(?:\.\d+)?)")
_STRING = re.compile(rb':\s*"([^"\\]{1,60})"')
# Put where a value is expected. As text, for JSON as Python knows it has no duplicate keys and no NaN.
JUNK: tuple[bytes, ...] = (
    *(b"null", b"true", b"0", b"-1", b"-0.0", b"1e5", b"1e400", b"1e-400", b"NaN", b"-Infinity", b"01", b"1.", b"+1"),
    *(b"9" * 499, b"0." + b"3" * 490, b"9" * 600, b"[]", b"{}", b"[[[]]]", b"[null]", b'["x", 1, {}]', b"undefined"),
    *(b'""', b'"x"', b"'x'", b'"\\ud800"', b'"\\u0000"', '"\u202e\ufeff\u2028"'.encode(), b'"entered-in-error"'),
    *(b'"2026-02-30"', b'"9999"', b'"0001"', b'"0001-01-01T00:00:00-14:00"', b'"9999-12-31T23:59:59.999999999+14:00"'),
    *(b'{"extension": []}', b'{"modifierExtension": [{"url": "x"}]}', b'{"value": 1, "value": 2}'),
    *(b'{"reference": "#x"}', b'{"reference": "Patient/p?x|y"}', b'{"coding": [{"code": "41171-0"}]}'),
    *(b'"' + b"x" * 100_000 + b'"', b"[" + b"{}," * 5_000 + b"{}]"),
    *(b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70),
)
BYTES: tuple[bytes, ...] = (b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf5\x80\x80\x80", b"\n",
                            b"\\", b'"', b"{", b"}", b"]", b",", b"\x1f\x8b", b"<", b"\r\n\r\n")  # fmt: skip

Mutation = Callable[[random.Random, bytes], bytes]


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The input after one to four mutations."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(MUTATIONS)(chance, data)
    return data


def _truncated(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _beheaded(chance: random.Random, data: bytes) -> bytes:
    return data[chance.randint(0, len(data)) :]


def _bytes_put_in(chance: random.Random, data: bytes) -> bytes:
    for _ in range(chance.randint(1, 5)):
        place = chance.randint(0, len(data))
        data = data[:place] + chance.choice(BYTES) + data[place + chance.randint(0, 3) :]
    return data


def _piece_moved(chance: random.Random, data: bytes) -> bytes:
    start, end = sorted(chance.randint(0, len(data)) for _ in range(2))
    place = chance.randint(0, len(data))
    return data[:place] + data[start : min(end, start + 2000)] + data[place:]


def _value_replaced(chance: random.Random, data: bytes) -> bytes:
    found = list(_KEY.finditer(data))
    if not found:
        return data
    match = chance.choice(found)
    end = _end_of_value(data, match.end())
    return data[: match.end()] + chance.choice(JUNK) + data[end:]


def _key_doubled(chance: random.Random, data: bytes) -> bytes:
    found = list(_KEY.finditer(data))
    if not found:
        return data
    match = chance.choice(found)
    return data[: match.end()] + chance.choice(JUNK) + b"," + match[0] + data[match.end() :]


def _key_renamed(chance: random.Random, data: bytes) -> bytes:
    found = list(_KEY.finditer(data))
    if len(found) < 2:
        return data
    one, other = chance.sample(found, 2)
    return data[: one.start(1)] + other[1] + data[one.end(1) :]


def _number_changed(chance: random.Random, data: bytes) -> bytes:
    return _part_replaced(chance, data, _NUMBER, [each for each in JUNK if not each.startswith((b'"', b"[", b"{"))])


def _text_changed(chance: random.Random, data: bytes) -> bytes:
    found = [match[1] for match in _STRING.finditer(data)]
    return _part_replaced(
        chance, data, _STRING, [*found, b"", b" ", b"x" * 50_000, b"\\ud83d", b"\\u0000", b"%s", b"../x"]
    )


def _part_replaced(chance: random.Random, data: bytes, part: re.Pattern[bytes], by: Sequence[bytes]) -> bytes:
    found = list(part.finditer(data))
    if not found or not by:
        return data
    match = chance.choice(found)
    return data[: match.start(1)] + chance.choice(by) + data[match.end(1) :]


def _shuffled(chance: random.Random, data: bytes) -> bytes:
    """Every list and every object in another order, and now and then an element more or less."""
    try:
        return json.dumps(_reordered(chance, json.loads(data)), ensure_ascii=chance.random() < 0.5).encode()
    except (ValueError, RecursionError):
        return data


def _reordered(chance: random.Random, value: Any) -> Any:
    if isinstance(value, list):
        again = [_reordered(chance, each) for each in value for _ in range(chance.choice((1, 1, 1, 1, 2, 0)))]
        return chance.sample(again, len(again))
    if isinstance(value, dict):
        return {key: _reordered(chance, value[key]) for key in chance.sample(list(value), len(value))}
    return value


def _repeated(chance: random.Random, data: bytes) -> bytes:
    return chance.choice((b"\n", b"", b",")).join([data] * chance.randint(2, 4))


def _packed(chance: random.Random, data: bytes) -> bytes:
    packed = gzip.compress(data, mtime=0)
    return packed[: chance.choice((len(packed), len(packed), chance.randint(0, len(packed))))]


def _recoded(chance: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(chance.choice(("utf-16", "utf-8-sig", "utf-32")))


MUTATIONS: tuple[Mutation, ...] = (
    _truncated, _beheaded, _bytes_put_in, _piece_moved, _key_doubled, _key_renamed, _number_changed, _text_changed,
    _shuffled, _repeated, _packed, _recoded, *[_value_replaced] * 6, *[_number_changed] * 3, *[_shuffled] * 2,
)  # fmt: skip


def _end_of_value(data: bytes, start: int) -> int:
    """Where the JSON value that begins here ends, roughly: at its closing bracket or the next comma."""
    rest = data[start:].lstrip()
    start = len(data) - len(rest)
    if rest[:1] == b'"':
        return start + rest.find(b'"', 1) + 1
    if rest[:1] not in (b"{", b"["):
        return start + min((place for sign in b",}]" if (place := rest.find(sign)) >= 0), default=len(rest))
    depth = 0
    for place, byte in enumerate(rest):
        depth += (byte in b"{[") - (byte in b"}]")
        if not depth:
            return start + place + 1
    return len(data)
