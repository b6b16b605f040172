"""How long ago something was, to the day, and open where a coarse date leaves it open."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapter.clinical.time import ClinicalTime, Precision, months_before
from adapter.engines.answers import Answer

_PRECISE = {Precision.DAY, Precision.INSTANT}


def lies_within(time: ClinicalTime | None, months: int, moment: datetime) -> Answer:
    """Whether a time lies at most so many months before the moment (or after it); open if not given or too coarse."""
    if time is None:
        return None
    first_day = months_before(moment, months).date()
    if time.earliest.date() >= first_day:
        return True
    return False if time.latest.date() < first_day else None


def lasts_for(since: ClinicalTime | None, months: int, moment: datetime) -> Answer:
    """Whether what began then has lasted at least so many months at the moment; open if the start is."""
    if since is None:
        return None
    last_day = months_before(moment, months).date()
    if since.latest.date() <= last_day:
        return True
    return False if since.earliest.date() > last_day else None


def days_apart(one: ClinicalTime, other: ClinicalTime) -> int:
    """How many whole days lie between two times at the least."""
    earlier, later = sorted((one, other), key=lambda time: time.latest)
    return max(0, (later.earliest.date() - earlier.latest.date()).days)


def are_of_one_sample(one: ClinicalTime | None, other: ClinicalTime | None, hours: int = 24) -> bool:
    """Whether two results are of one day as written, or so few hours apart; coarser times cannot say so."""
    if one is None or other is None or not {one.precision, other.precision} <= _PRECISE:
        return False
    latest, earliest = max(one.latest, other.latest), min(one.earliest, other.earliest)
    return one.day == other.day or (latest - earliest) <= timedelta(hours=hours)


def is_of_an_earlier_sample(one: ClinicalTime | None, other: ClinicalTime | None) -> bool:
    """Whether one result is certainly older than the other, and not of the same sample."""
    return bool(one and other and one.is_before(other)) and not are_of_one_sample(one, other)
