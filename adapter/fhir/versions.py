"""Which version of a resource speaks for it: the newest, and none once it was withdrawn or deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from adapter.clinical.time import clinical_time
from adapter.fhir.entry import Entry
from adapter.fhir.references import Placed
from adapter.problems import Problem, ProblemCode, Severity

_NEVER = datetime.min.replace(tzinfo=UTC)
_WITHDRAWN = "entered-in-error"
Rank = tuple[datetime, int]


def outdated(versions: Sequence[Placed]) -> list[tuple[Placed, Problem]]:
    """The versions of one resource that may not be used, and why.

    A version older than another says nothing any more. A version that cannot be ordered against a withdrawal or a
    deletion may be the withdrawn one, so it is not used either.
    """
    if len(versions) < 2:
        return []
    newest = _newest([_rank(placed.entry) for placed in versions])
    current = [placed for placed in versions if not _is_older(_rank(placed.entry), newest)]
    found = [(placed, _superseded(placed)) for placed in versions if placed not in current and placed.entry.resource]
    if any(is_withdrawn(placed.entry) or placed.entry.deletes for placed in current):
        standing = [placed for placed in current if placed.entry.resource and not is_withdrawn(placed.entry)]
        found += [(placed, _withdrawn(placed)) for placed in standing]
    return found


def is_withdrawn(entry: Entry) -> bool:
    """Whether this version says that the resource was entered in error."""
    if entry.plain is not None:
        return False
    resource: Mapping[str, object] = entry.resource or {}
    return _WITHDRAWN in (resource.get("status"), _code(resource.get("verificationStatus")))


def _rank(entry: Entry) -> Rank:
    """When the server took it in, then its version number; "versionId may be a UUID", which orders nothing."""
    meta = (entry.resource or {}).get("meta")
    updated = meta.get("lastUpdated") if isinstance(meta, dict) else entry.deleted_at
    time = clinical_time(updated) if isinstance(updated, str) else None
    return time.latest if time else _NEVER, int(entry.version) if entry.version.isdecimal() else -1


def _newest(ranks: Sequence[Rank]) -> Rank:
    latest = max(updated for updated, _ in ranks)
    return latest, max(number for updated, number in ranks if updated in (latest, _NEVER))


def _is_older(rank: Rank, newest: Rank) -> bool:
    if rank[0] not in (_NEVER, newest[0]):
        return True
    return rank[1] != -1 and rank[1] < newest[1]


def _superseded(placed: Placed) -> Problem:
    what = "a newer version of the same resource is in the input"
    return Problem(ProblemCode.SUPERSEDED, placed.entry.where, what, resource=placed.key, severity=Severity.INFORMATION)


def _withdrawn(placed: Placed) -> Problem:
    what = "the same resource was deleted, or is entered in error in a version that may be newer"
    return Problem(ProblemCode.DELETED, placed.entry.where, what, resource=placed.key, severity=Severity.WARNING)


def _code(status: object) -> object:
    """The code of a status, whether it is a bare code or a CodeableConcept."""
    codings = status.get("coding") if isinstance(status, dict) else None
    first = codings[0] if isinstance(codings, list) and codings else None
    return first.get("code") if isinstance(first, dict) else status
