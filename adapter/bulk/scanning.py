"""Read every line once: set down what matters for its patient, count what does not, learn what concerns everybody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import msgspec

from adapter.bulk.export import ExportFile
from adapter.bulk.frames import Frame, Idle, Place, Row, key_of
from adapter.bulk.layout import SHARE_BITS, Layout, Stream, hashed, named_row, share_of
from adapter.bulk.lines import BYTE_ORDER_MARK, LONGEST_LINE, Range, TooLong, lines_of
from adapter.bulk.routing import Owner, followed, own_names, owner_named, owner_of, replaced_by
from adapter.bulk.shapes import NONE_OF_OURS, Shapes
from adapter.bulk.spilling import SpillWriter
from adapter.errors import ExportUnsound, InputUnreadable
from adapter.fhir.addresses import bases_named, service_bases
from adapter.fhir.contained_results import contains_results
from adapter.fhir.decoding import encode
from adapter.fhir.detection import STATEMENTS, releases_of, stated_release
from adapter.fhir.entries import of_line, refuse_strangers
from adapter.fhir.entry import Entry, holding_plain, object_at, text_at
from adapter.fhir.plain import plain_observations
from adapter.fhir.plain_shapes import PlainObservation
from adapter.fhir.reading import READ_TYPES
from adapter.fhir.releases import SINCE_R4, Release
from adapter.fhir.resource_types import RESOURCE_TYPES
from adapter.fhir.versions import is_withdrawn
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from adapter.recognition.markers import meaning_of

# So few lines that what was read of the first is still at hand when the last one is.
_TOGETHER = 64
_HOMES_KEPT = 16_384
# Far more than meet in any export; whoever makes up addresses shall not fill the memory.
_MOST_BASES = 1024
# Nearly every subject looks so, and then is its owner's name.
_USUAL_SUBJECT = re.compile(r"Patient/[A-Za-z0-9.-]+")
# About what a line takes in memory, once it is read.
_LINE = 700
# What others are resolved to, though nothing is read of it for its own sake.
_LOOKED_UP = frozenset({"Specimen", "Medication", "Organization", "OperationOutcome"}) | STATEMENTS


class Scanned(msgspec.Struct):
    """What was learnt from one range.

    Attributes:
        rounds: Where the spill file keeps its tables.
        lines, entries: How many lines are not blank, and how many lines there are at all, for the numbers of the next.
        ends: Checksums of the first and the last line: with the counts they tell a copy of a file.
        fits, declared: What tells the release; see detection.
        bases: The service bases spoken of.
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
        with SpillWriter(target, self.layout, memory=self.memory) as spill:
            scanner = _Scanner(self, chunk, spill)
            try:
                _scan_lines(scanner, lines_of(file, part, tell), is_start=part.start == 0)
            except ExportUnsound as error:
                scanner.found.findings = list(error.findings)
            scanner.end()
        scanner.found.rounds = spill.rounds
        return scanner.found


def _scan_lines(scanner: _Scanner, batches: Iterable[Sequence[bytes | TooLong]], *, is_start: bool) -> None:
    """Hand on line by line; what is plain is read several lines at a time."""
    ends: list[bytes] = []
    for number, batch in enumerate(batches):
        lines = [line.strip() if isinstance(line, bytes) else line for line in batch]
        if is_start and number == 0 and isinstance(lines[0], bytes):
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
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


class _Home(msgspec.Struct, frozen=True, gc=False):
    """Where the entries of one patient go, worked out once."""

    owner: str
    share: int
    is_patient: bool
    frames: list[object]
    rows: list[object]
    idles: list[object]


