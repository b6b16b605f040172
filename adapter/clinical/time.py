"""Times as precise as they were given: a month stays a month and is not ordered against a day inside it."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import msgspec

# The regex of hl7.org/fhir/R4/datatypes.html#dateTime, seconds and zone optional: a missing zone can then be named.
_DATE_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>0[1-9]|1[0-2])(-(?P<day>0[1-9]|[12]\d|3[01])"
    r"(T(?P<clock>([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d+)?)?)(?P<zone>Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))?)?)?)?",
    re.ASCII,
)
# Nearly every time of a laboratory looks so; Python reads it as it stands.
_USUAL_INSTANT = re.compile(
    r"(?!0000)\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{3})?(Z|[+-](0\d|1[0-3]):[0-5]\d)", re.ASCII
)
_LAST_SECOND = timedelta(days=1) - timedelta(seconds=1)


class Precision(StrEnum):
    """How much of a time was given."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    INSTANT = "instant"
    PERIOD = "period"


class ClinicalTime(msgspec.Struct, frozen=True, gc=False):
    """A time as given, and the earliest and latest instant it may mean (both in UTC).

    Dates carry no zone in FHIR; they are laid on the UTC day, so compare them at the precision of days.
    ``zone_missing`` marks a clock time that came without its zone: only its date is used.
    """

    text: str
    precision: Precision
    earliest: datetime
    latest: datetime
    zone_missing: bool = False

    @property
    def day(self) -> date:
        """The calendar day the sender wrote; the first one for a month or a year."""
        if self.precision in (Precision.DAY, Precision.INSTANT):
            return date.fromisoformat(self.text[:10])
        return self.earliest.date()

    def is_after(self, moment: datetime) -> bool | None:
        """Whether all of this time lies after the moment; ``None`` if the precision leaves that open."""
        if self.earliest > moment:
            return True
        return False if self.latest <= moment else None

    def is_before(self, other: ClinicalTime) -> bool | None:
        """Whether this time lies before the other; ``None`` if the precision leaves that open."""
        if self.latest < other.earliest:
            return True
        return False if self.earliest >= other.latest else None


@lru_cache(maxsize=1024)
def clinical_time(text: str) -> ClinicalTime | None:
    """Read a FHIR date, dateTime or instant; ``None`` if it is none (``2026-02-30``, ``24:00``, year 0000).

    The times of one panel are the same text many times over, hence the cache.
    """
    if _USUAL_INSTANT.fullmatch(text):
        return _usual_instant(text)
    match = _DATE_TIME.fullmatch(text)
    if match is None or match["year"] == "0000":
        return None
    year, month, day = int(match["year"]), match["month"], match["day"]
    if month is None:
        return _span(text, Precision.YEAR, date(year, 1, 1), date(year, 12, 31))
    if day is None:
        last = monthrange(year, int(month))[1]
        return _span(text, Precision.MONTH, date(year, int(month), 1), date(year, int(month), last))
    if int(day) > monthrange(year, int(month))[1]:
        return None
    if match["clock"] is not None and match["zone"] is not None:
        return _instant(text, match["clock"], match["zone"])
    whole = date(year, int(month), int(day))
    return _span(text, Precision.DAY, whole, whole, zone_missing=match["clock"] is not None)


def period(start: ClinicalTime | None, end: ClinicalTime | None) -> ClinicalTime | None:
    """A Period as one time; an open end reaches as far as times go. ``None`` if both ends are absent or reversed."""
    if start is None and end is None:
        return None
    earliest = start.earliest if start else datetime.min.replace(tzinfo=UTC)
    latest = end.latest if end else datetime.max.replace(tzinfo=UTC)
    if earliest > latest:
        return None
    text = f"{start.text if start else ''}/{end.text if end else ''}"
    return ClinicalTime(text, Precision.PERIOD, earliest, latest)


def _span(text: str, precision: Precision, first: date, last: date, *, zone_missing: bool = False) -> ClinicalTime:
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + _LAST_SECOND
    return ClinicalTime(text, precision, start, end, zone_missing)


def _usual_instant(text: str) -> ClinicalTime | None:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return ClinicalTime(text, Precision.INSTANT, moment, moment)


def _instant(text: str, clock: str, zone: str) -> ClinicalTime | None:
    # A leap second has no place in Python's clock; the second before it is at most one second wrong.
    clock = clock.replace(":60", ":59", 1) if clock[5:].startswith(":60") else clock
    try:
        moment = datetime.fromisoformat(f"{text[:10]}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return ClinicalTime(text, Precision.INSTANT, moment, moment)


def months_before(moment: datetime, months: int) -> datetime:
    """The same day so many months earlier, or the last day of a shorter month."""
    years, month = divmod(moment.month - 1 - months, 12)
    year, month = moment.year + years, month + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))
