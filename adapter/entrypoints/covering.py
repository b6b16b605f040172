"""What of these data is known: codes and units, how often, and what an unknown code might be."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from adapter.clinical.results import (
    Coding,
    LabResult,
    ReportedQuantity,
    ReportedRange,
    ReportedRatio,
    Statement,
)
from adapter.entrypoints.converting import several
from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source, read
from adapter.fhir.releases import Release
from adapter.knowledge.facts import MappedCode
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from adapter.recognition.amounts import Amount, ResolvedUnit, amount_of, resolved_unit
from adapter.recognition.codes import canonical_codings

_ENOUGH_ALIKE = 0.6
_OF_UNITS = (
    ProblemCode.UNIT_MISSING,
    ProblemCode.UNIT_UNKNOWN,
    ProblemCode.UNIT_CONTRADICTS,
    ProblemCode.SCALE_UNCLEAR,
)
_UNREAD = (ProblemCode.JSON_INVALID, ProblemCode.ENTRY_INVALID)


class CodeRow(msgspec.Struct, frozen=True):
    """One code met in the data.

    Attributes:
        standing: ``marker``, ``factor``, ``denied`` or ``unknown``.
        meaning: The marker or factor, or why it is denied.
        units: How often each unit came with it; a ``?`` before a unit that is not known for this marker.
        candidates: For an unknown code: markers whose known displays are much alike. Suggestions, never used.
    """

    system: str
    code: str
    display: str
    count: int
    standing: str
    meaning: str
    units: dict[str, int]
    candidates: tuple[str, ...] = ()


class Coverage(msgspec.Struct, frozen=True):
    """The codes of all results and statements, most frequent first, and the sources or entries that are no FHIR."""

    entries: int
    rows: tuple[CodeRow, ...]
    unread: tuple[Problem, ...] = ()

    @property
    def unknown(self) -> tuple[CodeRow, ...]:
        """The codes that nothing is known about."""
        return tuple(row for row in self.rows if row.standing == "unknown")


def cover(sources: Iterable[Source], knowledge: Knowledge, *, release: Release | None) -> Coverage:
    """Count the codes and units of all Observations, and the codes of conditions, medication and procedures."""
    reading = read(sources, release=release, allow_preliminary=True)
    counts: Counter[tuple[str, str]] = Counter()
    displays: dict[tuple[str, str], str] = {}
    units: dict[tuple[str, str], Counter[str]] = {}
    items: list[LabResult | Statement] = [*reading.results, *reading.statements]
    for item in items:
        for coding in _codings(item, knowledge):
            key = (coding.system, coding.code)
            counts[key] += 1
            displays.setdefault(key, coding.display or item.code.text)
            if isinstance(item, LabResult):
                units.setdefault(key, Counter()).update(_units(item, knowledge.codes.get(key), knowledge))
    alike = {code.display.lower(): code.marker for code in knowledge.codes.values() if code.display}
    rows = [
        _row(key, displays[key], count, units.get(key, Counter()), knowledge, alike)
        for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    unread = (aside.problem for aside in reading.set_aside if aside.problem.code in _UNREAD)
    return Coverage(reading.entries, tuple(rows), tuple(unread))


def as_json(report: Coverage) -> bytes:
    """The coverage for programs."""
    return (
        encode(msgspec.to_builtins({"entries": report.entries, "codes": report.rows, "unread": report.unread})) + b"\n"
    )


def page(report: Coverage) -> str:
    """The coverage for people: a table per standing."""
    titles = {"marker": "Known markers", "factor": "Known risk factors", "denied": "Look-alikes, never used"}
    lines = [f"{several(report.entries, 'entry', 'entries')}, {several(len(report.rows), 'code', 'codes')}"]
    for standing, title in (*titles.items(), ("unknown", "Unknown codes")):
        rows = [row for row in report.rows if row.standing == standing]
        if rows:
            lines += ["", f"{title} ({len(rows)})", *(_line(row) for row in rows)]
    if report.unread:
        told = [f"{problem.where}: {problem.what}" for problem in report.unread]
        lines += ["", f"Could not be read ({len(told)})", *(f"  {line}" for line in told)]
    return "\n".join(lines)


def skeleton(report: Coverage) -> bytes:
    """A ConceptMap with an empty target for each unknown code, to be completed by hand and given to ``--mappings``."""
    groups: dict[str, list[dict[str, object]]] = {}
    for row in report.unknown:
        comment = (
            f"met {row.count} times; like {', '.join(row.candidates)}" if row.candidates else f"met {row.count} times"
        )
        target = {"equivalence": "unmatched", "comment": comment}
        groups.setdefault(row.system, []).append({"code": row.code, "display": row.display, "target": [target]})
    concept_map = {
        "resourceType": "ConceptMap",
        "status": "draft",
        "name": "SiteCodes",
        "description": "Give each code you want mapped a target code and an equivalence; delete the others.",
        "group": [
            {"source": system, "target": "urn:osteo-fhir:marker", "element": elements}
            for system, elements in groups.items()
        ],
    }
    return msgspec.json.format(encode(concept_map), indent=2) + b"\n"


def _codings(item: LabResult | Statement, knowledge: Knowledge) -> Iterator[Coding]:
    for coding, _ in canonical_codings(item.code, knowledge):
        if coding.code:
            yield coding


def _row(
    key: tuple[str, str], display: str, count: int, units: Counter[str], knowledge: Knowledge, alike: dict[str, str]
) -> CodeRow:
    standing, meaning = _standing(key, knowledge)
    candidates = _candidates(key, display, knowledge, alike) if standing == "unknown" else ()
    return CodeRow(*key, display, count, standing, meaning, dict(units.most_common()), candidates)


def _standing(key: tuple[str, str], knowledge: Knowledge) -> tuple[str, str]:
    if key in knowledge.codes:
        return "marker", knowledge.codes[key].marker
    if key in knowledge.denied:
        return "denied", knowledge.denied[key].why
    if key in knowledge.factor_answers:
        return "factor", knowledge.factor_answers[key].factor
    factors = knowledge.factor_codes_of(*key)
    return ("factor", factors[0].factor) if factors else ("unknown", "")


def _candidates(key: tuple[str, str], display: str, knowledge: Knowledge, alike: dict[str, str]) -> tuple[str, ...]:
    same_code = [code.marker for (_, known), code in knowledge.codes.items() if known == key[1]]
    near = difflib.get_close_matches(display.lower(), alike, n=3, cutoff=_ENOUGH_ALIKE) if display else []
    return tuple(dict.fromkeys((*same_code, *(alike[text] for text in near))))


def _units(result: LabResult, code: MappedCode | None, knowledge: Knowledge) -> Iterator[str]:
    """The unit of a result: for a marker as it would be converted, else as some marker knows it."""
    quantities = _quantities(result.value)
    if code is not None and quantities:
        amount = amount_of(result, code, knowledge, read_text=False)
        if isinstance(amount, Amount):
            yield amount.unit
        elif amount.code in _OF_UNITS:
            yield f"?{'/'.join(quantity.code or quantity.unit or '(none)' for quantity in quantities)}"
        return
    for quantity in quantities[:1]:
        unit = resolved_unit(quantity, knowledge)
        written = quantity.code or quantity.unit
        if isinstance(unit, ResolvedUnit):
            yield unit.name
        elif written:
            yield f"?{written}"


def _quantities(value: object) -> Sequence[ReportedQuantity]:
    """The quantities of a value whose units tell its own: one, or the two of a ratio."""
    match value:
        case ReportedQuantity():
            return (value,)
        case ReportedRange(low=low, high=high):
            return tuple(end for end in (low or high,) if end)
        case ReportedRatio(numerator=numerator, denominator=denominator):
            return tuple(part for part in (numerator, denominator) if part)
        case _:
            return ()


def _line(row: CodeRow) -> str:
    units = ", ".join(f"{unit} {count}" for unit, count in row.units.items())
    meaning = row.meaning or (f"like {', '.join(row.candidates)}?" if row.candidates else "")
    parts = (f"{row.count:>7}", f"{row.system or '(no system)'}|{row.code}", row.display, meaning, units)
    return "  ".join(part for part in parts if part)
