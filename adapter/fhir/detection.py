"""Find out which release of FHIR came in: the one declared, else the one that most entries fit; said in any case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from adapter.fhir.decoding import Json
from adapter.fhir.entry import Entry
from adapter.fhir.releases import ELEMENTS, SHAPES, SINCE_R4, Release, release_named
from adapter.problems import Problem, ProblemCode, Severity

# A profile of the specification may name the version in its address.
_VERSIONED_PROFILE = re.compile(r"https?://hl7\.org/fhir/(\d\.\d)/StructureDefinition/", re.ASCII)
_ALL = frozenset(Release)
STATEMENTS = frozenset({"CapabilityStatement", "Conformance"})
# The first of those that fit equally many entries is taken.
_PREFERRED = (Release.R4, Release.R4B, Release.R5, Release.STU3)
Releases = frozenset[Release]


def detect(entries: Sequence[Entry], wanted: Release | None) -> tuple[Release, Problem | None]:
    """The release to read as, and how it was found: the one wanted, else declared, else what most entries fit."""
    if wanted is not None:
        return wanted, None
    declared = {release for entry in entries if entry.plain is None and (release := stated_release(entry)) is not None}
    return decide(Counter(map(releases_of, entries)), declared)


def decide(fits: Mapping[Releases, int], declared: Collection[Release]) -> tuple[Release, Problem]:
    """The release that is declared, else the one that most entries fit; and the notice that says so.

    Args:
        fits: How many entries may be of these releases.
        declared: What CapabilityStatements say.
    """
    if len(declared) == 1:
        (release,) = declared
        return release, _notice("a CapabilityStatement says {release}", release)
    counts: Counter[Release] = Counter()
    for releases, count in fits.items():
        counts.update(dict.fromkeys(releases, count))
    release = max(_PREFERRED, key=lambda candidate: counts[candidate])
    is_told = any(releases != _ALL for releases in fits)
    what = "most entries fit {release}" if is_told else "nothing in the input tells the release of FHIR"
    return release, _notice(what, release)


def releases_of(entry: Entry) -> Releases:
    """The releases that one entry may be of."""
    if entry.plain is not None:
        # The fast lane takes no element that tells a release, but for an interpretation in a list.
        return SINCE_R4 if entry.plain.common.interpretation else _ALL
    resource = entry.decoded
    if resource is None:
        return _ALL
    if entry.type == "SubscriptionStatus":
        return frozenset({Release.R5 if entry.bundle_type == "subscription-notification" else Release.R4B})
    return _of_profile(resource.get("meta")) or _of_elements(entry.type, resource)


def stated_version(entry: Entry) -> str:
    """The version that an entry declares for the whole server; empty if it is no statement of that kind."""
    version = entry.decoded.get("fhirVersion") if entry.decoded and entry.type in STATEMENTS else None
    return version if isinstance(version, str) else ""


def stated_release(entry: Entry) -> Release | None:
    """The release that an entry declares for the whole server, if that is one that is read."""
    return release_named(stated_version(entry))


def _of_profile(meta: object) -> Releases | None:
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    for profile in profiles if isinstance(profiles, list) else ():
        match = _VERSIONED_PROFILE.match(profile) if isinstance(profile, str) else None
        release = release_named(match[1]) if match else None
        if release is not None:
            return frozenset({release})
    return None


def _of_elements(type_: str, resource: Json) -> Releases:
    """The releases in which all of the telling elements exist; all of them, where they contradict each other."""
    known = ELEMENTS.get(type_)
    if known is None:
        return _ALL
    fits = _ALL.intersection(*(known[name] for name in known.keys() & resource.keys()))
    if type_ in SHAPES:
        name, kinds = SHAPES[type_]
        found = resource.get(name)
        fits &= kinds.get(type(found), _ALL) if found else _ALL
    return fits or _ALL


def _notice(sentence: str, release: Release) -> Problem:
    return Problem(
        ProblemCode.RELEASE_ASSUMED,
        "",
        sentence,
        f"everything was read as {release.name}",
        severity=Severity.INFORMATION,
        used=True,
        values={"release": release.name},
    )
