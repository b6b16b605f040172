"""Choose among results of one marker: the newest usable one, never one after ``as_of``; name every other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from adapter.clinical.results import MarkerResult
from adapter.clinical.time import ClinicalTime, Precision
from adapter.problems import NO_VALUES, Problem, ProblemCode, Severity

_STATUS_ORDER = {"corrected": 3, "amended": 2, "final": 1, "preliminary": 0}
_NEVER = datetime.min.replace(tzinfo=UTC)


def dated(
    results: Sequence[MarkerResult], as_of: datetime, *, use_issued: bool
) -> tuple[list[MarkerResult], list[Problem]]:
    """The results that have a time and lie at or before ``as_of``, and why the others do not count."""
    usable: list[MarkerResult] = []
    refused: list[Problem] = []
    for result in results:
        time = time_of(result, use_issued=use_issued)
        if time is not None and time.latest <= as_of:
            usable.append(result)
        elif time is None:
            refused.append(_aside(result, ProblemCode.TIME_MISSING, "it has no effective time"))
        elif (after := _lies_after(time, as_of)) is not False:
            what = "{date} lies after {as_of}" if after else "{date} may lie after {as_of}"
            values = {"date": time.text, "as_of": as_of.isoformat()}
            refused.append(_aside(result, ProblemCode.IN_THE_FUTURE, what, values=values))
        else:
            usable.append(result)
    return usable, refused


def time_of(result: MarkerResult, *, use_issued: bool) -> ClinicalTime | None:
    """When the result was true of the patient; ``issued`` only where that was switched on."""
    return result.effective or (result.issued_at if use_issued else None)


def _lies_after(time: ClinicalTime, as_of: datetime) -> bool | None:
    """Whether a result is of the future. Today's date is not, whatever the hour; a collection counts once begun."""
    if time.precision in (Precision.DAY, Precision.PERIOD):
        return time.earliest > as_of
    return time.is_after(as_of)


def without_duplicates(results: Sequence[MarkerResult]) -> tuple[list[MarkerResult], list[Problem]]:
    """One version of each resource and one copy of each result: the server's latest, and the rest named.

    Versions are ordered by ``meta.lastUpdated``, then by number; "versionId may be a UUID" (seen on Medplum), and two
    versions that cannot be ordered contradict each other unless they say the same.
    """
    kept: list[MarkerResult] = []
    aside: list[Problem] = []
    groups: dict[tuple[str, str, str], list[MarkerResult]] = {}
    for result in results:
        groups.setdefault((result.resource, _part(result), result.marker), []).append(result)
    for _, group in sorted(groups.items(), key=lambda item: item[0]):
        if len(group) == 1:
            kept += group
            continue
        newest = max(group, key=_version_order)
        equal = [result for result in group if _version_order(result) == _version_order(newest)]
        if len({_reading(result) for result in equal}) > 1:
            aside += [_aside(r, ProblemCode.CONFLICT, "two versions differ and cannot be ordered") for r in group]
            continue
        chosen = _fullest(equal)
        kept.append(chosen)
        what = "another version or copy of the same result is used"
        aside += [_aside(r, ProblemCode.DUPLICATE, what, Severity.INFORMATION) for r in group if r is not chosen]
    return _collapsed(kept, aside)


def newest_usable(results: Sequence[MarkerResult], *, use_issued: bool) -> tuple[MarkerResult | None, list[Problem]]:
    """The newest of several dated results of one marker, and why each other one was not chosen."""
    if len(results) == 1:
        return results[0], []
    ordered, unordered = _orderable(results, use_issued=use_issued)
    if not ordered:
        return None, unordered
    best = max(_rank(result, use_issued=use_issued) for result in ordered)
    top = [result for result in ordered if _rank(result, use_issued=use_issued) == best]
    rest = [result for result in ordered if _rank(result, use_issued=use_issued) != best]
    if contradiction := _contradiction(top):
        return None, [*unordered, *(_aside(r, ProblemCode.CONFLICT, contradiction) for r in top), *_superseded(rest)]
    chosen = _fullest(top)
    what = "the same result came twice"
    copies = [_aside(r, ProblemCode.DUPLICATE, what, Severity.INFORMATION) for r in top if r is not chosen]
    return chosen, [*unordered, *copies, *_superseded(rest)]


def _contradiction(results: Sequence[MarkerResult]) -> str:
    """What results of one time and standing contradict each other in; empty if in nothing."""
    if len({result.value for result in results}) > 1:
        return "another result of the same time and standing has a different value"
    if {result.fasting for result in results} >= {True, False}:
        return "one copy says that the sample was taken fasting, another that it was not"
    return ""


