"""The Observations that a resource contains: "a contained resource" is a result like any other, without an address.

A report or a panel may bring its results within itself (hl7.org/fhir/R4/references.html#contained). Each is read with
its own status, time and subject; what rests on it names the resource that contains it, for nothing else can be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from adapter.fhir.element import Element
from adapter.fhir.entry import Entry
from adapter.fhir.observations import observation_refusal, read_observation
from adapter.fhir.record import Record, Row, element_refused, refusal
from adapter.problems import Problem, ProblemCode

# What any container may say of itself that leaves nothing within it to be relied on.
_NOT_STANDING = frozenset({"entered-in-error", "cancelled", "registered", "unknown"})


def contains_results(entry: Entry) -> bool:
    """Whether there is an Observation within the resource."""
    return entry.plain is None and any(True for _ in _within(Element(entry.decoded or {}, "")))


def contained_results(record: Record, owner: str | Problem, problem: Problem | None) -> Sequence[Row]:
    """What the Observations within a resource say, or why each is not used.

    Args:
        record: The resource that contains them.
        owner: Whose it is. A contained result that is somebody else's, or nobody's, is not used: neither is believed.
        problem: Why the whole entry is not used.
    """
    # Looked at anew, so that what is wrong here is no fault of the container's own reading.
    root = Element(record.root.json, record.where)
    unusable = problem or _standing_problem(record) or refusal(record) or next(iter(root.faults), None)
    rows: list[Row] = []
    for each in _within(root):
        inner = msgspec.structs.replace(record, root=each)
        if unusable is not None:
            what = "the resource that contains it is not used"
            rows.append(Problem(unusable.code, each.where, what, resource=record.resource))
        else:
            rows += _read(inner, owner)
    return rows


def _within(root: Element) -> Iterator[Element]:
    for each in root.many("contained", apart=True):
        if each.json.get("resourceType") == "Observation":
            yield each


def _standing_problem(record: Record) -> Problem | None:
    status = record.root.json.get("status")
    return element_refused(record, "status", status) if isinstance(status, str) and status in _NOT_STANDING else None


def _read(record: Record, owner: str | Problem) -> Sequence[Row]:
    problem = observation_refusal(record) or refusal(record)
    if problem is not None:
        return [problem]
    named = record.references.patient(record.root.one("subject"), record.placed)
    if isinstance(named, Problem):
        where = named.where if named.where.startswith(record.where) else record.where
        return [msgspec.structs.replace(named, where=where)]
    if named != owner:
        what = "it is contained in a resource that is not this subject's"
        return [record.refused(ProblemCode.SUBJECT_AMBIGUOUS, "subject", what)]
    rows = read_observation(msgspec.structs.replace(record, patient=named))
    return record.root.distinct_faults() or rows
