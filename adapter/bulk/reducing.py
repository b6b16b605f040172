"""One part's patients, each assessed from all that came in about them, in the same order in every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter, itemgetter
from pathlib import Path
from time import perf_counter

import msgspec

from adapter.bulk.frames import Frame, Idle, Item, Place, Row, entry_of
from adapter.bulk.issues import as_line
from adapter.bulk.layout import hashed, order_of
from adapter.bulk.shapes import Recalled
from adapter.bulk.workplace import write_durably
from adapter.clinical.assessment import Stratum
from adapter.fhir.addresses import literal
from adapter.fhir.decoding import encode
from adapter.fhir.entry import Entry, holding_plain
from adapter.fhir.reading import Reading, read_entries
from adapter.fhir.releases import Release
from adapter.knowledge.model import Knowledge
from adapter.pipeline import Options, PatientOutcome, assess_patient, by_patient
from adapter.problems import ProblemCode, Severity

UNDETERMINED = (Stratum.INDETERMINATE, Stratum.NOT_APPLICABLE)
PROBLEMS = "problems"
WRITTEN = ("RiskAssessment", "Provenance", PROBLEMS)
_HUNDRED_PERCENT = 10_000


class Reduced(msgspec.Struct):
    """What became of one part.

    Attributes:
        patients, undetermined, written: How many patients, how many without a stratum, how many RiskAssessments.
        set_aside, problems: How often each reason was given, for a patient's entries and for those of nobody.
        errors: How many of the problems of nobody are errors.
        told_errors: How many errors the server itself reports.
        irrelevant: How many entries say nothing to us.
        devices: The Devices that the assessments name; one, as a rule.
        refused: What was not written, since the validation found fault with it.
        validated, seconds: How many patients' resources were validated, and what that cost.
        sizes: How many bytes of each kind were written, in their order.
    """

    patients: int = 0
    undetermined: int = 0
    written: int = 0
    set_aside: dict[str, int] = {}
    problems: dict[str, int] = {}
    errors: int = 0
    told_errors: int = 0
    irrelevant: int = 0
    devices: dict[str, str] = {}
    refused: list[str] = []
    validated: int = 0
    seconds: float = 0.0
    sizes: list[int] = []


class Reduction(msgspec.Struct, frozen=True):
    """How every part is reduced.

    Attributes:
        release: What the whole input was found to be.
        bases: The service bases of which the whole input speaks.
        names, first_lines: By range of the input: the file's name, and how many lines of it came before.
        share: How many of ten thousand patients have their resources validated.
    """

    knowledge: Knowledge
    options: Options
    as_of: datetime
    release: Release
    bases: frozenset[str]
    names: Sequence[str]
    first_lines: Sequence[int]
    share: int = 0

    def reduce(self, items: Iterable[Item], shapes: Recalled, target: Path) -> Reduced:
        """Assess the patients of one part, and write what is to be written of them.

        Args:
            items: The part's entries and visitors.
            shapes: What its rows have in common with others.
            target: The file for all kinds of resources, one kind after the other.
        """
        reduced = Reduced()
        reading = self._read(items, shapes, reduced)
        lines: dict[str, list[bytes]] = {kind: [] for kind in WRITTEN}
        for _, several in sorted(self._units(reading, reduced), key=itemgetter(0)):
            for kind, data in several:
                lines[kind].append(data)
        written = [b"".join(lines[kind]) for kind in WRITTEN]
        reduced.sizes = list(map(len, written))
        write_durably(target, b"".join(written))
        return reduced

    def _read(self, items: Iterable[Item], shapes: Recalled, reduced: Reduced) -> Reading:
        """Read the part as one input; of idle entries, only those that can make a difference."""
        telling: list[Frame | Row] = []
        idles: list[Idle] = []
        for item in items:
            if isinstance(item, Idle):
                idles.append(item)
            else:
                telling.append(item)
        told, reduced.irrelevant = _telling(telling, idles)
        placed: list[Item] = sorted([*telling, *told], key=attrgetter("place"))
        visitors = frozenset(index for index, each in enumerate(placed) if each.is_visitor)
        return read_entries(
            [self._entry(each, shapes) for each in placed],
            release=self.release,
            allow_preliminary=self.options.allow_preliminary,
            visitors=visitors,
            bases=self.bases,
        )

    def _entry(self, item: Item, shapes: Recalled) -> Entry:
        at = self._at(item.place)
        if isinstance(item, Row):
            return holding_plain(at, item.plain(shapes.of(item.place.chunk, item.shape)))
        return entry_of(item, at)

    def _at(self, place: Place) -> str:
        name, line = self.names[place.chunk], self.first_lines[place.chunk] + place.line
        # What concerns a whole file comes before its first line.
        return f"{name}:{line}" if line else name

    def _units(
        self, reading: Reading, reduced: Reduced
    ) -> Iterator[tuple[tuple[tuple[int, str], str], list[tuple[str, bytes]]]]:
        """Whatever is written together, with its place in the order of everything."""
        records, problems, unowned = by_patient(reading)
        reduced.irrelevant += len(unowned)
        for record in records:
            outcome = assess_patient(
                record, self.knowledge, as_of=self.as_of, options=self.options, release=self.release
            )
            key = record.patient.key
            yield (order_of(_local(key)), key), list(self._lines(outcome, reduced))
        for problem in problems:
            _count(reduced.problems, problem.code)
            reduced.errors += problem.severity is Severity.ERROR
            reduced.told_errors += (problem.code, problem.severity) == (ProblemCode.OPERATION_OUTCOME, Severity.ERROR)
            yield (order_of(problem.resource), problem.where), [(PROBLEMS, as_line(problem))]

    def _lines(self, outcome: PatientOutcome, reduced: Reduced) -> Iterator[tuple[str, bytes]]:
        reduced.patients += 1
        reduced.undetermined += outcome.assessment.stratum in UNDETERMINED
        reduced.irrelevant += len(outcome.irrelevant)
        for problem in outcome.set_aside:
            _count(reduced.set_aside, problem.code)
            yield PROBLEMS, as_line(problem)
        if not outcome.resources or not self._is_sound(outcome, reduced):
            return
        reduced.written += 1
        for resource in outcome.resources:
            kind, data = resource["resourceType"], encode(resource) + b"\n"
            if kind == "Device":
                reduced.devices[resource["id"]] = data.decode()
            else:
                yield kind, data

    def _is_sound(self, outcome: PatientOutcome, reduced: Reduced) -> bool:
        """Whether nothing is wrong with the resources, where this patient is in the sample."""
        if order_of(outcome.assessment.patient.key)[0] % _HUNDRED_PERCENT >= self.share:
            return True
        from adapter.fhir.validation import validate

        begun = perf_counter()
        faults = [fault for resource in outcome.resources for fault in validate(resource, self.release)]
        reduced.seconds += perf_counter() - begun
        reduced.validated += 1
        reduced.refused += [f"{outcome.assessment.patient.where}: {fault.where}: {fault.what}" for fault in faults]
        return not faults


def _telling(items: Sequence[Frame | Row], idles: Sequence[Idle]) -> tuple[list[Idle], int]:
    """The idle entries that may replace others or be the only sign of a patient; and how many others there are.

    An Observation is a sign of its patient even if we do not know what was measured; one of them says it for all, and
    none of them needs to where another result does.
    """
    counts = Counter(chain.from_iterable(item.keys for item in (*items, *idles)))
    # Whom a reference means may depend on an address or a deletion; then each entry has to be looked at.
    doubtful = {
        key for item in items if isinstance(item, Frame) and (item.full_url or item.deletes) for key in item.keys
    }
    seen = {item.subject for item in items if isinstance(item, Row) and counts[item.key] == 1 and not item.is_visitor}
    telling, count = [], 0
    for idle in sorted(idles, key=attrgetter("place")):
        is_first = idle.type == "Observation" and idle.subject not in seen and not idle.is_visitor
        if counts[idle.key] > 1 or is_first or (doubtful and hashed(idle.owner) in doubtful):
            telling.append(idle)
            if counts[idle.key] == 1:
                seen.add(idle.subject)
        else:
            count += not idle.is_visitor
    return telling, count


def _count(counts: dict[str, int], reason: str) -> None:
    counts[reason] = counts.get(reason, 0) + 1


def _local(key: str) -> str:
    named = literal(key)
    return named.local if named else key
