"""The addresses of resources: taken apart, and the service bases they speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from adapter.fhir.entry import Entry
from adapter.problems import Problem, ProblemCode, Severity

# The regex of hl7.org/fhir/R4/references.html#regex with any id: one with an underscore is met, and still an id.
_RESTFUL = re.compile(
    r"(?:(?P<base>https?://[^?#]+)/)?(?P<local>[A-Z][A-Za-z]+/[^/?#]+)(?:/_history/(?P<version>[^/?#]+))?", re.ASCII
)


class Literal(msgspec.Struct, frozen=True, gc=False):
    """A literal reference taken apart: service base, ``Type/id`` and version; base and version may be empty."""

    base: str
    local: str
    version: str

    @property
    def type(self) -> str:
        """The resource type it names."""
        return self.local.partition("/")[0]


def may_be_patient(type_: str) -> bool:
    """Whether a reference whose ``type`` says this, or nothing, may mean a Patient.

    "The type is the Canonical URL of Resource Definition that is the type this reference refers to. References are URLs
    that are relative to http://hl7.org/fhir/StructureDefinition/" (hl7.org/fhir/R4/references.html).
    """
    return type_ in ("", "Patient", "http://hl7.org/fhir/StructureDefinition/Patient")


@lru_cache(maxsize=1024)
def literal(reference: str) -> Literal | None:
    """Take a RESTful reference apart; ``None`` for URNs, fragments, queries and nonsense."""
    match = _RESTFUL.fullmatch(reference)
    return Literal(match["base"] or "", match["local"], match["version"] or "") if match else None


def address_caution(entry: Entry) -> Problem | None:
    """What to say of an entry whose fullUrl and resource name different ids; others mean it by its fullUrl."""
    if not entry.id or entry.full_url.endswith(f"/{entry.type}/{entry.id}"):
        return None
    address = literal(entry.full_url)
    if address is None or address.local == f"{entry.type}/{entry.id}":
        return None
    what = "the fullUrl names another resource than the id"
    then = "the fullUrl was taken as its identity"
    severity = Severity.WARNING
    return Problem(ProblemCode.FULL_URL_MISMATCH, entry.where, what, then, severity=severity, used=True)


def service_bases(entries: Sequence[Entry]) -> set[str]:
    """Every service base the input speaks of, by its own URLs or by a subject."""
    return bases_of(entries, [address_of(entry) for entry in entries])


def bases_of(entries: Sequence[Entry], addresses: Sequence[Literal | None]) -> set[str]:
    """The same, where the address of each entry is at hand."""
    subjects = {entry.plain.subject for entry in entries if entry.plain is not None}
    others = {person for entry in entries if entry.plain is None for person in entry.people}
    named = bases_named([person for person in subjects | others if person.startswith("http")])
    own = {found.base for entry, found in zip(entries, addresses, strict=True) if found is not None and entry.full_url}
    return (named | own) - {""}


def bases_named(references: Iterable[str]) -> set[str]:
    """The service bases that some references begin with."""
    return {found.base for reference in references if (found := literal(reference)) is not None}


def address_of(entry: Entry) -> Literal | None:
    """The address of an entry, taken apart; ``None`` where it has none, or none that is RESTful."""
    url = entry.full_url or entry.deletes
    if not url:
        return None
    if entry.plain is not None:
        # Nearly every address is a base, the type and the id; to see that takes a tenth of the time of taking it apart.
        folder, _, name = url.rpartition("/")
        base = _base_of(folder)
        if base and name == entry.id and (name.isalnum() or name.replace("-", "").isalnum()):
            return Literal(base, f"Observation/{name}", "")
    return literal(url)


@lru_cache(maxsize=256)
def _base_of(folder: str) -> str:
    """The service base, if this is the address of its Observations; else empty."""
    base = folder.removesuffix("/Observation")
    named = literal(f"{folder}/1")
    return base if named is not None and named.base == base else ""