class _Scanner:
    """Sends the entries of one range on their ways."""

    def __init__(self, scan: Scan, chunk: int, spill: SpillWriter) -> None:
        self._scan, self._chunk, self._spill = scan, chunk, spill
        self._layout = scan.layout
        self._meaning = scan.knowledge.remembered(meaning_of)
        self._shapes = Shapes(lambda common: self._meaning(common.test) is not None)
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
            if each is None:
                self._take_line(line)
                continue
            home = self._homes.get(each.subject) or self._home_of(each.subject)
            if home.is_patient:
                self._take_plain(each, home)
            else:
                self.found.resources += 1
                self._take_entry(holding_plain("", each), bytes(each.raw), 0)
        self._spill.weigh(_LINE * len(lines))

    def _take_line(self, line: bytes | TooLong) -> None:
        """Send on what the careful lane makes of a line."""
        if isinstance(line, TooLong):
            sizes = {"number": str(line.length), "limit": str(LONGEST_LINE)}
            self.broken("the line has {number} bytes, more than the {limit} that are read", sizes)
        elif line:
            self.found.resources += 1
            for number, entry in enumerate(of_line(line, "", carefully=not self._scan.has_plain)):
                self._take_entry(entry, line, number)

    def _take_plain(self, plain: PlainObservation, home: _Home) -> None:
        """Send on what most lines are: an Observation of a patient who is named by a reference."""
        shape = self._shapes.of(plain)
        self._plain[bool(plain.common.interpretation)] += 1
        place, key = Place(self._chunk, self.found.lines), hashed(f"Observation/{plain.id}")
        self._spill.names.append(key << SHARE_BITS | home.share)
        if shape is None:
            raw = bytes(plain.raw)
            home.frames.append(Frame(home.owner, place, (key,), raw, is_plain=True))
            self._spill.weigh(len(raw))
        elif shape is NONE_OF_OURS:
            self.found.idle += 1
            home.idles.append(
                Idle(home.owner, place, key, "Observation", plain.id, plain.version, plain.last_updated, plain.subject)
            )
        else:
            row = Row(
                place, key, shape, plain.id, plain.version, plain.subject, plain.number, plain.effective.text,
                plain.issued, plain.last_updated, plain.identifiers,
            )  # fmt: skip
            home.rows.append(row)

    def _home_of(self, reference: str) -> _Home:
        """Where a patient's entries go; what was found out is kept for the patient's next lines."""
        if _USUAL_SUBJECT.fullmatch(reference):
            owner, is_patient = reference, True
        else:
            named = owner_named(reference)
            owner, is_patient = named.name, named.type == "Patient" and not named.wanted
        if is_patient and reference.startswith("http") and len(self.found.bases) < _MOST_BASES:
            self.found.bases |= bases_named((reference,))
        share = share_of(owner)
        part, slots = self._layout.of_share(share), self._spill.slots
        if len(self._homes) >= _HOMES_KEPT:
            self._homes.clear()
        home = self._homes[reference] = _Home(
            owner, share, is_patient, *(slots[self._layout.slot(each, part)] for each in Stream.ENTRIES)
        )
        return home

    def end(self) -> None:
        """Set down what concerns no part, and sum up."""
        self._spill.slots[-1] += self._shapes.examples.items()
        self.found.fits = self.all_fits()
        self.found.resources += sum(self._plain)
        self.found.entries += sum(self._plain)

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
            refuse_strangers(head, "")
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
        speaks_of_one = entry.plain is None or entry.full_url or entry.plain.subject.startswith("http")
        if speaks_of_one and len(found.bases) < _MOST_BASES:
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
        if idle is not None:
            self.found.idle += 1
            self._spill.add(self._layout.slot(Stream.IDLES, self._layout.of(owner.name)), idle)
            self._name(idle.keys, owner.name)
            return
        keys = tuple(hashed(name) for name in own_names(entry))
        frame = Frame(
            owner.name, place, keys, _raw(entry, line), entry.plain is not None, entry.where, entry.full_url,
            entry.bundle, entry.bundle_type, entry.deletes, entry.deleted_at, entry.problem,
        )  # fmt: skip
        stream = Stream.FRAMES
        if owner.wanted:
            self.found.unplaced += 1
            stream = Stream.UNPLACED
            for key in map(hashed, owner.wanted[1:]):
                slot = self._layout.slot(Stream.CALLED, self._layout.of_name(key))
                self._spill.add(slot, named_row(key, share_of(owner.name)))
        else:
            self._name([*keys, *meant_by(frame)], owner.name)
        self._spill.add(self._layout.slot(stream, self._layout.of(owner.name)), frame, frame.size)

    def _idle(self, entry: Entry, owner: Owner, place: Place) -> Idle | None:
        """The entry as an idle one, if it is sure that it says nothing to us."""
        if not self._scan.has_plain or owner.wanted or entry.full_url or entry.bundle:
            return None
        if entry.plain is not None:
            if owner.type != "Patient" or self._meaning(entry.plain.common.test) is not None:
                return None
            return Idle(
                owner.name, place, key_of("Observation", entry.id), "Observation", entry.id, entry.version,
                entry.plain.last_updated, owner.reference,
            )  # fmt: skip
        if not _is_passed_over(entry):
            return None
        updated = text_at(object_at(entry.resource or {}, "meta"), "lastUpdated")
        return Idle(
            owner.name, place, key_of(entry.type, entry.id), entry.type, entry.id, entry.version, updated,
            owner.reference, is_withdrawn(entry),
        )  # fmt: skip

    def _name(self, keys: Iterable[int], owner: str) -> None:
        share = share_of(owner)
        self._spill.names += [named_row(key, share) for key in keys]


def meant_by(frame: Frame) -> Iterator[int]:
    """By what an entry means others that have to be looked up."""
    if not frame.is_plain:
        yield from map(hashed, dict.fromkeys(followed(frame.raw)))


def _is_passed_over(entry: Entry) -> bool:
    """Whether an entry is of a type that is never read nor looked up, is sound, and contains no result."""
    is_known = entry.type in RESOURCE_TYPES and entry.type not in _LOOKED_UP and entry.type not in READ_TYPES
    return is_known and bool(entry.id) and entry.problem is None and not contains_results(entry)


def _raw(entry: Entry, line: bytes) -> bytes:
    """The JSON of an entry: the line it came in, if that holds nothing else."""
    if entry.plain is not None:
        return bytes(entry.plain.raw)
    if entry.resource is None:
        return b""
    return encode(entry.resource) if entry.where else line
