"""Read every line once: set down what matters for its patient, count what does not, learn what concerns everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from zlib import crc32

import msgspec

from adapter.bulk.export import ExportFile
from adapter.bulk.frames import Either, Frame, Idle, Place, encoded, hashed
from adapter.bulk.lines import LONGEST_LINE, Range, TooLong, lines_of
from adapter.bulk.routing import Owner, followed, own_names, owner_of, replaced_by
from adapter.bulk.spilling import SpillWriter
from adapter.errors import ExportUnsound, InputUnreadable
from adapter.fhir.decoding import encode
from adapter.fhir.detection import releases_of, stated_release
from adapter.fhir.entries import of_line, refuse_markup
from adapter.fhir.entry import Entry, object_at, text_at
from adapter.fhir.reading import READ_TYPES
from adapter.fhir.references import service_bases
from adapter.fhir.releases import Release
from adapter.fhir.resource_types import RESOURCE_TYPES
from adapter.fhir.versions import is_withdrawn
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from adapter.recognition.markers import meaning_of

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What others are resolved to, though nothing is read of it for its own sake.
_LOOKED_UP = frozenset({"Specimen", "Medication", "Organization", "OperationOutcome"})


class Stream:
    """The kinds of items in a spill file; each has a slot for every partition.

    FRAMES and IDLES lie with their owners. NAMES say which owners bear or mean a name. UNPLACED are the frames whose
    patient only the Patients can tell; they lie with the first name they call, CALLED are the other names.
    """

    FRAMES, IDLES, NAMES, UNPLACED, CALLED = range(5)
    COUNT = 5


class Layout(msgspec.Struct, frozen=True):
    """How patients are divided into partitions: by the first bits of a checksum, the same in every process."""

    bits: int

    @property
    def partitions(self) -> int:
        """How many there are."""
        return 1 << self.bits

    def of(self, owner: str) -> int:
        """The partition of an owner."""
        return order_of(owner)[0] >> (32 - self.bits)

    def of_name(self, key: int) -> int:
        """The share of all names that a hashed name falls into."""
        return key >> (48 - self.bits)

    def slot(self, stream: int, partition: int) -> int:
        """Where a spill file keeps a stream's items of a partition."""
        return stream * self.partitions + partition

    @property
    def slots(self) -> int:
        """How many slots a spill file has."""
        return Stream.COUNT * self.partitions


def order_of(owner: str) -> tuple[int, str]:
    """The place of an owner in everything that is written, however many partitions there are."""
    return crc32(owner.encode("utf-8", "surrogatepass")), owner


class Scanned(msgspec.Struct):
    """What was learnt from one range.

    Attributes:
        rounds: Where the spill file keeps its tables.
        lines, entries: How many lines are not blank, and how many lines there are at all, for the numbers of the next.
        ends: Checksums of the first and the last line: with the counts they tell a copy of a file.
        fits, declared: What tells the release; see detection.
        bases: The service bases spoken of; two are as good as many.
        links: Patients that others replace, with those.
        unplaced: How many entries name their patient in a way that only the Patients can resolve.
        findings: Why the file cannot be read to its end.
    """

    rounds: list[int] = []
    resources: int = 0
    lines: int = 0
    length: int = 0
    entries: int = 0
    idle: int = 0
    ends: tuple[int, int] = (0, 0)
    fits: list[tuple[list[Release], int]] = []
    declared: set[Release] = set()
    bases: set[str] = set()
    links: list[tuple[str, str]] = []
    unplaced: int = 0
    findings: list[str] = []


class Scan(msgspec.Struct, frozen=True):
    """How every range is scanned.

    Attributes:
        knowledge: It says which codes are of interest.
        has_plain: Whether plain Observations may be read by the fast lane, and idle ones be passed over.
        memory: How many bytes are gathered before they are written.
    """

    files: Sequence[ExportFile]
    layout: Layout
    knowledge: Knowledge
    has_plain: bool
    memory: int

    def scan(self, chunk: int, part: Range, target: Path, tell: Callable[[int], None]) -> Scanned:
        """Scan one range into one spill file."""
        file = self.files[part.file]
        with SpillWriter(target, self.layout.slots, memory=self.memory) as spill:
            scanner = _Scanner(self, chunk, spill)
            try:
                _scan_lines(scanner, lines_of(file, part, tell), is_start=part.start == 0)
            except ExportUnsound as error:
                scanner.found.findings = list(error.findings)
        scanner.found.rounds = spill.rounds
        scanner.found.fits = [(sorted(releases), count) for releases, count in scanner.fits.items()]
        return scanner.found


def _scan_lines(scanner: _Scanner, batches: Iterable[Sequence[bytes | TooLong]], *, is_start: bool) -> None:
    found, first, last = scanner.found, b"", b""
    for batch in batches:
        for line in batch:
            found.lines += 1
            if isinstance(line, TooLong):
                scanner.broken(f"the line has {line.length} bytes, more than the {LONGEST_LINE} that are read")
                continue
            if is_start and found.lines == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
                if scanner.is_markup(line):
                    return
            found.length += len(line)
            line = line.strip()
            if not line:
                continue
            first, last = first or line, line
            found.resources += 1
            scanner.take(line)
    found.ends = (crc32(first), crc32(last))


