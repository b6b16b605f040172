"""One index over everything that came in: who each resource is, and whom each reference means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from urllib.parse import parse_qs

import msgspec

from adapter.fhir.addresses import Literal, address_of, bases_of, literal, may_be_patient
from adapter.fhir.decoding import Json
from adapter.fhir.element import Element
from adapter.fhir.entry import Entry
from adapter.problems import NO_VALUES, Problem, ProblemCode

# What a link from a Patient to the one that stands in its place is called; "replace" in STU3.
REPLACED = frozenset({"replaced-by", "replace"})


class Placed(msgspec.Struct, gc=False):
    """An entry with its identity.

    Attributes:
        key: The identity within this input: ``Type/id`` where that is unambiguous, else the absolute URL or URN.
        base: Service base of the entry's own fullUrl, against which its relative references are read.
    """

    entry: Entry
    key: str
    base: str


class References:
    """Knows every entry by its identity and resolves references as hl7.org/fhir/R4/bundle.html#references says.

    Resources of two servers are never mixed: ``Patient/1`` and ``http://h/fhir/Patient/1`` are the same only if all of
    the input speaks of a single server.
    """

    def __init__(self, entries: Sequence[Entry], bases: Collection[str] = ()) -> None:
        """Take in the entries, and the service bases of which the rest of the input speaks, if they are a part."""
        addresses = [address_of(entry) for entry in entries]
        self._bases = {*bases_of(entries, addresses), *bases}
        self._server = _single(self._bases)
        self._urns: dict[str, str] = {}
        self._claims = _claims(entries, addresses)
        self._owners: dict[tuple[str, str, str], str | Problem] = {}
        self.placed = [self._place(entry, address) for entry, address in zip(entries, addresses, strict=True)]
        self._first, self._versions = _by_key(self.placed)
        self._in_bundle = _in_bundle(self.placed, self._claims) if self._claims else {}
        self._by_identifier: dict[str, set[str]] = {}
        self._systems: dict[str, set[str]] = {}
        self._replaced: dict[str, str] = {}
        # By Patient: whom its links name as having replaced it, each by its identity as far as that is known.
        self._links: dict[str, dict[str, str]] = {}
        self._survivors: dict[str, str] = {}
        for placed in self.placed:
            if placed.entry.type == "Patient":
                self._know(placed, placed.entry.decoded or {})
        for key, links in self._links.items():
            named = _single(links.values())
            if named:
                self._replaced[key] = named

    def versions(self) -> Iterable[list[Placed]]:
        """The entries of each identity that came more than once."""
        return self._versions.values()

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
        candidates = self._known_as(self.key(reference, here))
        if found is not None and found.version:
            candidates = [placed for placed in candidates if placed.entry.version == found.version]
        return next((placed.entry.resource for placed in candidates if placed.entry.resource), None)

    def patient(self, subject: Element | None, here: Placed) -> str | Problem:
        """The key of the patient a subject means, or why that cannot be said."""
        if subject is None:
            return msgspec.structs.replace(_unresolved("the resource has no subject"), where=here.entry.where)
        reference = subject.text("reference")
        known: str | Problem
        if not may_be_patient(subject.text("type")):
            known = _unresolved("the subject's type says that it is no Patient")
        elif not reference:
            known = self._by_logical_reference(subject)
        elif reference.startswith("#"):
            known = self._by_contained(contained(here.entry, reference))
        else:
            known = self._agreed(self.owner(reference, here), subject)
        return known if isinstance(known, str) else msgspec.structs.replace(known, where=subject.where)

    def _agreed(self, owner: str | Problem, subject: Element) -> str | Problem:
        """The owner, unless its own identifiers of that system are others than the one beside the reference.

        Only the owner's Patient is asked, for it comes through every door, and all others only through some.
        """
        identifier = subject.one("identifier")
        if isinstance(owner, Problem) or identifier is None or not identifier.has("value"):
            return owner
        if identifier.text("system") not in self._systems.get(owner, ()) or owner in self._named(identifier):
            return owner
        what = "the subject's reference and its identifier mean different Patients"
        return Problem(ProblemCode.SUBJECT_AMBIGUOUS, "", what)

    def owner(self, reference: str, here: Placed) -> str | Problem:
        """The key of the patient a literal or conditional reference means, or why that cannot be said."""
        name = (reference, here.base, here.entry.bundle)
        known = self._owners.get(name)
        if known is None:
            known = self._owners[name] = self._by_reference(reference, here)
        return known

    def surviving(self, key: str) -> str:
        """The patient that stands for this one: itself, or the one it was replaced by; in a circle the last one met."""
        if key in self._replaced and key not in self._survivors:
            self._follow(key)
        return self._survivors.get(key, key)

    def _follow(self, key: str) -> None:
        """Note who stands for all that are met on the way, so that of thousands none is followed twice."""
        passed: dict[str, None] = {}
        while key in self._replaced and key not in self._survivors and key not in passed:
            passed[key] = None
            key = self._replaced[key]
        way = list(passed)
        circle = way[way.index(key) :] if key in passed else []
        end = circle[-1] if circle else self._survivors.get(key, key)
        self._survivors.update(dict.fromkeys(way, end))
        self._survivors.update(zip(circle[1:], circle, strict=False))

    def _by_reference(self, reference: str, here: Placed) -> str | Problem:
        if reference.startswith("Patient?"):
            return self._by_condition(reference, here)
        key = self.key(reference, here)
        if not key:
            return _unresolved("the subject's reference leads to nothing in the input")
        named = literal(reference)
        type_ = next((placed.entry.type for placed in self._known_as(key)), named.type if named else "")
        if type_ != "Patient":
            return _unresolved("the subject is no Patient but a {type}", {"type": type_})
        return self._standing(key)

    def _by_contained(self, patient: Json | None) -> str | Problem:
        if patient is None or patient.get("resourceType") != "Patient":
            return _unresolved("the subject is not contained as a Patient")
        known = {key for name in identifiers(patient) for key in self._by_identifier.get(name, ())}
        return self._only(known, "the contained Patient")

    def _by_condition(self, reference: str, here: Placed) -> str | Problem:
        if here.entry.bundle_type != "transaction":
            return _unresolved("a conditional reference is valid in a transaction alone")
        asked = parse_qs(reference.partition("?")[2])
        wanted = asked.pop("identifier", [])
        if asked:
            return _unresolved("the conditional reference asks for more than an identifier")
        known = {key for name in wanted for key in self._by_identifier.get(name, ())}
        return self._only(known, "the conditional reference")

    def _by_logical_reference(self, subject: Element) -> str | Problem:
        identifier = subject.one("identifier")
        if identifier is None:
            reason = subject.own_absence() or subject.absence("reference")
            sentence = "the subject is not given ({reason})" if reason else "the subject is not given"
            return _unresolved(sentence, {"reason": reason})
        return self._only(self._named(identifier), "the subject's identifier")

    def _named(self, identifier: Element) -> set[str]:
        """Who stands for the Patients that bear this identifier."""
        name = f"{identifier.text('system')}|{identifier.text('value')}"
        return {self.surviving(key) for key in self._by_identifier.get(name, ())}

    def _only(self, keys: Iterable[str], what: str) -> str | Problem:
        survivors = {self.surviving(key) for key in keys}
        if len(survivors) > 1:
            values = {"what": what, "number": str(len(survivors))}
            return Problem(ProblemCode.SUBJECT_AMBIGUOUS, "", "{what} fits {number} Patients", values=values)
        if not survivors:
            return _unresolved("{what} fits no Patient in the input", {"what": what})
        return self._standing(survivors.pop())

    def _standing(self, key: str) -> str | Problem:
        """Who stands for this patient, or why nobody can say."""
        survivor = self.surviving(key)
        if self.is_torn(survivor):
            what = "the record says that several others replaced it"
            return Problem(ProblemCode.SUBJECT_AMBIGUOUS, "", what)
        return survivor

    def is_torn(self, key: str) -> bool:
        """Whether the links of a Patient name several that replaced it; then none of them is believed."""
        return len(self._links.get(key, ())) > 1

    def _normal(self, base: str, local: str) -> str:
        return local if base in ("", self._server) else f"{base}/{local}"

    def _known_as(self, key: str) -> Sequence[Placed]:
        """The entries of one identity."""
        first = self._first.get(key)
        return () if first is None else self._versions.get(key, (first,))

    def _place(self, entry: Entry, address: Literal | None) -> Placed:
        if address is None:
            return Placed(entry, self._key_without_address(entry), "")
        # What is deleted at an address of which nothing else speaks may well be what came without one, or by another.
        base = "" if entry.deletes and address.base not in self._bases else address.base
        key = self._normal(base, address.local)
        return Placed(entry, key, address.base if entry.full_url else "")

    def _key_without_address(self, entry: Entry) -> str:
        url = entry.full_url or entry.deletes
        local = f"{entry.type}/{entry.id}" if entry.type and entry.id else ""
        key = local if local and len(self._claims.get(local, ())) < 2 else url.lower() or entry.where
        if url:
            self._urns[url.lower()] = key
        return key

    def _know(self, placed: Placed, patient: Json) -> None:
        """Note by what else a Patient may be meant, and by whom it was replaced."""
        for name in identifiers(patient):
            self._by_identifier.setdefault(name, set()).add(placed.key)
            self._systems.setdefault(placed.key, set()).add(name.partition("|")[0])
        for link in Element(patient, "").many("link"):
            other = link.one("other")
            if other is None or link.text("type") not in REPLACED:
                continue
            key = self.key(other.text("reference"), placed)
            self._links.setdefault(placed.key, {})[key or str(other.json)] = key


def contained(entry: Entry, reference: str) -> Json | None:
    """The resource contained under ``#id`` in the same resource; never one of another."""
    inside = (entry.resource or {}).get("contained")
    for each in inside if isinstance(inside, list) else ():
        if isinstance(each, dict) and each.get("id") in (reference, reference[1:]):
            return each
    return None


