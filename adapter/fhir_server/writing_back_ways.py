"""In which way a server is written to, and what its refusals mean; decided here, done in ``writing_back``."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from enum import StrEnum
from threading import Lock

import msgspec

from adapter.errors import ServerError
from adapter.fhir.standing import Standing
from adapter.fhir_server.capabilities import Capabilities, TypeCapabilities

TRANSACTION = "transaction"
# No answer, or one that does not say whether the change was made.
_LOST = frozenset({0, 408, 500, 502, 504})


class Manner(StrEnum):
    """How one resource is created once and not twice."""

    PUT = "put"
    CONDITIONAL = "conditional"
    SEARCH = "search-then-create"


class Next(StrEnum):
    """What to do after a refusal."""

    ANOTHER_WAY = "another way"
    LOOK = "look what stands there, then one by one"
    STOP = "stop"


class Habits(msgspec.Struct):
    """What one server turned out to do; kept for the rest of a run, and shared by all its threads.

    Attributes:
        capabilities: What it says of itself; ``None`` until it was asked.
        transaction: The manner in which transactions worked.
        refuses_transactions: Whether none was taken, where single resources were.
        manners: By resource type, the manner that worked.
        unsearchable: The types that cannot be found by what identifies them.
        devices: Where each Device of ours stands, by our own id: one for all patients.
        device_turn: Held while a Device is looked for and made, so that those who write at the same time make one.
    """

    capabilities: Capabilities | None = None
    transaction: Manner | None = None
    refuses_transactions: bool = False
    manners: dict[str, Manner] = {}
    unsearchable: set[str] = set()
    devices: dict[str, Standing] = {}
    device_turn: AbstractContextManager[object] = msgspec.field(default_factory=Lock)


def manners(said: TypeCapabilities, *, worked: Manner | None, is_searchable: bool) -> tuple[Manner, ...]:
    """The manners to try for one type, the best first; none where no manner would be sure to write only once.

    Our own id comes first, since two writers can then never make two: conditional creates are not free of races (seen
    with HAPI, hapi-fhir #3141, and Azure, microsoft/fhir-server #1382).

    Args:
        said: What the CapabilityStatement says of the type: a hint.
        worked: What worked before on this server.
        is_searchable: Whether the type can be found by what identifies it. Where it cannot, a condition means nothing.
    """
    found: list[Manner] = [Manner.PUT] if said.update_create else []
    if said.conditional_create or (said.conditional_create is None and is_searchable):
        found.append(Manner.CONDITIONAL)
    if said.update_create is None:
        found.append(Manner.PUT)
    if is_searchable:
        found.append(Manner.SEARCH)
    return tuple(sorted(found, key=lambda manner: manner is not worked))


def transaction_manner(
    habits: Habits, capabilities: Capabilities, resource_type: str, *, tried: Collection[Manner]
) -> Manner | None:
    """The manner to try next in a transaction; ``None`` where there is none, as a bare POST could not be repeated."""
    if habits.refuses_transactions or capabilities.transaction is False:
        return None
    is_searchable = resource_type not in habits.unsearchable
    possible = manners(capabilities.of(resource_type), worked=habits.transaction, is_searchable=is_searchable)
    return next((manner for manner in possible if manner is not Manner.SEARCH and manner not in tried), None)


def expected_way(capabilities: Capabilities) -> tuple[str, Manner | None]:
    """Whether a transaction will be tried first, and in which manner, as far as the server says; for people to read."""
    if manner := transaction_manner(Habits(), capabilities, "RiskAssessment", tried=()):
        return TRANSACTION, manner
    return "one by one", next(iter(manners(capabilities.of("RiskAssessment"), worked=None, is_searchable=True)), None)


def looks_itself(said: TypeCapabilities, manner: Manner) -> bool:
    """Whether the server promises to look before it creates in this manner, so that we need not."""
    return manner is Manner.CONDITIONAL and said.conditional_create is True


def after(error: ServerError) -> Next:
    """What to do after a refusal of a change."""
    if error.status in _LOST:
        return Next.LOOK
    if error.may_retry:
        return Next.STOP
    # 404 and 405 at the base: no transactions; at an id of ours: no update-as-create. 400: sekmet says so, as
    # not-supported, of If-None-Exist on types that it does not index.
    if error.status in (400, 404, 405, 501):
        return Next.ANOTHER_WAY
    # 409: another writer was there first; 412: several match; 413: too large in one piece.
    return Next.LOOK if error.status in (409, 412, 413) else Next.STOP