class _Scanner:
    """Sends the entries of one range on their ways."""

    def __init__(self, scan: Scan, chunk: int, spill: SpillWriter) -> None:
        self._scan, self._chunk, self._spill = scan, chunk, spill
        self._layout = scan.layout
        self._meaning = scan.knowledge.remembered(meaning_of)
        self.found = Scanned()
        self.fits: Counter[frozenset[Release]] = Counter()

    def take(self, line: bytes) -> None:
        """Send on every entry of a line."""
        for number, entry in enumerate(of_line(line, "", carefully=not self._scan.has_plain)):
            self.found.entries += 1
            self._learn(entry)
            self._send(entry, line, number)

    def broken(self, what: str, *, then: str = "the entry was set aside") -> None:
        """Set down that a line cannot be read."""
        problem = Problem(ProblemCode.JSON_INVALID, "", what, then)
        self.found.entries += 1
        self._send(Entry("", problem=problem), b"", 0)

    def is_markup(self, head: bytes) -> bool:
        """Whether the file is a page and no NDJSON; then nothing of it is read."""
        try:
            refuse_markup(head, "")
        except InputUnreadable as error:
            self.broken(str(error).removeprefix(": "), then="nothing of it was read")
            return True
        return False

    def _learn(self, entry: Entry) -> None:
        found = self.found
        self.fits[releases_of(entry)] += 1
        release = stated_release(entry)
        if release is not None:
            found.declared.add(release)
        if len(found.bases) < 2:
            found.bases |= service_bases((entry,))
        if entry.type == "Patient" and entry.resource:
            own = next(own_names(entry), "")
            found.links += [(own, other) for other in replaced_by(entry.resource) if own]

    def _send(self, entry: Entry, line: bytes, number: int) -> None:
        place = Place(self._chunk, self.found.lines, number)
        owner = owner_of(entry, f"{self._chunk}:{self.found.lines}:{number}")
        idle = self._idle(entry, owner, place)
        keys = tuple(hashed(name) for name in own_names(entry)) if idle is None else (idle.key,)
        if idle is not None:
            self.found.idle += 1
            self._put(Stream.IDLES, owner.name, idle)
            self._name(Stream.NAMES, keys, owner.name)
            return
        raw = _raw(entry, line)
        frame = Frame(
            owner.name, place, keys, raw, entry.plain is not None, entry.where, entry.full_url, entry.bundle,
            entry.bundle_type, entry.deletes, entry.deleted_at, entry.problem,
        )  # fmt: skip
        self._name(Stream.CALLED, map(hashed, owner.wanted[1:]), owner.name)
        if owner.wanted:
            self.found.unplaced += 1
            self._put(Stream.UNPLACED, owner.name, frame)
            return
        self._put(Stream.FRAMES, owner.name, frame)
        self._name(Stream.NAMES, [*keys, *meant_by(frame)], owner.name)

    def _idle(self, entry: Entry, owner: Owner, place: Place) -> Idle | None:
        """The entry as an idle one, if it is sure that it says nothing to us."""
        if not self._scan.has_plain or owner.wanted or entry.full_url or entry.bundle:
            return None
        if entry.plain is not None:
            if owner.type != "Patient" or self._meaning(entry.plain.common.test) is not None:
                return None
            return Idle(
                owner.name, place, "Observation", entry.id, entry.version, entry.plain.last_updated, owner.reference
            )
        if not _is_passed_over(entry):
            return None
        updated = text_at(object_at(entry.resource or {}, "meta"), "lastUpdated")
        withdrawn = is_withdrawn(entry)
        return Idle(owner.name, place, entry.type, entry.id, entry.version, updated, owner.reference, withdrawn)

    def _put(self, stream: int, owner: str, item: Either) -> None:
        self._spill.add(self._layout.slot(stream, self._layout.of(owner)), encoded(item))

    def _name(self, stream: int, keys: Iterable[int], owner: str) -> None:
        for key in keys:
            put_name(self._spill, self._layout, stream, key, owner)


def put_name(spill: SpillWriter, layout: Layout, stream: int, key: int, owner: str) -> None:
    """Set down that an owner has, or means, an entry of this name."""
    row = key << 16 | order_of(owner)[0] >> 16
    spill.add(layout.slot(stream, layout.of_name(key)), b"\xcf" + row.to_bytes(8, "big"))


def meant_by(frame: Frame) -> Iterator[int]:
    """By what an entry means others that have to be looked up."""
    if not frame.is_plain:
        yield from map(hashed, dict.fromkeys(followed(frame.raw)))


def _is_passed_over(entry: Entry) -> bool:
    """Whether an entry is of a type that is never read nor looked up, and is sound."""
    is_known = entry.type in RESOURCE_TYPES and entry.type not in _LOOKED_UP
    return is_known and bool(entry.id) and entry.problem is None and entry.type not in READ_TYPES


def _raw(entry: Entry, line: bytes) -> bytes:
    """The JSON of an entry: the line it came in, if that holds nothing else."""
    if entry.plain is not None:
        return bytes(entry.plain.raw)
    if entry.resource is None:
        return b""
    return encode(entry.resource) if entry.where else line