def _claims(entries: Sequence[Entry], addresses: Sequence[Literal | None]) -> dict[str, set[str]]:
    """By ``Type/id``: the URNs of those resources that have no address of their own and bear this id."""
    found: dict[str, set[str]] = {}
    for entry, address in zip(entries, addresses, strict=True):
        if address is None and entry.full_url and entry.id:
            found.setdefault(f"{entry.type}/{entry.id}", set()).add(entry.full_url.lower())
    return found


def _by_key(placed: Iterable[Placed]) -> tuple[dict[str, Placed], dict[str, list[Placed]]]:
    """The first entry of each identity, and all entries of those that came more than once."""
    firsts: dict[str, Placed] = {}
    several: dict[str, list[Placed]] = {}
    for each in placed:
        first = firsts.setdefault(each.key, each)
        if first is not each:
            several.setdefault(each.key, [first]).append(each)
    return firsts, several


def _in_bundle(placed: Iterable[Placed], claims: Collection[str]) -> dict[tuple[str, str], set[str]]:
    """By Bundle and ``Type/id``, of those that several resources may claim: the identities meant there."""
    found: dict[tuple[str, str], set[str]] = {}
    for each in placed:
        local = f"{each.entry.type}/{each.entry.id}"
        if local in claims:
            found.setdefault((each.entry.bundle, local), set()).add(each.key)
    return found


def identifiers(patient: Json) -> Iterator[str]:
    """The business identifiers of a Patient, each as ``system|value``; without its system a value is anybody's."""
    for each in Element(patient, "").many("identifier"):
        if each.has("system") and each.has("value"):
            yield f"{each.text('system')}|{each.text('value')}"


def _single(keys: Iterable[str]) -> str:
    """The only one of several; empty if there are none or many."""
    found = list(keys)
    return found[0] if len(found) == 1 else ""


def _unresolved(sentence: str, values: Mapping[str, str] = NO_VALUES) -> Problem:
    return Problem(ProblemCode.SUBJECT_UNRESOLVED, "", sentence, values=values)
