"""Account for every entry of an input: "used, set aside, or irrelevant", and nothing counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from adapter.clinical.patient import Patient
from adapter.errors import InputUnreadable
from adapter.fhir.entries import split
from adapter.pipeline import Outcome, PatientOutcome
from adapter.problems import Problem


def assert_conserved(outcome: Outcome, sources: Iterable[tuple[str, bytes]]) -> None:
    """Every entry is told of: used or set aside, or irrelevant, and never both; and none belongs to two patients."""
    entries = [entry for name, data in sources for entry in _paths(name, data)]
    told = [_entries(_places(patient), entries) for patient in outcome.patients]
    told.append(_entries(_refused(outcome.problems), entries))
    irrelevant = [each for patient in outcome.patients for each in patient.irrelevant] + list(outcome.irrelevant)

    owners = Counter(entry for each in told[:-1] for entry in each)
    named = set().union(*told)
    assert sorted(irrelevant) == sorted(set(entries) - named)
    assert [entry for entry, count in owners.items() if count > 1] == []
    assert outcome.entries == len(entries) == len(named) + len(irrelevant)


def _paths(name: str, data: bytes) -> list[str]:
    """The path of every entry; a source that cannot be read at all is one entry itself."""
    try:
        return [entry.where for entry in split(data, name)]
    except InputUnreadable:
        return [name]


def _places(patient: PatientOutcome) -> Iterator[str]:
    for evidence in patient.assessment.evidence:
        result = evidence.result
        yield result.where if isinstance(result, Patient) else result.entry
    yield from _refused(patient.set_aside)


def _refused(problems: Iterable[Problem]) -> Iterator[str]:
    """Where something was refused; a caution is about what is used, or would have been were it about bones."""
    yield from (problem.where for problem in problems if not problem.used)


def _entries(places: Iterable[str], entries: Iterable[str]) -> set[str]:
    """The entries that these places lie in; the longest name wins, for a file is not its own Bundle's entry."""
    known = set(entries)
    found = set()
    for place in places:
        while place not in known and (cut := max(place.rfind("."), place.rfind("#"))) > 0:
            place = place[:cut]
        found |= {place} & known
    return found
