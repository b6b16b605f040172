"""The door for programs: one call from a Bundle to its assessments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source
from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge
from adapter.pipeline import Options, Outcome, assess_sources


def assess_bundle(
    bundle: bytes | str | Mapping[str, Any],
    *,
    as_of: date | datetime,
    knowledge: Knowledge | None = None,
    options: Options | None = None,
) -> Outcome:
    """Assess every patient in a Bundle, a single resource or NDJSON.

    Args:
        bundle: FHIR JSON as bytes or text (every digit is kept), or already parsed with ``Decimal`` numbers;
            a ``float`` in it is refused, since its digits are lost already.
        as_of: The moment of the assessment, with its zone; a date means the end of that day in UTC.
        knowledge: What ``load_knowledge`` gave; default: the shipped mappings, loaded once.
        options: Release, language and what is switched on; default: the safe ones.

    Returns:
        One ``PatientOutcome`` per patient (assessment, set aside and why, resources to write), and the problems
        that belong to no patient. Wrong data never raises; it is reported.

    Raises:
        ValueError: ``as_of`` has no zone, or a parsed bundle holds a ``float`` or cannot be JSON.
    """
    data = _as_bytes(bundle)
    known = knowledge if knowledge is not None else _shipped()
    return assess_sources([Source("bundle", data)], known, as_of=end_of_day(as_of), options=options or Options())


def end_of_day(as_of: date | datetime) -> datetime:
    """The moment meant: a datetime as it is, a date as its last second in UTC, so that results of that day count."""
    if not isinstance(as_of, datetime):
        return datetime.combine(as_of, time(23, 59, 59), UTC)
    if as_of.tzinfo is None:
        raise ValueError("as_of has no zone; use datetime(..., tzinfo=UTC), or a date")
    return as_of


@cache
def _shipped() -> Knowledge:
    return load_knowledge()


def _as_bytes(bundle: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(bundle, bytes):
        return bundle
    if isinstance(bundle, str):
        # Half of a surrogate pair is no UTF-8 either way; so it is reported, as it is when it comes in bytes.
        return bundle.encode(errors="surrogatepass")
    _refuse_floats(bundle)
    try:
        return encode(bundle)
    except (UnicodeEncodeError, RecursionError):
        raise ValueError("the bundle is no JSON: it is nested too deep, or holds half of a surrogate pair") from None


def _refuse_floats(value: object) -> None:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, float):
            raise ValueError("the bundle holds a float; give bytes, or parse numbers as Decimal")
        if isinstance(found, Mapping):
            waiting += found.values()
        elif isinstance(found, (list, tuple)):
            waiting += found
