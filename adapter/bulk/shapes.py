"""What many Observations of a laboratory have in common, set down once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from adapter.bulk.spilling import Spilled, segments
from adapter.clinical.results import LabResult
from adapter.errors import InputUnreadable
from adapter.fhir.plain import plain_observation
from adapter.fhir.plain_shapes import PlainObservation

# Of a laboratory there are some thousands; where every Observation has its own, its line is set down as it came.
_MOST = 4096
_NAME = msgspec.msgpack.Encoder().encode
_examples_in = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode
NONE_OF_OURS = b""


class Shapes:
    """Names what the Observations of one range have in common, and keeps an example of each."""

    def __init__(self, is_ours: Callable[[LabResult], bool]) -> None:
        """Take what tells whether Observations of a kind are of interest."""
        self._is_ours = is_ours
        # By the identity of what the fast lane keeps; it is kept here too, so that no other takes its place.
        self._known: dict[int, tuple[bytes | None, LabResult]] = {}
        self.examples: dict[bytes, bytes] = {}

    def of(self, plain: PlainObservation) -> bytes | None:
        """The name of its shape; ``NONE_OF_OURS`` where that says nothing to us, ``None`` if there are too many."""
        known = self._known.get(id(plain.common))
        return known[0] if known else self._learnt(plain)

    def _learnt(self, plain: PlainObservation) -> bytes | None:
        name: bytes | None = NONE_OF_OURS
        if self._is_ours(plain.common):
            name = blake2b(_NAME(plain.common), digest_size=16).digest()
            if len(self.examples) < _MOST:
                self.examples.setdefault(name, bytes(plain.raw))
            elif name not in self.examples:
                name = None
        if len(self._known) >= 2 * _MOST:
            self._known.clear()
        self._known[id(plain.common)] = (name, plain.common)
        return name


class Recalled:
    """Knows shapes by their names, from the examples that the scan kept."""

    def __init__(self, scanned: Sequence[Spilled], slot: int) -> None:
        """Take the spill file of each range, and the slot of the examples."""
        self._scanned, self._slot = scanned, slot
        self._known: dict[bytes, LabResult | bytes] = {}

    def of(self, chunk: int, name: bytes) -> LabResult:
        """What the Observations of this shape report, but for what is their own."""
        found = self._known.get(name)
        if found is None:
            self._read(*self._scanned[chunk])
            found = self._known[name]
        if isinstance(found, bytes):
            plain = plain_observation(found)
            if plain is None:
                raise InputUnreadable("a temporary file is damaged")
            found = self._known[name] = plain.common
        return found

    def _read(self, path: Path, rounds: list[int]) -> None:
        if len(self._known) >= 2 * _MOST:
            self._known.clear()
        for data in segments(path, rounds, self._slot):
            for name, example in _examples_in(data):
                self._known.setdefault(name, example)
