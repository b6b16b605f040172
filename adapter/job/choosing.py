"""Which patients a run is about: named ones, a group's, all, or those of whom something changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir.addresses import literal
from adapter.fhir.identity import IS_ID
from adapter.fhir.reading import Source
from adapter.fhir_server.client import FhirServer
from adapter.job.answers import Delivered, delivered
from adapter.job.asking import CONTEXT, Offers, by_code, is_offered, said_by
from adapter.job.roll import Roll
from adapter.ledger.ledger import Ledger
from adapter.recognition.predictions import OWN_METHOD

_OWN = f'"{OWN_METHOD}"'.encode()


class Since(StrEnum):
    """By what a change is known."""

    LAST_UPDATED = "last-updated"
    DATE = "date"


# When the clinic did it. Not every server keeps ``_lastUpdated``; by these, what arrives late is missed.
_DATES: Mapping[str, str] = {
    "Observation": "date",
    "Condition": "recorded-date",
    "Procedure": "date",
    "FamilyMemberHistory": "date",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "RiskAssessment": "date",
}


class Chosen(msgspec.Struct, frozen=True):
    """The patients of a run.

    Attributes:
        patients: ``Patient/1``, each once, in the order met.
        shortfalls: What could not be listed, and why: then there may be more patients.
        server_time: The server's clock when the listing began; empty if it did not say.
    """

    patients: Collection[str] = ()
    shortfalls: tuple[str, ...] = ()
    server_time: str = ""


def named(words: Iterable[str]) -> list[str]:
    """The patients that a person or a file names, as ``1`` or ``Patient/1``, without empty lines and ``#`` remarks.

    Raises:
        SettingsInvalid: A word cannot be a patient's id.
    """
    lines = (word.partition("#")[0].strip() for word in words)
    return list(dict.fromkeys(_named(number, line) for number, line in enumerate(lines, 1) if line))


def everyone(server: FhirServer, *, most: int = 0) -> Chosen:
    """All patients of the server; beyond ``most``, if that is not 0, nobody is looked for."""
    listing = _Listing(server, most=most)
    # Only ids are wanted, and of what is not sent nothing can leak.
    listing.search("Patient", [("_elements", "id")])
    return listing.chosen()


def members(server: FhirServer, group: str) -> Chosen:
    """The patients of a Group that have not left it.

    Raises:
        SettingsInvalid: The server has no such Group.
    """
    answer = server.read(f"Group/{group}")
    if answer is None:
        raise SettingsInvalid("--group: the server has no Group of this id")
    try:
        found = _group_in(answer.body)
    except msgspec.MsgspecError:
        raise ServerError("the Group cannot be read", code="unexpected-content") from None
    links = [literal(each.entity.reference) for each in found.member if not each.inactive]
    patients = [link.local for link in links if link and link.base in ("", server.base) and link.type == "Patient"]
    beyond = len(links) - len(patients)
    shortfalls: tuple[str, ...] = ("group-members-elsewhere",) if beyond else ()
    return Chosen(tuple(dict.fromkeys(patients)), shortfalls)


def changed(
    server: FhirServer, ledger: Ledger, codes: Sequence[str], since: datetime, by: Since, *, most: int = 0
) -> Chosen:
    """The patients of whom something that is read was changed or recorded since a moment.

    What was deleted is in no search; a run over all patients finds that.
    """
    offers = said_by(server).types
    listing = _Listing(server, ledger, most=most)
    moment = f"ge{since.astimezone(UTC).isoformat(timespec='seconds')}"
    for name, parameters in _asked(codes, offers, by):
        changed_at = "_lastUpdated" if by is Since.LAST_UPDATED else _DATES[name]
        listing.search(name, [*parameters, (changed_at, moment)])
    return listing.chosen()


def moment_of(text: str) -> datetime:
    """The moment that a person or a server wrote: a date, or a time with its zone.

    Raises:
        SettingsInvalid: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or (moment.tzinfo is None and len(text) > len("2026-06-15")):
        raise SettingsInvalid(
            "--since: write last, a date (2026-06-15), or a time with zone (2026-06-15T08:00:00+08:00)"
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def with_overlap(watermark: str, seconds: float) -> datetime:
    """The moment to ask from: a little before the last run began, for what the server was still writing then."""
    return moment_of(watermark) - timedelta(seconds=seconds)


class _Entity(msgspec.Struct):
    reference: str = ""


class _Member(msgspec.Struct):
    entity: _Entity = msgspec.field(default_factory=_Entity)
    inactive: bool = False


class _Group(msgspec.Struct):
    member: list[_Member] = []


_group_in = msgspec.json.Decoder(_Group).decode


class _Listing:
    """Searches over all patients, and the patients they speak of; a page is looked through and let go."""

    def __init__(self, server: FhirServer, ledger: Ledger | None = None, *, most: int) -> None:
        self._server, self._ledger, self._most = server, ledger, most
        self._patients = Roll()
        self._shortfalls: list[str] = []
        self._server_time = ""

    def search(self, name: str, parameters: Sequence[tuple[str, str]]) -> None:
        listing = self._server.listing(name, parameters)
        try:
            for page in listing.pages():
                self._take(name, page)
                if self._most and len(self._patients) > self._most:
                    break
        except ServerError as error:
            if error.may_retry:
                raise
            self._shortfalls.append(f"{name.lower()}-{error.code}")
            return
        self._server_time = self._server_time or listing.server_time
        if not listing.complete:
            self._shortfalls.append(f"{name.lower()}-search-incomplete")

    def chosen(self) -> Chosen:
        return Chosen(self._patients, tuple(self._shortfalls), self._server_time)

    def _take(self, name: str, page: Source) -> None:
        entries = delivered(page)
        if entries is None:
            self._shortfalls.append(f"{name.lower()}-unexpected-content")
        self._patients.add(patient for entry in entries or () for patient in self._concerned(name, entry))

    def _concerned(self, name: str, entry: Delivered) -> Iterator[str]:
        """The patient an entry is about, and those whose assessments rest on it: it may have no subject any more."""
        if _OWN in entry.raw or not entry.local.startswith(f"{name}/"):
            return
        if name == "Patient":
            yield entry.local
            return
        subject = literal(entry.subject)
        if subject is not None and subject.type == "Patient":
            yield subject.local
        if self._ledger is not None:
            yield from (each.patient for each in self._ledger.resting_on(self._server.base, entry.local))


def _asked(codes: Sequence[str], offers: Offers, by: Since) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What to search for changes in."""
    yield from (("Observation", list(coded)) for coded in by_code(codes, offers))
    if by is Since.LAST_UPDATED:
        # "only id and status" may be left of such a one (US Core general guidance), so no code finds it.
        yield "Observation", [("status", "entered-in-error")]
        yield "Patient", []
        if is_offered(offers, "Specimen"):
            yield "Specimen", []
    for name in CONTEXT:
        if is_offered(offers, name):
            yield name, []


def _named(number: int, word: str) -> str:
    id_ = word.removeprefix("Patient/")
    if not IS_ID.fullmatch(id_):
        raise SettingsInvalid(f"patient {number} of those named: expected an id of letters, digits, hyphens and points")
    return f"Patient/{id_}"
