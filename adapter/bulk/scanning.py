"""Read every line once: set down what matters for its patient, count what does not, learn what concerns everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from adapter.bulk.export import ExportFile
from adapter.bulk.frames import Either, Frame, Idle, Place, encoded, hashed
from adapter.bulk.lines import LONGEST_LINE, Range, TooLong, lines_of
from adapter.bulk.routing import Owner, followed, own_names, owner_named, owner_of, replaced_by
from adapter.bulk.spilling import SpillWriter
from adapter.errors import ExportUnsound, InputUnreadable
from adapter.fhir.decoding import encode
from adapter.fhir.detection import releases_of, stated_release
from adapter.fhir.entries import of_line, refuse_markup
from adapter.fhir.entry import Entry, holding_plain, object_at, text_at
from adapter.fhir.plain import plain_observations
from adapter.fhir.plain_shapes import PlainObservation
from adapter.fhir.reading import READ_TYPES
from adapter.fhir.references import service_bases
from adapter.fhir.releases import SINCE_R4, Release
from adapter.fhir.resource_types import RESOURCE_TYPES
from adapter.fhir.versions import is_withdrawn
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from adapter.recognition.markers import meaning_of

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# So few lines that what was read of the first is still at hand when the last one is.
_TOGETHER = 64
_HOMES_KEPT = 65_536
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
        scanner.found.fits = scanner.all_fits()
        return scanner.found


def _scan_lines(scanner: _Scanner, batches: Iterable[Sequence[bytes | TooLong]], *, is_start: bool) -> None:
    """Hand on line by line; what is plain is read several lines at a time."""
    ends: list[bytes] = []
    for number, batch in enumerate(batches):
        lines = [line.strip() if isinstance(line, bytes) else line for line in batch]
        if is_start and number == 0 and isinstance(lines[0], bytes):
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
            if scanner.is_markup(lines[0]):
                return
        for begin in range(0, len(lines), _TOGETHER):
            scanner.take(lines[begin : begin + _TOGETHER])
        there = [line for line in lines if isinstance(line, bytes) and line]
        scanner.found.length += sum(map(len, there))
        ends = [*ends, *there[:1], *there[-1:]]
        ends = [ends[0], ends[-1]] if ends else []
    if ends:
        scanner.found.ends = (crc32(ends[0]), crc32(ends[1]))


class _Home(NamedTuple):
    """Where the entries of one patient go, worked out once: slots, and the first bits of the owner."""

    owner: str
    frames: int
    idles: int
    share: int
    is_patient: bool


class _Scanner:
    """Sends the entries of one range on their ways."""

    def __init__(self, scan: Scan, chunk: int, spill: SpillWriter) -> None:
        self._scan, self._chunk, self._spill = scan, chunk, spill
        self._layout = scan.layout
        self._meaning = scan.knowledge.remembered(meaning_of)
        self.found = Scanned()
        self.fits: Counter[frozenset[Release]] = Counter()
        # Plain Observations without and with an interpretation, which tells the release.
        self._plain = [0, 0]
        self._homes: dict[str, _Home] = {}

    def take(self, lines: Sequence[bytes | TooLong]) -> None:
        """Send on every entry of some lines."""
        read = [b"" if isinstance(line, TooLong) else line for line in lines]
        plain = plain_observations(read) if self._scan.has_plain else [None] * len(read)
        for line, each in zip(lines, plain, strict=True):
            self.found.lines += 1
            if isinstance(line, TooLong):
                sizes = {"number": str(line.length), "limit": str(LONGEST_LINE)}
                self.broken("the line has {number} bytes, more than the {limit} that are read", sizes)
            elif each is not None:
                self.found.resources += 1
                self._take_plain(each, line)
            elif line:
                self.found.resources += 1
                for number, entry in enumerate(of_line(line, "", carefully=not self._scan.has_plain)):
                    self._take_entry(entry, line, number)

    def _take_plain(self, plain: PlainObservation, line: bytes) -> None:
        """Send on what most lines are: an Observation of a patient who is named by a reference."""
        home = self._homes.get(plain.subject) or self._home_of(plain.subject)
        if not home.is_patient:
            self._take_entry(holding_plain("", plain), line, 0)
            return
        self.found.entries += 1
        self._plain[bool(plain.common.interpretation)] += 1
        place, key = Place(self._chunk, self.found.lines), hashed(f"Observation/{plain.id}")
        add = self._spill.add
        if self._meaning(plain.common.test) is None:
            self.found.idle += 1
            idle = Idle(
                home.owner, place, "Observation", plain.id, plain.version, plain.last_updated, plain.subject
            )  # fmt: skip
            add(home.idles, encoded(idle))
        else:
            add(home.frames, encoded(Frame(home.owner, place, (key,), line, is_plain=True)))
        add(self._layout.slot(Stream.NAMES, self._layout.of_name(key)), name_row(key, home.share))

    def _home_of(self, reference: str) -> _Home:
        """Where a patient's entries go; what was found out is kept for the patient's next lines."""
        owner = owner_named(reference)
        part, share = self._layout.of(owner.name), order_of(owner.name)[0] >> 16
        frames, idles = (self._layout.slot(stream, part) for stream in (Stream.FRAMES, Stream.IDLES))
        home = _Home(owner.name, frames, idles, share, owner.type == "Patient" and not owner.wanted)
        if reference.startswith("http") and len(self.found.bases) < 2:
            self.found.bases |= {reference[: -len(owner.name) - 1]} if home.is_patient else set()
        if len(self._homes) >= _HOMES_KEPT:
            self._homes.clear()
        self._homes[reference] = home
        return home

    def _take_entry(self, entry: Entry, line: bytes, number: int) -> None:
        self.found.entries += 1
        self.fits[releases_of(entry)] += 1
        self._learn(entry)
        self._send(entry, line, number)

    def broken(self, sentence: str, values: Mapping[str, str], *, then: str = "the entry was set aside") -> None:
        """Set down that a line cannot be read."""
        problem = Problem(ProblemCode.JSON_INVALID, "", sentence, then, values=values)
        self.found.entries += 1
        self._send(Entry("", problem=problem), b"", 0)

    def is_markup(self, head: bytes) -> bool:
        """Whether the file is a page and no NDJSON; then nothing of it is read."""
        try:
            refuse_markup(head, "")
        except InputUnreadable as error:
            self.broken(error.sentence, error.values, then="nothing of it was read")
            return True
        return False

    def all_fits(self) -> list[tuple[list[Release], int]]:
        """How many entries fit which releases."""
        self.fits[frozenset(Release)] += self._plain[0]
        self.fits[SINCE_R4] += self._plain[1]
        return [(sorted(releases), count) for releases, count in self.fits.items() if count]

    def _learn(self, entry: Entry) -> None:
        """Note what concerns everybody."""
        found = self.found
        if len(found.bases) < 2 and (entry.plain is None or entry.plain.subject.startswith("http")):
            found.bases |= service_bases((entry,))
        if entry.plain is not None:
            return
        release = stated_release(entry)
        if release is not None:
            found.declared.add(release)
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
    spill.add(layout.slot(stream, layout.of_name(key)), name_row(key, order_of(owner)[0] >> 16))


def name_row(key: int, share: int) -> bytes:
    """A hashed name and the first bits of an owner, as MessagePack."""
    return b"\xcf" + (key << 16 | share).to_bytes(8, "big")


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
