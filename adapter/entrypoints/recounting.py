"""What ``status`` says about the ledger, as a page for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from adapter.ledger.entries import GIVEN_UP, Count, Entry, Lease, Progress, State
from adapter.ledger.ledger import Ledger


class Account(msgspec.Struct, frozen=True):
    """What the ledger holds.

    Attributes:
        counts: By server, state and reason.
        at_work: The leases that hold.
        progress: How far each server was read.
        entries: Those that were asked for.
        more: How many of those are not listed.
    """

    counts: list[Count]
    at_work: list[Lease]
    progress: list[Progress]
    entries: list[Entry]
    more: int

    @property
    def is_waiting(self) -> bool:
        """Whether something was given up and waits for a person."""
        return any(each.state in GIVEN_UP for each in self.counts)


def account(ledger: Ledger, *, states: Sequence[State], limit: int) -> Account:
    """What the ledger holds, with the entries of these states; 0 sets no limit to them."""
    counts = ledger.reasons()
    entries = ledger.entries(states=states, limit=limit or -1)
    asked = sum(each.number for each in counts if each.state in states)
    return Account(counts, ledger.leases(), ledger.progress(), entries, max(0, asked - len(entries)))


def as_json(account: Account) -> str:
    """The account for programs."""
    return msgspec.json.format(msgspec.json.encode(account), indent=2).decode()


def page(account: Account) -> str:
    """The account for people."""
    sections = [*_servers(account), *_at_work(account.at_work), *_listed(account)]
    return "\n".join(sections) or "nothing is recorded yet"


def line(entry: Entry) -> str:
    """One entry: its key, whose it is, how far it is and why."""
    tries = f"{entry.attempts} {'try' if entry.attempts == 1 else 'tries'}" if entry.attempts else ""
    told = (entry.key, entry.patient, entry.state, entry.reason, tries, entry.updated_at[:19] + "Z")
    return "  ".join(each for each in told if each)


def _servers(account: Account) -> Iterator[str]:
    for server in sorted({*(each.server for each in account.counts), *(each.server for each in account.progress)}):
        yield server
        yield from _states([each for each in account.counts if each.server == server])
        for each in account.progress:
            if each.server == server:
                pending = f", {each.pending} pending" if each.pending else ""
                yield f"  read up to {each.watermark or 'nowhere yet'} ({each.scope}{pending})"


def _states(counts: list[Count]) -> Iterator[str]:
    order = list(State)
    for state, same in groupby(sorted(counts, key=lambda each: order.index(each.state)), key=lambda each: each.state):
        together = list(same)
        why = ", ".join(f"{each.reason} {each.number}" for each in together if each.reason)
        yield f"  {state:13}{sum(each.number for each in together):9}  {why}".rstrip()


def _at_work(held: list[Lease]) -> Iterator[str]:
    # Whoever makes the Device that all patients share holds that too.
    leases = [each for each in held if each.patient.startswith("Patient/")]
    if leases:
        number = f"{len(leases)} {'patient' if len(leases) == 1 else 'patients'}"
        yield f"at work on {number}, held until {leases[-1].until[:19]}Z at the latest"


def _listed(account: Account) -> Iterator[str]:
    for each in account.entries:
        yield line(each)
    if account.more:
        yield f"and {account.more} more; --limit 0 lists all"
