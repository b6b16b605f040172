"""Take JSON apart without decoding it, where its bytes prove that this loses nothing."""

from __future__ import annotations

import re

import msgspec

from adapter.fhir.decoding import NO_JSON

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN', re.DOTALL)
_HALF = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_OTHER_HALF = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
# What may stand in a text comes first, then what may not.
_SIGN = re.compile(
    rb"(" + _HALF + _OTHER_HALF + rb"|\\(?!u[dD][89a-fA-F]).)|" + _HALF + rb"|" + _OTHER_HALF + rb"|[\0-\x1f]",
    re.DOTALL,
)
_NO_NUMBER, _NO_SIGN = b"1e999", rb"\u0000"
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
Parts = dict[str, msgspec.Raw]


def compacted(data: bytes) -> bytes:
    """The same JSON without white space between its tokens; the bytes as they came where they are no JSON."""
    if data.startswith(b'{"resourceType":"'):
        return data
    try:
        return msgspec.json.format(data, indent=-1)
    except NO_JSON:
        return data


def spelled_out(data: bytes) -> bytes:
    """The same document, what no JSON may hold written so that it is refused where it stands and costs nothing else.

    NaN and infinities become a number beyond all bounds; half of a surrogate pair, and a control character within a
    text, become NUL. All of these are refused when their entry is decoded; as they came, they would end the reading of
    the document around it.
    """
    return _TOKEN.sub(lambda found: _spelled(found[0]), data)


def _spelled(token: bytes) -> bytes:
    return _SIGN.sub(lambda found: found[1] or _NO_SIGN, token) if token.startswith(b'"') else _NO_NUMBER


def unique_parts(data: bytes | msgspec.Raw) -> Parts | None:
    """The members of a JSON object, undecoded; ``None`` unless the bytes prove that each key occurs once.

    A key that occurs twice is found once among the members, so the object is longer than its members. So it is where
    there is white space or an escape in a key; such objects are left to those who look closer.
    """
    try:
        parts = _PARTS.decode(data)
    except NO_JSON:
        return None
    length = sum(map(len, parts)) + sum(map(len, parts.values())) + 4 * len(parts) + 1
    return parts if length == len(data) else None


def items_of(part: msgspec.Raw) -> list[msgspec.Raw] | None:
    """The items of a JSON array, undecoded; ``None`` if it is none."""
    try:
        return _ITEMS.decode(part)
    except NO_JSON:
        return None
