"""Read and write JSON so that every digit survives and nothing ambiguous passes."""

from __future__ import annotations

import json
import re
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from adapter.errors import InputUnreadable

# The deepest JSON met in practice (questionnaires, case reports) has 26 levels.
DEPTH_LIMIT = 64
# What one source may grow to when it is unpacked; larger input belongs to the bulk door, which reads it in pieces.
DECODED_LIMIT = 512 * 1024 * 1024
# Kept exactly up to here; what is longer, or has more zeros than that, measures nothing.
_LONGEST_NUMBER = 500
_DEEPEST_LINE = b"\n" + b" " * DEPTH_LIMIT
_SUSPICIOUS_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_FORBIDDEN_CHARACTER = re.compile("[\0\ud800-\udfff]")
# Begins with a literal, so that it is searched for at the speed of memory.
_EXPONENT = re.compile(rb"E(?<=\dE)[+-]\d")
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS
Json = dict[str, Any]
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_UNPROVED = object()
# Beside its own error msgspec lets these through: a key that is no UTF-8, brackets nested beyond the stack.
NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Ambiguous(msgspec.Struct):
    """The objects met in one document that hold a key twice, each with that key; the outermost comes last."""

    found: list[tuple[Json, str]] = []

    def object_of(self, pairs: list[tuple[str, object]]) -> Json:
        """Make an object of its keys and values, and note it where a key is repeated."""
        unique = dict(pairs)
        if len(unique) != len(pairs):
            keys = [key for key, _ in pairs]
            self.found.append((unique, next(key for key in keys if keys.count(key) > 1)))
        return unique


def decode(data: bytes, *, where: str) -> object:
    """Decode one JSON document with exact decimals; the same bytes always give the same value.

    Args:
        data: UTF-8, with or without a byte order mark.
        where: Place of the document, for the text of the error.

    Raises:
        InputUnreadable: It is no JSON, or JSON that means different things to different readers.
    """
    value = _read_at_once(data)
    return _read_closely(data, where) if value is _UNPROVED else value


def _read_at_once(data: bytes) -> object:
    """The value of a document, where writing it again proves that nothing in it is ambiguous.

    What is read can only become shorter by being written: a key that comes twice is lost, and so are white space and
    escapes that were not needed; numbers with an exponent, which could become longer, are not read here.
    """
    try:
        value = _DECODER.decode(data)
    except NO_JSON:
        return _UNPROVED
    if len(_ENCODER.encode(value)) != len(data) or b"\\u0000" in data:
        return _UNPROVED
    # Each level is indented by one more blank, and within a text no line can begin.
    return _UNPROVED if _DEEPEST_LINE in msgspec.json.format(data, indent=1) else value


def _read_closely(data: bytes, where: str) -> object:
    """The value of a document that may be written in any way that JSON allows, or what is wrong with it."""
    ambiguous = _Ambiguous()
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_float=_number, parse_constant=_refuse, object_pairs_hook=ambiguous.object_of)
    except UnicodeDecodeError as error:
        if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise InputUnreadable("this is UTF-16; save it as UTF-8, as FHIR is written", where=where) from None
        raise InputUnreadable("byte {number} is no UTF-8", {"number": str(error.start)}, where=where) from None
    except json.JSONDecodeError as error:
        if not text.strip():
            raise InputUnreadable("there is nothing in it", where=where) from None
        place = {"line": str(error.lineno), "column": str(error.colno), "reason": error.msg}
        raise InputUnreadable("no JSON at line {line}, column {column}: {reason}", place, where=where) from None
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError:
        raise InputUnreadable("a number is NaN, infinite or beyond all bounds", where=where) from None
    _refuse_faulty(text, value, ambiguous.found, where)
    return value


def encode(value: object) -> bytes:
    """Encode to compact JSON: keys in the order given, decimals with their digits and never with an exponent."""
    encoded = _ENCODER.encode(value)
    # str(Decimal("0.0000001")) is 1E-7; what may hold such a number is written once more, plainly.
    return _ENCODER.encode(_without_exponents(value)) if _EXPONENT.search(encoded) else encoded


def unpack(data: bytes, *, where: str, limit: int = DECODED_LIMIT) -> bytes:
    """The bytes as they are, or what gzip made small; never more than the limit.

    Raises:
        InputUnreadable: The compressed data are damaged, cut short or grow beyond the limit.
    """
    if not data.startswith(_GZIP_MAGIC):
        return data
    pieces: list[bytes] = []
    left = limit
    while data:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            pieces.append(unpacker.decompress(data, left + 1))
        except zlib.error as error:
            raise InputUnreadable("the gzip data are damaged", where=where) from error
        left -= len(pieces[-1])
        if left < 0:
            raise InputUnreadable("the gzip data grow beyond {limit} bytes", {"limit": str(limit)}, where=where)
        if not unpacker.eof:
            raise InputUnreadable("the gzip data are cut short", where=where)
        data = unpacker.unused_data
    return b"".join(pieces)


def _refuse_faulty(text: str, value: object, ambiguous: list[tuple[Json, str]], where: str) -> None:
    """Refuse JSON that could be decoded, and yet is too deep or means different things to different readers."""
    if _is_deeper(value, DEPTH_LIMIT):
        raise _too_deep(where)
    if ambiguous:
        # The outermost object is completed last, so it is the one that surely was kept.
        path = {"path": _path_to(value, *ambiguous[-1])}
        raise InputUnreadable("{path} occurs twice in one object", path, where=where)
    if _SUSPICIOUS_ESCAPE.search(text) and any(_FORBIDDEN_CHARACTER.search(each) for each in _strings(value)):
        sentence = "a text holds a character that is none (NUL, or half of a surrogate pair)"
        raise InputUnreadable(sentence, where=where)


def _too_deep(where: str) -> InputUnreadable:
    return InputUnreadable("nested deeper than {number} levels", {"number": str(DEPTH_LIMIT)}, where=where)


def _number(digits: str) -> Decimal:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise ValueError from None
    if abs(number.adjusted()) > _LONGEST_NUMBER:
        raise ValueError
    return number


def _plain_number(digits: str) -> Decimal:
    if "e" in digits or "E" in digits:
        raise ValueError
    return _number(digits)


_DECODER = msgspec.json.Decoder(float_hook=_plain_number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _is_deeper(value: object, limit: int) -> bool:
    """Whether objects and lists are nested deeper than the limit."""
    level: list[Any] = [[value]]
    for _ in range(limit + 1):
        level = [
            each
            for holder in level
            for each in (holder.values() if holder.__class__ is dict else holder)
            if each.__class__ is dict or each.__class__ is list
        ]
        if not level:
            return False
    return True


def _path_to(value: object, wanted: Json, key: str) -> str:
    """The path of a key of one object, found by identity."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, found = waiting.pop()
        if found is wanted:
            return f"{path}.{key}".lstrip(".")
        if isinstance(found, dict):
            waiting += [(f"{path}.{name}", each) for name, each in found.items()]
        elif isinstance(found, list):
            waiting += [(f"{path}[{index}]", each) for index, each in enumerate(found)]
    return key


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += [*found, *found.values()]
        elif isinstance(found, list):
            waiting += found


def _without_exponents(value: object) -> object:
    match value:
        case Decimal():
            return msgspec.Raw(format(value, "f").encode())
        case Mapping():
            return {key: _without_exponents(each) for key, each in value.items()}
        case list() | tuple():
            return [_without_exponents(each) for each in value]
    return value
