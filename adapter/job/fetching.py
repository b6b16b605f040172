"""Fetch what the assessment of one patient needs, in few requests, and know whether all of it came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from adapter.errors import ServerError
from adapter.fhir.addresses import literal
from adapter.fhir.reading import Source
from adapter.fhir_server.capabilities import Capabilities
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.searching import Found
from adapter.job.answers import Delivered, as_page, bases, delivered, single, undelivered
from adapter.job.asking import Offers, Question, is_offered, not_asked, questions, said_by
from adapter.job.batching import at_once, path_of, whole_answer
from adapter.job.reverse_including import answered, with_context
from adapter.problems import Problem, ProblemCode, Severity

# Panels within panels: so many steps are followed; of whom more would be needed, not everything is known.
_DEPTH = 3
# An ``_id`` of 64 characters each keeps the address below 2 000 characters.
_IDS_AT_ONCE = 25


class Fetched(msgspec.Struct, frozen=True):
    """What a server said about one patient.

    Attributes:
        sources: The answers as they came, without what belongs to somebody else.
        shortfalls: Why this is not all there is, as words: ``condition-http-403``, ``observation-search-incomplete``.
        found: Whether the server knows the patient.
        held: The raw bytes of every resource that came and is the patient's, by ``Type/id``.
        foreign: How many entries were left out since they are somebody else's.
        problems: What was odd about the searches.
    """

    sources: tuple[Source, ...] = ()
    shortfalls: tuple[str, ...] = ()
    found: bool = True
    held: Mapping[str, bytes] = {}
    foreign: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for came."""
        return not self.shortfalls


class Fetcher:
    """Fetches patients of one server; safe for threads."""

    def __init__(self, server: FhirServer, codes: Sequence[str]) -> None:
        """Take where from, and what ``known_codes`` gave."""
        self._server, self._codes = server, codes
        self._said: Capabilities | None = None
        self._refuses_batches = self._refuses_reverse_includes = False

    @property
    def capabilities(self) -> Capabilities:
        """What the server says of itself; asked once, also where the answer is that it says nothing."""
        if self._said is None:
            self._said = said_by(self._server)
        return self._said

    @property
    def not_offered(self) -> tuple[str, ...]:
        """The types of context that the server does not offer, as far as it was asked: nothing they say is known."""
        return tuple(not_asked(self._said.types)) if self._said else ()

    def fetch(self, patient: str) -> Fetched:
        """What the assessment of a patient needs.

        Args:
            patient: ``Patient/1``.

        Raises:
            ServerError: The server cannot be reached, or refuses us altogether.
        """
        offers = self.capabilities.types
        asked = questions(patient, self._codes, offers)
        inquiry = _Inquiry(self._server, patient)
        left = self._at_once(inquiry, patient, asked) if self.capabilities.batch else asked
        if not inquiry.is_begun:
            left = self._with_context(inquiry, patient, left)
        if not inquiry.is_begun:
            person = self._server.read(patient)
            if person is None:
                return Fetched(found=False)
            inquiry.begin(person.body)
        for question in left:
            inquiry.ask(question)
        inquiry.follow(offers)
        inquiry.identify()
        return inquiry.answer()

    def _at_once(self, inquiry: _Inquiry, patient: str, asked: list[Question]) -> list[Question]:
        """Ask everything in one request; gives back what has to be asked alone all the same."""
        if self._refuses_batches:
            return asked
        paths = [patient, *(path_of(each, page_size=self._server.limits.page_size) for each in asked)]
        parts = at_once(self._server, paths)
        if parts is None:
            self._refuses_batches = True
            return asked
        person, *answers = parts
        if person.status != 200:
            return asked
        inquiry.begin(person.body)
        pages = [whole_answer(question, part) for question, part in zip(asked, answers, strict=True)]
        inquiry.take([page for page in pages if page is not None])
        return [question for question, page in zip(asked, pages, strict=True) if page is None]

    def _with_context(self, inquiry: _Inquiry, patient: str, asked: list[Question]) -> list[Question]:
        """Ask for the patient and what refers to her in one search; gives back what has to be asked alone."""
        question = with_context(patient, self.capabilities.types)
        if question is None or self._refuses_reverse_includes:
            return asked
        try:
            found = self._server.search(question.resource_type, question.parameters)
        except ServerError as error:
            if error.may_retry:
                raise
            self._refuses_reverse_includes = True
            return asked
        types = answered(question, found, patient)
        if types:
            inquiry.take(found.pages)
        return [each for each in asked if each.resource_type not in types]


