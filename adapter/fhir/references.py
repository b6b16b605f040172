"""One index over everything that came in: who each resource is, and whom each reference means."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import parse_qs

import msgspec

from adapter.fhir.decoding import Json
from adapter.fhir.element import Element
from adapter.fhir.entry import Entry
from adapter.problems import Problem, ProblemCode, Severity

# The regex of hl7.org/fhir/R4/references.html#regex with any id: one with an underscore is met, and still an id.
_RESTFUL = re.compile(
    r"(?:(?P<base>https?://[^?#]+)/)?(?P<local>[A-Z][A-Za-z]+/[^/?#]+)(?:/_history/(?P<version>[^/?#]+))?", re.ASCII
)
_REPLACED = frozenset({"replaced-by", "replace"})


class Literal(msgspec.Struct, frozen=True):
    """A literal reference taken apart: service base, ``Type/id`` and version; base and version may be empty."""

    base: str
    local: str
    version: str

    @property
    def type(self) -> str:
        """The resource type it names."""
        return self.local.partition("/")[0]


class Placed(msgspec.Struct):
    """An entry with its identity.

    Attributes:
        key: The identity within this input: ``Type/id`` where that is unambiguous, else the absolute URL or URN.
        base: Service base of the entry's own fullUrl, against which its relative references are read.
    """

    entry: Entry
    key: str
    base: str


@lru_cache(maxsize=4096)
def literal(reference: str) -> Literal | None:
    """Take a RESTful reference apart; ``None`` for URNs, fragments, queries and nonsense."""
    match = _RESTFUL.fullmatch(reference)
    return Literal(match["base"] or "", match["local"], match["version"] or "") if match else None


class References:
    """Knows every entry by its identity and resolves references as hl7.org/fhir/R4/bundle.html#references says.

    Resources of two servers are never mixed: ``Patient/1`` and ``http://h/fhir/Patient/1`` are the same only if all of
    the input speaks of a single server.
    """

    def __init__(self, entries: Sequence[Entry], bases: Collection[str] = ()) -> None:
        """Take in the entries, and the service bases of which the rest of the input speaks, if they are a part."""
        self._server = _single({*service_bases(entries), *bases})
        self._urns: dict[str, str] = {}
        self._by_key: dict[str, list[Placed]] = {}
        self._in_bundle: dict[tuple[str, str], set[str]] = {}
        self._claims = _claims(entries)
        self._owners: dict[tuple[str, str, str, str], str | Problem] = {}
        self.placed = [self._place(entry) for entry in entries]
        self._by_identifier = self._identified()
        self._replaced = dict(self._replacements())

    def versions(self) -> Iterator[list[Placed]]:
        """The entries of each identity."""
        yield from self._by_key.values()

    def key(self, reference: str, here: Placed) -> str:
        """The identity that a literal reference means; empty if nothing is known by it."""
        found = literal(reference)
        if found is None:
            return self._urns.get(reference.lower(), "")
        if found.base or here.base:
            return self._normal(found.base or here.base, found.local)
        if len(self._claims.get(found.local, ())) > 1:
            # Several Bundles call different resources so; only the one beside us can be meant.
            return _single(self._in_bundle.get((here.entry.bundle, found.local), ()))
        return found.local

    def resolve(self, reference: str, here: Placed) -> Json | None:
        """The resource that a reference means, if it came in: contained, or an entry, in the version asked for."""
        if reference.startswith("#"):
            return contained(here.entry, reference)
        found = literal(reference)
        candidates = self._by_key.get(self.key(reference, here), [])
        if found is not None and found.version:
            candidates = [placed for placed in candidates if placed.entry.version == found.version]
        return next((placed.entry.resource for placed in candidates if placed.entry.resource), None)

    def patient(self, subject: Element | None, here: Placed) -> str | Problem:
        """The key of the patient a subject means, or why that cannot be said."""
        if subject is None:
            return _unresolved(here.entry.where, "the resource has no subject")
        reference = subject.text("reference")
        if not reference:
            return self._by_logical_reference(subject)
        if reference.startswith("#"):
            return self._by_contained(contained(here.entry, reference), subject)
        name = (reference, here.base, here.entry.bundle, here.entry.bundle_type)
        known = self._owners.get(name)
        if known is None:
            known = self._owners[name] = self._by_reference(reference, subject, here)
        return known if isinstance(known, str) else msgspec.structs.replace(known, where=subject.where)

    def surviving(self, key: str) -> str:
        """The patient that stands for this one: itself, or the one it was replaced by."""
        seen = {key}
        while key in self._replaced and self._replaced[key] not in seen:
            key = self._replaced[key]
            seen.add(key)
        return key

    def _by_reference(self, reference: str, subject: Element, here: Placed) -> str | Problem:
        if reference.startswith("Patient?"):
            return self._by_condition(reference, subject, here)
        key = self.key(reference, here)
        if not key:
            return _unresolved(subject.where, "the subject's reference leads to nothing in the input")
        named = literal(reference)
        type_ = next((placed.entry.type for placed in self._by_key.get(key, ())), named.type if named else "")
        if type_ != "Patient":
            return _unresolved(subject.where, f"the subject is no Patient but a {type_}")
        return self.surviving(key)

    def _by_contained(self, patient: Json | None, subject: Element) -> str | Problem:
        if patient is None or patient.get("resourceType") != "Patient":
            return _unresolved(subject.where, "the subject is not contained as a Patient")
        known = {key for name in identifiers(patient) for key in self._by_identifier.get(name, ())}
        return self._only(known, subject, "the contained Patient")

    def _by_condition(self, reference: str, subject: Element, here: Placed) -> str | Problem:
        if here.entry.bundle_type != "transaction":
            return _unresolved(subject.where, "a conditional reference is valid in a transaction alone")
        wanted = parse_qs(reference.partition("?")[2]).get("identifier", [])
        known = {key for name in wanted for key in self._by_identifier.get(name, ())}
        return self._only(known, subject, "the conditional reference")

    def _by_logical_reference(self, subject: Element) -> str | Problem:
        identifier = subject.one("identifier")
        if identifier is None:
            reason = subject.own_absence() or subject.absence("reference")
            return _unresolved(subject.where, f"the subject is not given{f' ({reason})' if reason else ''}")
        name = f"{identifier.text('system')}|{identifier.text('value')}"
        return self._only(self._by_identifier.get(name, set()), subject, "the subject's identifier")

    def _only(self, keys: Iterable[str], subject: Element, what: str) -> str | Problem:
        survivors = {self.surviving(key) for key in keys}
        if len(survivors) > 1:
            return Problem(ProblemCode.SUBJECT_AMBIGUOUS, subject.where, f"{what} fits {len(survivors)} Patients")
        return _single(survivors) or _unresolved(subject.where, f"{what} fits no Patient in the input")

    def _normal(self, base: str, local: str) -> str:
        return local if base in ("", self._server) else f"{base}/{local}"

    def _place(self, entry: Entry) -> Placed:
        url = entry.full_url or entry.deletes
        named = literal(url)
        local = f"{entry.type}/{entry.id}" if entry.type and entry.id else ""
        if named is not None:
            key = self._normal(named.base, named.local)
        elif local and len(self._claims.get(local, ())) < 2:
            key = local
        else:
            key = url.lower() if url else entry.where
        if url and named is None:
            self._urns[url.lower()] = key
        placed = Placed(entry, key, named.base if named and entry.full_url else "")
        self._by_key.setdefault(key, []).append(placed)
        if local:
            self._in_bundle.setdefault((entry.bundle, local), set()).add(key)
        return placed

    def _identified(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for placed in self.placed:
            if placed.entry.type == "Patient" and placed.entry.resource:
                for name in identifiers(placed.entry.resource):
                    found.setdefault(name, set()).add(placed.key)
        return found

    def _replacements(self) -> Iterator[tuple[str, str]]:
        for placed in self.placed:
            if placed.entry.type == "Patient" and placed.entry.resource:
                for link in Element(placed.entry.resource, "").many("link"):
                    other = link.one("other")
                    key = self.key(other.text("reference"), placed) if other else ""
                    if key and link.text("type") in _REPLACED:
                        yield placed.key, key


def contained(entry: Entry, reference: str) -> Json | None:
    """The resource contained under ``#id`` in the same resource; never one of another."""
    inside = (entry.resource or {}).get("contained")
    for each in inside if isinstance(inside, list) else ():
        if isinstance(each, dict) and each.get("id") in (reference, reference[1:]):
            return each
    return None