def _fullest(results: Sequence[MarkerResult]) -> MarkerResult:
    """Of results that say the same the one that says most; the same one whatever the order of the input."""
    if len(results) == 1:
        return results[0]
    return min(results, key=lambda r: (r.fasting is None, not r.reference_ranges, _without_place(r)))


def _without_place(result: MarkerResult) -> str:
    return repr(msgspec.structs.replace(result, where="", entry=""))


def _orderable(results: Sequence[MarkerResult], *, use_issued: bool) -> tuple[list[MarkerResult], list[Problem]]:
    """Leave out a result whose coarse date overlaps a more precise one: their order cannot be said."""
    times = {time for result in results if (time := time_of(result, use_issued=use_issued))}
    # Thousands of results are mostly of one precision, and then none of them need be held against every other.
    finest = min(map(_width, times), default=timedelta(0))
    unclear = {time for time in times if _width(time) > finest and any(_is_finer(other, time) for other in times)}
    ordered: list[MarkerResult] = []
    aside: list[Problem] = []
    for result in results:
        mine = time_of(result, use_issued=use_issued)
        if mine in unclear:
            what, values = "{date} cannot be ordered against a more precise time", {"date": mine.text}
            aside.append(_aside(result, ProblemCode.SUPERSEDED, what, Severity.INFORMATION, values))
        else:
            ordered.append(result)
    return ordered, aside


def _is_finer(other: ClinicalTime, mine: ClinicalTime) -> bool:
    overlaps = mine.earliest <= other.latest and other.earliest <= mine.latest
    return overlaps and _width(other) < _width(mine)


def _width(time: ClinicalTime) -> timedelta:
    return time.latest - time.earliest


def _rank(result: MarkerResult, *, use_issued: bool) -> tuple[datetime, int, int, bool, datetime, datetime]:
    """Later effective time, then status, preferred code, FRAX with bone density, issued, the server's own update."""
    time = time_of(result, use_issued=use_issued)
    issued, updated = _latest(result.issued_at), _latest(result.updated_at)
    return _latest(time), _STATUS_ORDER.get(result.status, 0), -result.rank, bool(result.with_bmd), issued, updated


def _latest(time: ClinicalTime | None) -> datetime:
    return time.latest if time else _NEVER


def _version_order(result: MarkerResult) -> tuple[float, int]:
    time = result.updated_at
    updated = time.latest.timestamp() if time else 0.0
    return updated, int(result.version) if result.version.isdecimal() else -1


def _collapsed(results: list[MarkerResult], aside: list[Problem]) -> tuple[list[MarkerResult], list[Problem]]:
    """Collapse results of different resources that carry the same business identifier, time and value."""
    identifiers = [identifier for result in results for identifier in result.identifiers]
    if len(identifiers) == len(set(identifiers)):
        return results, aside
    seen: set[tuple[object, ...]] = set()
    kept: list[MarkerResult] = []
    for result in results:
        keys = [(result.marker, result.site, identifier, *_content(result)) for identifier in result.identifiers]
        if any(key in seen for key in keys):
            what = "a result with the same identifier, time and value is used"
            aside.append(_aside(result, ProblemCode.DUPLICATE, what, Severity.INFORMATION))
        else:
            kept.append(result)
        seen.update(keys)
    return kept, aside


def _content(result: MarkerResult) -> tuple[object, ...]:
    return result.value, result.site, result.effective, result.status


def _reading(result: MarkerResult) -> tuple[object, ...]:
    """Everything that a result is read by."""
    return *_content(result), result.fasting, result.with_bmd, result.assay, result.reference_ranges, result.cautions


def _part(result: MarkerResult) -> str:
    """Which component of its entry the result is, so that panels keep their parts."""
    return result.where[len(result.entry) :]


def _superseded(results: Sequence[MarkerResult]) -> list[Problem]:
    what = "a newer or firmer result of the same kind is used"
    return [_aside(r, ProblemCode.SUPERSEDED, what, Severity.INFORMATION) for r in results]


def _aside(
    result: MarkerResult,
    code: ProblemCode,
    sentence: str,
    severity: Severity = Severity.WARNING,
    values: Mapping[str, str] = NO_VALUES,
) -> Problem:
    return Problem(code, result.where, sentence, resource=result.resource, severity=severity, values=values)
