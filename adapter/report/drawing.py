"""Scales and courses as SVG: drawn for the eye alone, since the same stands beside them in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Context, Decimal
from html import escape

from adapter.clinical.values import Interval
from adapter.report.courses import Course
from adapter.report.scales import Scale

_Place = Callable[[Decimal], Decimal]
# Of a scale: how long it is, the room at its ends and for its unit, and how high the picture is.
_LONG, _END, _UNIT, _HIGH = 260, 6, 60, 34
# Of a course: the picture, and the field within it.
_WIDE, _TALL = 560, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 540, 14, 166
_FOR_THE_EYE = Context(prec=5)
# How far apart two numbers must stand to be read, side by side and one above the other.
_BESIDE, _ABOVE = 30, 11


def scale_drawn(scale: Scale, *, reading: str) -> str:
    """One line: the band where all is well, the limits with their numbers, and the value.

    Args:
        scale: What is drawn.
        reading: Begins with ``L`` or ``H`` where the value is outside the limits; then it is drawn so.
    """

    def x(number: Decimal) -> Decimal:
        return _END + scale.share(number) * (_LONG - 2 * _END)

    low, high = map(x, scale.band)
    parts = [
        f'<rect class="track" x="{_END}" y="10" width="{_LONG - 2 * _END}" height="8" rx="4"/>',
        f'<rect class="band" x="{low:.1f}" y="10" width="{high - low:.1f}" height="8"/>',
        *[f'<path class="limit" d="M{x(line):.1f} 7v14"/>' for line in scale.lines],
        *[f'<text x="{x(line):.1f}" y="31">{_short(line)}</text>' for line in _readable(scale.lines, x, _BESIDE)],
        f'<text class="unit" x="{_LONG + 2}" y="17">{escape(scale.unit)}</text>',
        _value_drawn(scale, x, "outside" if reading[:1] in ("L", "H") else "value"),
    ]
    return _svg(_LONG + _UNIT, _HIGH, parts, "scale")


def _value_drawn(scale: Scale, x: _Place, kind: str) -> str:
    value, (low, high) = scale.value, scale.ends
    if value.exact is not None:
        return f'<circle class="{kind}" cx="{x(value.exact):.1f}" cy="14" r="5"/>'
    left, right = x(low if value.low is None else value.low), x(high if value.high is None else value.high)
    return f'<path class="{kind} open" d="M{left:.1f} 14H{right:.1f}"/>'


def course_drawn(course: Course, *, begun: Sequence[str]) -> str:
    """Values over days, joined by a line; limits as a band; what was begun as an upright line with its words.

    Args:
        course: What is drawn.
        begun: The words for each of ``course.begins``.
    """
    (first, last), (low, high) = course.days, course.ends

    def x(day: date) -> Decimal:
        return _LEFT + Decimal((day - first).days) / (last - first).days * (_RIGHT - _LEFT)

    def y(number: Decimal) -> Decimal:
        return _TOP + (high - number) / (high - low) * (_BOTTOM - _TOP)

    points = [(x(day), y(_drawn_at(each.value)), each.value) for day, each in course.results]
    parts = [
        *_limits_drawn(course, y),
        f'<path class="axis" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>',
        *[_begun_drawn(x(day), words) for (day, _), words in zip(course.begins, begun, strict=True)],
        f'<polyline class="course" points="{" ".join(f"{left:.1f},{top:.1f}" for left, top, _ in points)}"/>',
        *[
            f'<circle class="{"bound" if value.exact is None else "value"}" cx="{left:.1f}" cy="{top:.1f}" r="4"/>'
            for left, top, value in points
        ],
        *_numbers_written(course, y),
        f'<text class="first" x="{_LEFT}" y="{_TALL - 7}">{first}</text>',
        f'<text class="last" x="{_RIGHT}" y="{_TALL - 7}">{last}</text>',
    ]
    return _svg(_WIDE, _TALL, parts, "course")


def _limits_drawn(course: Course, y: _Place) -> Iterator[str]:
    if course.limits is not None:
        low, high = course.ends
        top = y(high if course.limits.high is None else course.limits.high)
        bottom = y(low if course.limits.low is None else course.limits.low)
        yield f'<rect class="band" x="{_LEFT}" y="{top:.1f}" width="{_RIGHT - _LEFT}" height="{bottom - top:.1f}"/>'


def _begun_drawn(left: Decimal, words: str) -> str:
    return (
        f'<path class="begun" d="M{left:.1f} {_TOP}V{_BOTTOM}"/>'
        f'<text class="begun" x="{left:.1f}" y="{_TOP - 3}">{escape(words)}</text>'
    )


def _numbers_written(course: Course, y: _Place) -> Iterator[str]:
    """The least and the greatest result, and the limits."""
    shown = [_drawn_at(each.value) for _, each in course.results]
    limits = (course.limits.low, course.limits.high) if course.limits else ()
    numbers = {min(shown), max(shown), *(limit for limit in limits if limit is not None)}
    for number in _readable(sorted(numbers, reverse=True), y, _ABOVE):
        yield f'<text class="number" x="{_LEFT - 6}" y="{y(number) + 3:.1f}">{_short(number)}</text>'


def _readable(numbers: Iterable[Decimal], place: _Place, apart: int) -> Iterator[Decimal]:
    """Those that stand far enough from the one before to be read."""
    before: Decimal | None = None
    for number in numbers:
        here = place(number)
        if before is None or abs(here - before) >= apart:
            before = here
            yield number


def _drawn_at(value: Interval) -> Decimal:
    """A number at itself, a bound at the bound."""
    known = value.low if value.low is not None else value.high
    return Decimal(0) if known is None else known


def _short(number: Decimal) -> str:
    return f"{_FOR_THE_EYE.create_decimal(number).normalize():f}"


def _svg(width: int, height: int, parts: Iterable[str], kind: str) -> str:
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(parts)}</svg>'
