"""An earlier assessment taken back, or holding again: it stays readable, and a note says why its status changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from adapter.errors import ServerError
from adapter.fhir.amending import RETRACTED, restated
from adapter.fhir.decoding import encode
from adapter.fhir.releases import Release
from adapter.fhir.standing import Standing, object_in, standing_at, standing_from
from adapter.fhir.validation import validate
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.writing_back import Receipt
from adapter.problems import Problem, ProblemCode, Severity


def retract(server: FhirServer, written: str, *, reason: str, release: Release = Release.R4) -> Receipt | Problem:
    """Mark our RiskAssessment as entered in error, unless someone changed it since; then it is left alone.

    Args:
        server: Where it stands.
        written: Where and in which version we wrote it: ``RiskAssessment/x/_history/1``.
        reason: Why it no longer holds, as a sentence for clinicians.
        release: The release in which it was written.

    Returns:
        Where it stands now; or why it could not be taken back: it is gone, was edited, or may not be changed.

    Raises:
        ServerError: The server refused for another reason, or could not be asked.
    """
    ours = standing_from(written)
    found, now = _read(server, ours)
    if now is None:
        return _gone(ours)
    if now.is_retracted:
        return Receipt((now.reference,), created=False, way="")
    if ours.version and now.version != ours.version:
        return _edited(now)
    change = _Change(RETRACTED, reason, release, is_version_known=bool(ours.version))
    return _restate(server, found, now, change)


def reinstate(
    server: FhirServer,
    written: str,
    *,
    status: str,
    reason: str,
    ours: Collection[str],
    release: Release = Release.R4,
) -> Receipt | Problem:
    """Let our RiskAssessment hold again that we took back; what a person took back or changed is left alone.

    Args:
        server: Where it stands.
        written: Where and in which version it was taken back.
        status: The status it had before.
        reason: Why it holds again, as a sentence for clinicians.
        ours: The reasons for which we take back: its last note is one of them if it was us.
        release: The release in which it was written.

    Returns:
        Where it stands now; or why it was left: it is gone, was edited, or may not be changed.

    Raises:
        ServerError: The server refused for another reason, or could not be asked.
    """
    before = standing_from(written)
    found, now = _read(server, before)
    if now is None:
        return _gone(before)
    if not now.is_retracted:
        # Ours, if its last note is what we say then: the answer was lost. Else a person brought it back.
        is_ours = _last_note(found) == reason
        return Receipt((now.reference,), created=False, way="") if is_ours else _edited(now)
    if (before.version and now.version != before.version) or _last_note(found) not in ours:
        return _edited(now)
    return _restate(server, found, now, _Change(status, reason, release, is_version_known=bool(before.version)))


class _Change(msgspec.Struct, frozen=True):
    """What is to be changed, and why."""

    status: str
    reason: str
    release: Release
    is_version_known: bool

    def is_made(self, now: Standing, found: Mapping[str, Any]) -> bool:
        """Whether it is as it was to be; that it holds again is ours to have said only with our own words."""
        if self.status == RETRACTED:
            return now.is_retracted
        return not now.is_retracted and _last_note(found) == self.reason


def _restate(server: FhirServer, found: Mapping[str, Any], now: Standing, change: _Change) -> Receipt | Problem:
    """Send it on the condition that it still is the version that was read."""
    content = restated(found, status=change.status, why=change.reason)
    if wrong := validate(content, change.release):
        return wrong[0]
    match = {"If-Match": f'W/"{now.version}"'} if now.version else {}
    try:
        answer = server.send("PUT", now.place, encode(content), match)
    except ServerError as error:
        return _refused(server, now, error, change)
    place = standing_at(
        answer.headers.get("location", now.place),
        etag=answer.headers.get("etag", ""),
        body=object_in(answer.body),
        resource_type=now.place.partition("/")[0],
    )
    problems = () if change.is_version_known else (_unversioned(now, change.status),)
    return Receipt(((place or Standing(now.place)).reference,), created=False, way="put", problems=problems)


def _refused(server: FhirServer, now: Standing, error: ServerError, change: _Change) -> Receipt | Problem:
    """Look again: our own change may have arrived though its answer was lost, or someone else was quicker."""
    found, after = _read(server, now)
    if after is not None and change.is_made(after, found):
        return Receipt((after.reference,), created=False, way="put")
    if error.status in (404, 410) and after is None:
        return _gone(now)
    # Servers that do not conform answer 409 (hl7.org/fhir/R4/http.html#concurrency asks for 412).
    if error.status in (409, 412) and after is not None:
        return _edited(after)
    if error.status in (404, 405, 501):
        what = f"the server does not let it be changed (HTTP {error.status})"
        return _problem(ProblemCode.WAY_CHANGED, now, what, "it still stands; have its administrator change it")
    raise error


def _last_note(found: Mapping[str, Any]) -> object:
    """The words of the note that was added last."""
    notes = found.get("note")
    last = notes[-1] if isinstance(notes, list) and notes else {}
    return last.get("text") if isinstance(last, dict) else None


def _read(server: FhirServer, ours: Standing) -> tuple[Mapping[str, Any], Standing | None]:
    answer = server.read(ours.place)
    if answer is None:
        return {}, None
    found = object_in(answer.body)
    kind = ours.place.partition("/")[0]
    place = standing_at(ours.place, etag=answer.headers.get("etag", ""), body=found, resource_type=kind)
    if found.get("resourceType") != kind or place is None:
        raise ServerError("the answer to a read holds another resource", code="unexpected-content", status=200)
    return found, place


def _edited(now: Standing) -> Problem:
    what = "its version is not the one that was written; someone has changed it"
    return _problem(ProblemCode.EDITED_SINCE, now, what, "it was left alone")


def _unversioned(now: Standing, status: str) -> Problem:
    what = "the server gave no version when it was written; a change since could not be noticed"
    return _problem(ProblemCode.EDITED_SINCE, now, what, f"it was marked {status}")


def _gone(place: Standing) -> Problem:
    return _problem(ProblemCode.DELETED, place, "it is no longer on the server", "nothing had to be changed")


def _problem(code: ProblemCode, place: Standing, what: str, then: str) -> Problem:
    kind = place.place.partition("/")[0]
    return Problem(code, kind, what, then, resource=place.place, severity=Severity.WARNING)
