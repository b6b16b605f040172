"""Decide what follows from the events that came: whom to look at, what to search for, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from adapter.fhir.notifications import Kind
from adapter.inbox.events import Arrival
from adapter.inbox.numbering import Verdict, counted, numbered
from adapter.inbox.pacing import Pace
from adapter.inbox.worklist import Watched, Wish
from adapter.job.asking import CONTEXT

# A search for what changed, whatever it was; and the questions for events of one Subscription that never came.
CHANGES = "changes"
MISSING = "missing:"
# What an assessment can rest on, and what leads to it. A RiskAssessment may be another system's, with its own score.
_LEADING = frozenset({"Observation", "DiagnosticReport", "Specimen", *CONTEXT})


class Intake(msgspec.Struct):
    """What follows from events.

    Attributes:
        wishes: What to do.
        watched: The Subscriptions as they stand now, by reference.
        tally: How many events were of which kind or verdict.
    """

    wishes: list[Wish]
    watched: dict[str, Watched]
    tally: Counter[str]


class Moment(msgspec.Struct, frozen=True):
    """When this happens, and when changes were searched for last."""

    now: float
    searched_at: float = 0


def taken_in(events: Iterable[Arrival], watched: Mapping[str, Watched], pace: Pace, moment: Moment) -> Intake:
    """What follows from events, in the order they came."""
    intake = Intake([], {}, Counter())
    for event in events:
        before = intake.watched.get(event.subscription) or watched.get(event.subscription)
        after = _heard(before or Watched(reference=event.subscription), event, moment.now)
        after, verdict = _numbered(after, event, moment.now)
        intake.watched[event.subscription] = after
        intake.tally[event.kind] += 1
        intake.tally[verdict] += 1
        if verdict is not Verdict.DUPLICATE:
            intake.wishes += _wishes(event, verdict, pace, moment)
    return intake


def search(pace: Pace, moment: Moment) -> Wish:
    """The wish to search for changes: soon, but not more often than allowed, however many ask for it."""
    due = max(moment.now + pace.window, moment.searched_at + pace.search_interval)
    return Wish(reference=CHANGES, first=moment.now, due=due)


def patient(reference: str, pace: Pace, *, first: float, now: float) -> Wish:
    """The wish to assess a patient once no more news comes for a while."""
    return Wish(reference=reference, first=first, due=pace.due(first, now), delay=pace.longest_window)


def _heard(watched: Watched, event: Arrival, now: float) -> Watched:
    is_event = event.kind not in (Kind.HANDSHAKE, Kind.HEARTBEAT, Kind.QUERY_STATUS)
    return msgspec.structs.replace(
        watched,
        status=event.status or watched.status,
        heard_at=now,
        event_at=now if is_event else watched.event_at,
    )


def _numbered(watched: Watched, event: Arrival, now: float) -> tuple[Watched, Verdict]:
    """Take the event's number, or the number of events that a sign of life tells."""
    if event.number:
        is_replay = event.kind is Kind.QUERY_EVENT
        numbers, verdict = numbered(watched.numbers, event.number, now=now, is_replay=is_replay)
    elif event.kind in (Kind.HANDSHAKE, Kind.HEARTBEAT, Kind.QUERY_STATUS):
        numbers, verdict = counted(watched.numbers, event.count, now=now)
    else:
        return watched, Verdict.NEXT
    began = numbers.missing is not None and watched.numbers.missing is None
    return msgspec.structs.replace(
        watched,
        numbers=numbers,
        gaps=watched.gaps + began,
        resets=watched.resets + (verdict is Verdict.RESET),
        duplicates=watched.duplicates + (verdict is Verdict.DUPLICATE),
    ), verdict


def _wishes(event: Arrival, verdict: Verdict, pace: Pace, moment: Moment) -> Iterable[Wish]:
    now = moment.now
    if verdict is Verdict.AHEAD:
        yield Wish(reference=f"{MISSING}{event.subscription}", first=now, due=now + pace.gap)
    says_what = bool(event.focus)
    is_event = event.kind in (Kind.PING, Kind.EVENT, Kind.QUERY_EVENT)
    if verdict in (Verdict.RESET, Verdict.ABSURD) or (is_event and not says_what):
        yield search(pace, moment)
    kind = event.focus.partition("/")[0]
    if kind == "Patient":
        yield patient(event.focus, pace, first=now, now=now)
    elif kind in _LEADING:
        yield Wish(reference=event.focus, first=now, due=now, hint=event.hint)
