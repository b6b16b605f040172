"""What the worker asks of the configured server: nothing of what a notification says is believed instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from adapter.errors import ServerError
from adapter.fhir.addresses import literal
from adapter.fhir.notifications import Notification, is_below, read_answer
from adapter.fhir.standing import object_in
from adapter.fhir.subscriptions import purpose
from adapter.fhir_server.client import FhirServer
from adapter.inbox.events import local
from adapter.job.choosing import Chosen, Since, changed
from adapter.ledger.ledger import Ledger
from adapter.recognition.predictions import OWN_METHOD

# Where the patient stands in a resource (hl7.org/fhir/R4/compartmentdefinition-patient.html).
_SUBJECTS = ("subject", "patient")
# "$", ",", "|" and "\\" stand behind a backslash (hl7.org/fhir/R4/search.html#escaping).
_PROTECTED, _SEPARATOR = re.compile(r"\\(.)"), re.compile(r"(?<!\\)\|")
_OWN = f'"{OWN_METHOD}"'.encode()


class Surroundings(Protocol):
    """Everything outside that the worker needs besides the assessment."""

    def patients_of(self, reference: str, hint: str) -> Sequence[str]:
        """The patients whom a change of a resource concerns; none where it is our own, or nobody's.

        Raises:
            ServerError: The server could not be asked.
        """
        ...

    def changed(self, since: datetime) -> Chosen:
        """The patients of whom something changed since a moment.

        Raises:
            ServerError: The server could not be asked.
        """
        ...

    def events(self, subscription: str, first: int, last: int) -> Notification | None:
        """Past events of a Subscription; ``None`` where the server does not keep them.

        Raises:
            ServerError: The server could not be asked.
        """
        ...


class ServerSurroundings:
    """The configured server, and our own record of what was written there; see ``Surroundings``."""

    def __init__(self, server: FhirServer, ledger: Ledger, codes: Sequence[str]) -> None:
        """Take the server, the record, and the codes that mean something to us."""
        self._server, self._ledger, self._codes = server, ledger, codes
        self._known = frozenset(_code_in(each).casefold() for each in codes)

    def patients_of(self, reference: str, hint: str) -> Sequence[str]:
        """Whose the resource is, and whose assessments rest on it: it may have no subject any more, or be gone."""
        answer = self._server.read(reference)
        if answer is not None and _OWN in answer.body:
            return ()
        found = [self._concerned(object_in(answer.body)) if answer is not None else hint]
        found += [entry.patient for entry in self._ledger.resting_on(self._server.base, reference)]
        return tuple(dict.fromkeys(filter(None, found)))

    def _concerned(self, resource: Mapping[str, Any]) -> str:
        """Whose the resource is; nobody's if it is a result that no search of ours would find, by any of its codes.

        Only the code is compared, so that a result whose system is missing or misspelt is looked at, and told of.
        """
        is_result = resource.get("resourceType") == "Observation"
        codes = {each.casefold() for each in _codes(resource)} if is_result and self._known else set[str]()
        return _subject(resource, self._server.base) if not codes or self._known & codes else ""

    def changed(self, since: datetime) -> Chosen:
        """The patients of whom something changed since a moment; what was deleted is in no search."""
        return changed(self._server, self._ledger, self._codes, since, Since.LAST_UPDATED)

    def events(self, subscription: str, first: int, last: int) -> Notification | None:
        """Past events by ``$events``, which servers may offer."""
        path = f"{subscription}/$events?eventsSinceNumber={first}&eventsUntilNumber={last}"
        try:
            answer = self._server.send("GET", path)
        except ServerError as error:
            if error.may_retry:
                raise
            return None
        found = read_answer(answer.body)
        return found if isinstance(found, Notification) and self._is_about(found, subscription) else None

    def _is_about(self, found: Notification, subscription: str) -> bool:
        references = [found.subscription, *(each.focus for each in found.events if each.focus)]
        return local(found.subscription) == subscription and all(
            is_below(each, self._server.base) for each in references
        )


def leads_to_us(server: FhirServer, subscription: str, endpoint_path: str) -> bool:
    """Whether the server itself knows this Subscription, and that it sends to our endpoint.

    Raises:
        ServerError: The server could not be asked.
    """
    answer = server.read(subscription)
    if answer is None:
        return False
    endpoint = purpose(object_in(answer.body))[0]
    # Behind a proxy only the end of the path is the same.
    return urlsplit(endpoint).path.rstrip("/").endswith(endpoint_path)


def _subject(resource: Mapping[str, Any], base: str) -> str:
    """``Patient/1`` on this server; empty where the resource is nobody's here."""
    for name in _SUBJECTS:
        subject = resource.get(name)
        reference = subject.get("reference") if isinstance(subject, dict) else None
        found = literal(reference) if isinstance(reference, str) and is_below(reference, base) else None
        if found is not None and found.type == "Patient":
            return found.local
    return ""


def _codes(observation: Mapping[str, Any]) -> Iterator[str]:
    """Every code that says what was measured, in the result itself or in a part of it."""
    for measured in (observation, *_objects(observation.get("component"))):
        for concept in _objects([measured.get("code")]):
            for coding in _objects(concept.get("coding")):
                if isinstance(coding.get("code"), str):
                    yield coding["code"]


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _code_in(token: str) -> str:
    """The code of ``system|code`` as it is searched for, without what protects its special characters."""
    return _PROTECTED.sub(r"\1", _SEPARATOR.split(token, maxsplit=1)[-1])


class Assessed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one patient, as far as the worklist is concerned.

    Attributes:
        ending: In one word, for the operator's figures.
        is_done: Nothing is left to do.
        may_retry: Another try may end better.
        is_held: Another process is at it; that is nobody's failure.
        reason: Why it is not done, as a code.
    """

    ending: str
    is_done: bool = True
    may_retry: bool = False
    is_held: bool = False
    reason: str = ""


class Assessor(Protocol):
    """Assesses one patient, and writes what is new."""

    def __call__(self, patient: str) -> Assessed:
        """Do ``Patient/1``.

        Raises:
            AdapterError: It could not even be tried.
        """
        ...