def address_caution(entry: Entry) -> Problem | None:
    """What to say of an entry whose fullUrl and resource name different ids; others mean it by its fullUrl."""
    address = literal(entry.full_url) if entry.full_url and entry.id else None
    if address is None or address.local == f"{entry.type}/{entry.id}":
        return None
    what = "the fullUrl names another resource than the id"
    then = "the fullUrl was taken as its identity"
    severity = Severity.WARNING
    return Problem(ProblemCode.FULL_URL_MISMATCH, entry.where, what, then, severity=severity, used=True)


def service_bases(entries: Iterable[Entry]) -> set[str]:
    """Every service base the input speaks of, by its own URLs or by a subject."""
    urls = {url for entry in entries for url in (entry.full_url, *entry.people) if url.startswith("http")}
    return {found.base for url in urls if (found := literal(url)) and found.base}


def _claims(entries: Sequence[Entry]) -> dict[str, set[str]]:
    """By ``Type/id``: the URNs of those resources that have no address of their own and bear this id."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        if entry.full_url and entry.id and literal(entry.full_url) is None:
            found.setdefault(f"{entry.type}/{entry.id}", set()).add(entry.full_url.lower())
    return found


def identifiers(patient: Json) -> Iterator[str]:
    """The business identifiers of a Patient, each as ``system|value``."""
    for each in Element(patient, "").many("identifier"):
        if each.has("value"):
            yield f"{each.text('system')}|{each.text('value')}"


def _single(keys: Iterable[str]) -> str:
    """The only one of several; empty if there are none or many."""
    found = list(keys)
    return found[0] if len(found) == 1 else ""


def _unresolved(where: str, what: str) -> Problem:
    return Problem(ProblemCode.SUBJECT_UNRESOLVED, where, what)
