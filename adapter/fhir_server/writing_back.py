"""One patient's resources written to a server: each once, however often and from wherever it is tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from adapter.errors import ServerError
from adapter.fhir.decoding import encode
from adapter.fhir.standing import Standing, object_in, standing_at, standing_from
from adapter.fhir.transaction import answered, as_transaction, condition, relinked
from adapter.fhir_server.capabilities import Capabilities
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import Response
from adapter.fhir_server.writing_back_looking import Looking
from adapter.fhir_server.writing_back_ways import (
    TRANSACTION,
    Habits,
    Manner,
    Next,
    after,
    looks_itself,
    manners,
    transaction_manner,
)
from adapter.problems import Problem, ProblemCode, Severity

Resource = Mapping[str, Any]
# Each names only what stands before it.
_ORDER = ("Device", "RiskAssessment", "Provenance")
# The content is ours already; all that is wanted back is its place.
_MINIMAL = {"Prefer": "return=minimal"}


class Receipt(msgspec.Struct, frozen=True):
    """What stands on the server after writing.

    Attributes:
        written: Each resource where it stands, with its version, in the order in which they were given.
        created: Whether the RiskAssessment was made just now; False where it stood there before.
        way: ``transaction``, ``put``, ``conditional`` or ``search-then-create``; empty where nothing had to be sent.
        problems: What went otherwise than planned.
    """

    written: tuple[str, ...]
    created: bool
    way: str
    problems: tuple[Problem, ...] = ()


def write_back(
    server: FhirServer,
    resources: Sequence[Resource],
    *,
    done: Sequence[str] = (),
    step: Callable[[tuple[str, ...]], None] = lambda written: None,
    habits: Habits | None = None,
) -> Receipt:
    """Write the resources of one patient, all at once where the server takes that; what stands there is left alone.

    Args:
        server: Where to.
        resources: RiskAssessment, Device and Provenance, one of each type.
        done: What an earlier try reported by ``step``; it is not sent again.
        step: Told what is safely on the server, as soon as there is more.
        habits: What this server turned out to do before; give the same to every call of a run.

    Raises:
        ServerError: The server refused, or could not be asked. ``unknown-state``: it may or may not have been written;
            trying again looks first, so it is safe.
    """
    if not resources:
        return Receipt((), created=False, way="")
    writing = _Writing(server, resources, habits if habits is not None else Habits(), step)
    writing.resume(done)
    writing.all_at_once()
    writing.one_by_one()
    return writing.receipt()


class _Writing:
    """One patient's resources on their way."""

    def __init__(
        self, server: FhirServer, resources: Sequence[Resource], habits: Habits, step: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._server, self._resources, self._habits, self._step = server, resources, habits, step
        self._ordered = sorted(resources, key=lambda resource: _ORDER.index(resource["resourceType"]))
        self._capabilities = _capabilities(server, habits)
        self._standing: dict[str, Standing] = {}
        self._problems: list[Problem] = []
        self._looking = Looking(server, self._habits, self._problems.append)
        self._created = False
        self._way = ""
        self._transactions_refused = False

    def resume(self, done: Sequence[str]) -> None:
        """Take up what an earlier try has written."""
        for reference in done:
            self._standing[reference.partition("/")[0]] = standing_from(reference)

    def receipt(self) -> Receipt:
        """What stands on the server now."""
        written = tuple(self._standing[resource["resourceType"]].reference for resource in self._resources)
        return Receipt(written, self._created, self._way, tuple(self._problems))

    def all_at_once(self) -> None:
        """Send a transaction, if nothing stands there yet and the server takes one."""
        if self._standing:
            return
        assessment = next(each for each in self._resources if each["resourceType"] == "RiskAssessment")
        tried: set[Manner] = set()
        has_looked = False
        while manner := transaction_manner(self._habits, self._capabilities, "RiskAssessment", tried=tried):
            if not has_looked and not looks_itself(self._capabilities.of("RiskAssessment"), manner):
                # What stands there may have been changed by a person, and a PUT would undo that.
                if self._settle_found(assessment):
                    return
                has_looked = True
                continue
            tried.add(manner)
            try:
                self._transact(manner)
            except ServerError as error:
                if self._refused(error, "Bundle", f"a transaction ({manner})") is Next.LOOK:
                    return
                self._transactions_refused = True
            else:
                self._transactions_refused = False
                return

    def one_by_one(self) -> None:
        """Send what does not stand there yet, each after what it names."""
        for resource in self._ordered:
            if resource["resourceType"] not in self._standing:
                with self._turn(resource):
                    if not self._settle_found(resource):
                        self._write(resource)
        if self._transactions_refused and self._created:
            self._habits.refuses_transactions = True

    def _turn(self, resource: Resource) -> AbstractContextManager[object]:
        """One after the other where all patients share a resource and a server may take it twice."""
        is_shared = resource["resourceType"] == "Device" and resource["id"] not in self._habits.devices
        return self._habits.device_turn if is_shared else nullcontext()

    def _transact(self, manner: Manner) -> None:
        """One transaction; what it leaves unclear is left to be looked for."""
        entries = [each for each in self._ordered if not self._is_known(each, manner)]
        transaction = as_transaction(entries, by_own_id=manner is Manner.PUT, elsewhere=self._places())
        # A server may ignore conditions without a word; after a lost answer it is then better to look than to repeat.
        is_sure = manner is Manner.PUT or looks_itself(self._capabilities.of("RiskAssessment"), manner)
        answer = self._server.send("POST", "", encode(transaction), _MINIMAL, is_repeatable=is_sure)
        places = answered(answer.body, transaction)
        if places is None:
            self._problem(ProblemCode.ANSWER_UNCLEAR, "Bundle", "the entries of the answer do not fit those sent")
            return
        self._habits.transaction, self._way = manner, TRANSACTION
        for resource, (place, created) in zip(entries, places, strict=True):
            self._settle(resource, place, is_new=created or manner is Manner.PUT)
        self._tell()
        for resource, (_, created) in zip(entries, places, strict=True):
            if created and manner is not Manner.PUT and resource["resourceType"] != "Provenance":
                self._check_once(resource)

    def _write(self, resource: Resource) -> None:
        """Create one resource in the first manner that the server takes."""
        kind = resource["resourceType"]
        refusal = ServerError("there is no way to write it once and not twice", code="no-safe-way")
        possible = manners(
            self._capabilities.of(kind),
            worked=self._habits.manners.get(kind),
            is_searchable=kind not in self._habits.unsearchable,
        )
        for manner in possible:
            try:
                answer = self._create(resource, manner)
            except ServerError as error:
                refusal = error
                if self._refused(error, kind, manner) is Next.ANOTHER_WAY:
                    continue
                if self._settle_found(resource):
                    return
                raise _unknown_state() if error.status == 0 else error from error
            self._habits.manners[kind] = manner
            self._accept(resource, manner, answer)
            return
        raise refusal

    def _create(self, resource: Resource, manner: Manner) -> Response:
        kind, content = resource["resourceType"], relinked(resource, self._places())
        if manner is Manner.PUT:
            return self._server.send("PUT", f"{kind}/{resource['id']}", encode(content), _MINIMAL)
        # "If an id is provided, the server SHALL ignore it" (hl7.org/fhir/R4/http.html#create); Medplum refuses it.
        del content["id"]
        headers = {"If-None-Exist": condition(resource)} if manner is Manner.CONDITIONAL else {}
        return self._server.send("POST", kind, encode(content), {**_MINIMAL, **headers})

    def _accept(self, resource: Resource, manner: Manner, answer: Response) -> None:
        """Settle what a success means: where it stands, and that it stands there once."""
        kind, is_put = resource["resourceType"], manner is Manner.PUT
        own_place = f"{kind}/{resource['id']}" if is_put else ""
        place = standing_at(
            answer.headers.get("location", own_place),
            etag=answer.headers.get("etag", ""),
            body=object_in(answer.body),
            resource_type=kind,
        )
        is_new = is_put or answer.status == 201
        self._way = manner if kind == "RiskAssessment" else self._way or manner
        if place is None:
            self._problem(ProblemCode.ANSWER_UNCLEAR, kind, "the answer names no place")
            if not self._settle_found(resource, is_new=is_new):
                raise _unknown_state()
            return
        self._settle(resource, place, is_new=is_new)
        self._tell()
        if is_new and not is_put:
            self._check_once(resource)

    def _settle_found(self, resource: Resource, *, is_new: bool = False) -> bool:
        """Leave alone what stands there already, and say so if there are several."""
        known = self._habits.devices.get(resource["id"])
        found = (known,) if known else self._looking.places(resource)
        if not found:
            return False
        self._settle(resource, found[0], is_new=is_new)
        if not known:
            self._tell()
        self._tell_duplicates(resource, found)
        return True

    def _settle(self, resource: Resource, place: Standing, *, is_new: bool) -> None:
        kind = resource["resourceType"]
        self._standing[kind] = place
        if kind == "Device":
            self._habits.devices[resource["id"]] = place
        if kind == "RiskAssessment":
            self._created = is_new
            if place.is_retracted:
                what = "the same assessment stands there as entered in error"
                self._problem(ProblemCode.EDITED_SINCE, kind, what, "it was left alone", place)

    def _tell(self) -> None:
        """Say what is on the server, so that whoever goes on after a crash need not ask for it."""
        self._step(tuple(standing.reference for standing in self._standing.values()))

    def _check_once(self, resource: Resource) -> None:
        """See whether a writer beside us made the same; that is said, and nothing is removed."""
        self._tell_duplicates(resource, self._looking.searched(resource) or ())

    def _tell_duplicates(self, resource: Resource, found: Sequence[Standing]) -> None:
        what = f"{len(found)} resources on the server are this one"
        for place in found if len(found) > 1 else ():
            self._problem(ProblemCode.WRITTEN_TWICE, resource["resourceType"], what, "none was removed", place)

    def _refused(self, error: ServerError, where: str, what: str) -> Next:
        """What follows from a refusal, told as a problem.

        Raises:
            ServerError: Nothing but to stop.
        """
        # It may have refused a reference to a Device that is gone.
        self._habits.devices.clear()
        following = after(error)
        if following is Next.STOP:
            raise error
        answered = f"HTTP {error.status}" if error.status else error.code
        self._problem(ProblemCode.WAY_CHANGED, where, f"{answered} to {what}", f"next: {following}")
        return following

    def _problem(
        self,
        code: ProblemCode,
        where: str,
        what: str,
        then: str = "it was looked for on the server",
        place: Standing | None = None,
    ) -> None:
        resource = place.place if place else ""
        self._problems.append(Problem(code, where, what, then, resource, Severity.WARNING, used=True))

    def _is_known(self, resource: Resource, manner: Manner) -> bool:
        """Whether it stands there already; a Device does after the first patient, and is not put over another's."""
        kind = resource["resourceType"]
        if kind == "Device" and (manner is Manner.PUT or resource["id"] in self._habits.devices):
            return kind in self._standing or self._settle_found(resource)
        return False

    def _places(self) -> dict[str, str]:
        """Where those of our resources stand that others name by our own ids."""
        return {
            f"{resource['resourceType']}/{resource['id']}": self._standing[resource["resourceType"]].place
            for resource in self._resources
            if resource["resourceType"] in self._standing
        }


def _capabilities(server: FhirServer, habits: Habits) -> Capabilities:
    """What the server says of itself; nothing where it says nothing, as the Medplum engine by itself does."""
    if habits.capabilities is None:
        try:
            habits.capabilities = server.capabilities()
        except ServerError as error:
            if error.may_retry:
                raise
            habits.capabilities = Capabilities()
    return habits.capabilities


def _unknown_state() -> ServerError:
    what = "it is not known whether the server has it: no answer said so, and it cannot be found"
    return ServerError(what, code="unknown-state", may_retry=True)
