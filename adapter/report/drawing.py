"""Scales and courses as SVG: drawn for the eye alone, since the same stands beside them in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from html import escape
from typing import Any

from adapter.clinical.values import Interval
from adapter.report.courses import Course
from adapter.report.scales import Scale

_LONG, _HIGH, _UNIT = 260, 34, 60
_WIDE, _TALL, _LEFT, _BOTTOM, _TOP = 560, 190, 60, 24, 14
# Where on the picture something of the data lies: a number, or a day.
_Place = Callable[[Any], str]
# How far apart two numbers must stand to be read.
_APART = 30


def scale_drawn(scale: Scale, *, reading: str) -> str:
    """One line: the band where all is well, the limits with their numbers, and the value.

    Args:
        scale: What is drawn.
        reading: ``L``, ``H`` or ``N``; what is outside the limits is drawn so.
    """

    def x(number: Decimal) -> str:
        return _at(6 + scale.share(number) * (_LONG - 12))

    low, high = scale.band
    parts = [
        f'<rect class="track" x="6" y="10" width="{_LONG - 12}" height="8" rx="4"/>',
        f'<rect class="band" x="{x(low)}" y="10" width="{_at(Decimal(x(high)) - Decimal(x(low)))}" height="8"/>',
        *[f'<path class="limit" d="M{x(line)} 7v14"/>' for line in scale.lines],
        *[f'<text x="{x(line)}" y="31">{_short(line)}</text>' for line in _readable(scale.lines, x)],
        f'<text class="unit" x="{_LONG + 2}" y="17">{escape(scale.unit)}</text>',
        _value_drawn(scale, x, reading),
    ]
    return _svg(_LONG + _UNIT, _HIGH, parts, "scale")


def course_drawn(course: Course, *, begun: Sequence[str]) -> str:
    """Values over days, joined by a line; limits as a band; what was begun as an upright line with its words.

    Args:
        course: What is drawn.
        begun: The words for each of ``course.begins``.
    """
    first, last = course.days
    low, high = course.ends

    def x(day: date) -> str:
        share = Decimal((day - first).days) / Decimal((last - first).days)
        return _at(_LEFT + share * (_WIDE - _LEFT - 20))

    def y(number: Decimal) -> str:
        return _at(_TOP + (high - number) / (high - low) * (_TALL - _TOP - _BOTTOM))

    points = [(x(day), y(_shown(each.value))) for day, each in course.results]
    parts = [
        *_limits_drawn(course, y),
        f'<path class="axis" d="M{_LEFT} {_TOP}V{_TALL - _BOTTOM}H{_WIDE - 20}"/>',
        *[
            f'<path class="begun" d="M{x(day)} {_TOP}V{_TALL - _BOTTOM}"/>'
            f'<text class="begun" x="{x(day)}" y="{_TOP - 3}">{escape(words)}</text>'
            for (day, _), words in zip(course.begins, begun, strict=True)
        ],
        f'<polyline class="course" points="{" ".join(f"{left},{top}" for left, top in points)}"/>',
        *[
            f'<circle class="{"value" if each.value.exact is not None else "bound"}" cx="{left}" cy="{top}" r="4"/>'
            for (left, top), (_, each) in zip(points, course.results, strict=True)
        ],
        *_axes_worded(course, x, y),
    ]
    return _svg(_WIDE, _TALL, parts, "course")


def _value_drawn(scale: Scale, x: _Place, reading: str) -> str:
    kind = "outside" if reading[:1] in ("L", "H") else "value"
    value, (low, high) = scale.value, scale.ends
    if value.exact is not None:
        return f'<circle class="{kind}" cx="{x(value.exact)}" cy="14" r="5"/>'
    left, right = x(low if value.low is None else value.low), x(high if value.high is None else value.high)
    return f'<path class="{kind} open" d="M{left} 14H{right}"/>'


def _limits_drawn(course: Course, y: _Place) -> Iterator[str]:
    limits = course.limits
    if limits is None:
        return
    low, high = course.ends
    top = y(high if limits.high is None else limits.high)
    bottom = y(low if limits.low is None else limits.low)
    height = _at(Decimal(bottom) - Decimal(top))
    yield f'<rect class="band" x="{_LEFT}" y="{top}" width="{_WIDE - _LEFT - 20}" height="{height}"/>'


def _axes_worded(course: Course, x: _Place, y: _Place) -> Iterator[str]:
    first, last = course.days
    yield f'<text class="first" x="{x(first)}" y="{_TALL - 7}">{first.isoformat()}</text>'
    yield f'<text class="last" x="{x(last)}" y="{_TALL - 7}">{last.isoformat()}</text>'
    shown = [_shown(each.value) for _, each in course.results]
    limits = (course.limits.low, course.limits.high) if course.limits else ()
    numbers = {min(shown), max(shown), *(limit for limit in limits if limit is not None)}
    for number in _readable(sorted(numbers, reverse=True), y, apart=11):
        yield f'<text class="number" x="{_LEFT - 6}" y="{_at(Decimal(y(number)) + 3)}">{_short(number)}</text>'


def _readable(numbers: Iterable[Decimal], place: _Place, apart: int = _APART) -> Iterator[Decimal]:
    """Those that stand far enough from the one before to be read."""
    before: Decimal | None = None
    for number in numbers:
        here = Decimal(place(number))
        if before is None or abs(here - before) >= apart:
            before = here
            yield number


def _shown(value: Interval) -> Decimal:
    """Where a value is drawn: at its bound, if it is one."""
    known = value.low if value.low is not None else value.high
    return Decimal(0) if known is None else known


def _short(number: Decimal) -> str:
    return format(number.normalize() if abs(number) < 1000 else round(number), "f")


def _at(number: Decimal) -> str:
    return format(number.quantize(Decimal("0.1")), "f")


def _svg(width: int, height: int, parts: Iterable[str], kind: str) -> str:
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(parts)}</svg>'