class _Inquiry:
    """One patient's answers while they come in."""

    def __init__(self, server: FhirServer, patient: str) -> None:
        self._server = server
        self._patient = patient
        self._pages: list[tuple[Source, list[Delivered]]] = []
        self._shortfalls: list[str] = []
        self._problems: list[Problem] = []

    @property
    def is_begun(self) -> bool:
        """Whether the patient has come."""
        return bool(self._pages)

    def begin(self, body: bytes) -> None:
        """Take in the patient; what came in the place of her record says nothing about her."""
        person = single(body)
        if person.local != self._patient:
            self._shortfalls.append(_word("Patient", "unexpected-content"))
        self._pages.append((as_page("Patient", [person]), [person]))

    def ask(self, question: Question) -> None:
        """Search, and note what is missing of the answer."""
        try:
            found = self._server.search(question.resource_type, question.parameters)
            if not found.complete and question != question.alone:
                # What was left out may be of what was included, and that is read by itself.
                found = self._server.search(question.resource_type, question.alone.parameters)
        except ServerError as error:
            if error.may_retry:
                raise
            self._shortfalls.append(_word(question.resource_type, error.code))
            return
        self._take(question.resource_type, found)

    def take(self, pages: Sequence[Source]) -> None:
        """Take in pages of answers."""
        for page in pages:
            entries = delivered(page)
            if entries is None:
                self._shortfalls.append(_word(page.name.partition("?")[0], "unexpected-content"))
            else:
                self._pages.append((page, entries))

    def follow(self, offers: Offers) -> None:
        """Ask for what the answers lead to and do not hold: samples, members of panels, medicines."""
        asked: set[str] = set()
        for depth in range(_DEPTH + 1):
            leads = undelivered(self._entries, self._own)
            missing = [each for each in leads if each not in asked and is_offered(offers, each.partition("/")[0])]
            if not missing:
                return
            if depth == _DEPTH:
                self._shortfalls.append("references-too-deep")
                return
            asked.update(missing)
            for question in _by_id(missing):
                self.ask(question)

    def identify(self) -> None:
        """Ask who else bears an identifier that stands for a subject: it must not fit two patients."""
        names = {name: None for each in self._entries for name in each.identifiers}
        for name in names:
            self.ask(Question("Patient", (("identifier", name),)))

    def answer(self) -> Fetched:
        """Everything that came, without what belongs to somebody else."""
        own = self._own
        everything = bases(self._entries)
        if not everything <= own:
            self._shortfalls.append("several-servers")
        sources: list[Source] = []
        held: dict[str, bytes] = {}
        foreign = 0
        for source, entries in self._pages:
            kept = [each for each in entries if self._belongs(each, own)]
            foreign += len(entries) - len(kept)
            held |= {each.local: each.raw for each in kept}
            untouched = len(kept) == len(entries) and len(everything) < 2
            sources.append(source if untouched else as_page(source.name, kept))
        shortfalls = tuple(dict.fromkeys(self._shortfalls))
        return Fetched(tuple(sources), shortfalls, True, held, foreign, tuple(self._problems))

    @property
    def _entries(self) -> list[Delivered]:
        return [each for _, entries in self._pages for each in entries]

    @property
    def _own(self) -> frozenset[str]:
        """What the server calls itself: our address of it, or another one if every answer agrees on that.

        Behind a proxy a server may give its inner address in every fullUrl.
        """
        addresses = {each.base for each in self._entries} - {""}
        return frozenset({self._server.base} | (addresses if len(addresses) == 1 else set()))

    def _take(self, name: str, found: Found) -> None:
        if not found.complete:
            self._shortfalls.append(_word(name, ProblemCode.SEARCH_INCOMPLETE))
        self._problems += [each for each in found.problems if each.severity is not Severity.ERROR]
        self.take(found.pages)

    def _belongs(self, entry: Delivered, own: frozenset[str]) -> bool:
        """Whether an entry may be the patient's: it says so, or it names nobody, and the pipeline judges it."""
        if entry.base and entry.base not in own:
            return False
        subject = literal(entry.subject)
        if subject is None:
            return True
        return subject.local == self._patient and subject.base in {"", *own}


def _by_id(missing: Sequence[str]) -> Iterator[Question]:
    """Few searches for many resources."""
    for name, links in groupby(sorted(missing), key=lambda each: each.partition("/")[0]):
        ids = [link.partition("/")[2] for link in links]
        for start in range(0, len(ids), _IDS_AT_ONCE):
            yield Question(name, (("_id", ",".join(ids[start : start + _IDS_AT_ONCE])),))


def _word(resource_type: str, code: str) -> str:
    """What was asked for and what went wrong with it, as one word that the ledger keeps."""
    return f"{resource_type.lower()}-{code}"
