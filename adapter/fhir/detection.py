"""Find out which release of FHIR came in: from what declares or proves it, else R4; said in any case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from adapter.fhir.entry import Entry
from adapter.fhir.releases import MARKS, STU3_SHAPES, Release, release_named, same_shape
from adapter.problems import Problem, ProblemCode, Severity

# A profile of the specification may name the version in its address.
_VERSIONED_PROFILE = re.compile(r"https?://hl7\.org/fhir/(\d\.\d)/StructureDefinition/", re.ASCII)


class Detected(msgspec.Struct, frozen=True):
    """The release everything is read as, how that was known, and the releases proved by single entries."""

    release: Release
    notice: Problem | None
    marks: Sequence[Release | None]

    def foreign(self, index: int) -> Release | None:
        """The other release that an entry proves to be of; ``None`` where it may be of ours."""
        mark = self.marks[index]
        return None if mark is None or same_shape(mark, self.release) else mark


def detect(entries: Sequence[Entry], wanted: Release | None) -> Detected:
    """The release to read as: the one wanted, else the one most entries prove, else R4."""
    marks = [mark_of(entry) for entry in entries]
    if wanted is not None:
        return Detected(wanted, None, marks)
    proofs = Counter(mark for mark in marks if mark is not None)
    if not proofs:
        what = "nothing in the input tells the release of FHIR"
        return Detected(Release.R4, _notice(what, "everything was read as R4"), marks)
    release = max(proofs, key=lambda proof: (proofs[proof], proof))
    what = f"{proofs[release]} entries prove {release.name}"
    return Detected(release, _notice(what, f"everything was read as {release.name}"), marks)


def mark_of(entry: Entry) -> Release | None:
    """The release that one entry declares or proves."""
    resource = entry.decoded
    if resource is None:
        # What the fast lane took looks the same in all releases since R4.
        return None
    if entry.type in ("CapabilityStatement", "Conformance"):
        version = resource.get("fhirVersion")
        return release_named(version) if isinstance(version, str) else None
    if entry.type == "SubscriptionStatus":
        return Release.R5 if entry.bundle_type == "subscription-notification" else Release.R4B
    return _declared(resource.get("meta")) or _proved(entry.type, resource)


def _declared(meta: object) -> Release | None:
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    for profile in profiles if isinstance(profiles, list) else ():
        match = _VERSIONED_PROFILE.match(profile) if isinstance(profile, str) else None
        if match:
            return release_named(match[1])
    return None


def _proved(type_: str, resource: dict[str, object]) -> Release | None:
    for release, names in MARKS.items():
        if any(name in resource for name in names.get(type_, ())):
            return release
    name, kind = STU3_SHAPES.get(type_, ("", list))
    return Release.STU3 if isinstance(resource.get(name), kind) else None


def _notice(what: str, then: str) -> Problem:
    return Problem(ProblemCode.RELEASE_ASSUMED, "", what, then, severity=Severity.INFORMATION, used=True)
