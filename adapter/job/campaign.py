"""A run from choosing its patients to moving the watermark behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from itertools import chain, islice

import msgspec

from adapter.errors import SettingsInvalid
from adapter.job.choosing import Chosen, Since, changed, everyone, members, moment_of, with_overlap
from adapter.job.doing import Job
from adapter.job.endings import Done
from adapter.job.roll import Roll
from adapter.job.running import Tally, run
from adapter.ledger.entries import State
from adapter.ledger.ledger import Ledger

LAST = "last"
# Runs over all patients and runs over changes move one watermark: who has seen all has seen every change.
_SCOPE = "changes"
_AT_ONCE = 1000


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the operator wants assessed: one of these ways.

    Attributes:
        patients: Named ones, as ``named`` gave them.
        group: The id of a Group.
        everyone: All patients of the server.
        since: ``last``, or a moment: those of whom something changed since then.
        by: What counts as a change.
        overlap_seconds: How far to look back before the last watermark.
        limit: The most patients, for a trial; 0 is all of them.
    """

    patients: tuple[str, ...] = ()
    group: str = ""
    everyone: bool = False
    since: str = ""
    by: Since = Since.LAST_UPDATED
    overlap_seconds: float = 300
    limit: int = 0

    @property
    def has_watermark(self) -> bool:
        """Whether the run sees everything since the last watermark, so that the next one can go on from its end.

        A run since a moment of the operator's choice does not: what changed before that moment nobody looked at.
        """
        return self.everyone or self.since == LAST


class Campaign(msgspec.Struct, frozen=True):
    """A run that is about to begin.

    Attributes:
        chosen: Whom it is about, and what could not be listed.
        patients: In the order in which they are done.
        run: Its number in the ledger; 0 where it moves no watermark.
    """

    chosen: Chosen
    patients: Collection[str]
    run: int = 0


def plan(job: Job, selection: Selection, *, dry_run: bool) -> Campaign:
    """Choose the patients, and note them in the ledger before the first is done.

    Raises:
        ServerError: They cannot be listed.
        SettingsInvalid: Nobody was named, or in several ways at once.
    """
    chosen = choose(job, selection)
    if 0 < selection.limit < len(chosen.patients):
        # A trial: who is left out here was looked at by nobody, so the watermark must not pass by.
        return Campaign(chosen, tuple(islice(chosen.patients, selection.limit)))
    if not selection.has_watermark or dry_run:
        return Campaign(chosen, chosen.patients)
    again = (*job.ledger.unfinished(job.server.base), *_quarantined(job))
    until = "" if chosen.shortfalls else chosen.server_time
    found = chain(chosen.patients, again)
    number = job.ledger.begin_run(job.server.base, _SCOPE, until=until, patients=found)
    # Those of this run, and those that earlier ones left undone.
    return Campaign(chosen, Roll(_pending(job.ledger, number)), number)


def choose(job: Job, selection: Selection) -> Chosen:
    """The patients that are meant."""
    ways = (bool(selection.patients), bool(selection.group), selection.everyone, bool(selection.since))
    if sum(ways) != 1:
        raise SettingsInvalid("name the patients in one way: --patient or --patients, --group, --all, or --since")
    if selection.patients:
        return Chosen(selection.patients)
    if selection.group:
        return members(job.server, selection.group)
    if selection.since and (since := _since(job, selection)):
        return changed(job.server, job.ledger, job.codes, since, selection.by, most=selection.limit)
    return everyone(job.server, most=selection.limit)


def carry_out(
    job: Job, campaign: Campaign, *, workers: int, tell: Callable[[Done], None], stop: threading.Event
) -> Tally:
    """Do every patient, and move the watermark if all of them came to an end that is recorded."""
    number, ledger = campaign.run, job.ledger

    def told(done: Done) -> None:
        if number and done.is_recorded:
            ledger.settle(number, done.patient)
        tell(done)

    tally = run(job.assess_and_write, campaign.patients, workers=workers, tell=told, stop=stop)
    tally.shortfalls, tally.not_offered = campaign.chosen.shortfalls, job.not_offered
    tally.moved_watermark = bool(number) and ledger.finish_run(number)
    return tally


def _since(job: Job, selection: Selection) -> datetime | None:
    """From when on to look; ``None`` where there was no run before, so that all patients are new."""
    if selection.since != LAST:
        return moment_of(selection.since)
    watermark = job.ledger.watermark(job.server.base, _SCOPE)
    return with_overlap(watermark, selection.overlap_seconds) if watermark else None


def _pending(ledger: Ledger, run: int) -> Iterator[str]:
    """The patients of a run that are still to do, some at a time."""
    last = ""
    while some := ledger.pending(run, after=last, limit=_AT_ONCE):
        yield from some
        last = some[-1]


def _quarantined(job: Job) -> list[str]:
    """Those of whom not everything came, or came fit for use: perhaps it does now."""
    entries = job.ledger.entries(states=(State.QUARANTINED,), server=job.server.base)
    return [entry.patient for entry in entries if entry.key == entry.patient]
