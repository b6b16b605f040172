"""Times keep the precision they came with (fhir.md A3.15, E27)."""

from datetime import UTC, date, datetime

import pytest

from adapter.clinical.time import ClinicalTime, Precision, clinical_time, months_before, period


def read(text: str) -> ClinicalTime:
    time = clinical_time(text)
    assert time is not None
    return time


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2026", Precision.YEAR),
        ("2026-03", Precision.MONTH),
        ("2026-03-15", Precision.DAY),
        ("2026-03-15T08:30:00Z", Precision.INSTANT),
        ("2026-03-15T08:30:00.123456789+14:00", Precision.INSTANT),
        ("2026-03-15T08:30:60Z", Precision.INSTANT),
        ("2026-03-15T08:30Z", Precision.INSTANT),
    ],
)
def test_the_precision_given_is_the_precision_kept(text: str, precision: Precision) -> None:
    assert read(text).precision is precision
    assert read(text).text == text


@pytest.mark.parametrize(
    "text",
    ["", "0000", "0000-01-01", "2026-02-30", "2026-02-30T08:00:00Z", "0001-01-01T00:00:00+13:00", "2026-13",
     "2026-03-15T24:00:00Z", "2026-03-15T08:30:00+15:00", "last May",
     "٢٠٢٦", "20260315", "0001-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    assert clinical_time(text) is None


@pytest.mark.parametrize("text", ["2026", "2026-06", "2026-06-02", "2026-06-02T08:10:00+08:00"])
def test_a_date_needs_no_zone(text: str) -> None:
    time = clinical_time(text)
    assert time and not time.zone_missing


def test_a_clock_time_without_zone_counts_as_its_date_and_says_so() -> None:
    time = read("2026-03-15T08:30:00")
    assert time.precision is Precision.DAY
    assert time.zone_missing
    assert time.day == date(2026, 3, 15)


def test_a_month_cannot_be_ordered_against_a_day_inside_it() -> None:
    month, day = read("2026-03"), read("2026-03-15")
    assert month.is_before(day) is None
    assert day.is_before(month) is None
    assert read("2026-02").is_before(day) is True
    assert read("2026-04").is_before(day) is False


def test_a_time_is_after_a_moment_only_when_all_of_it_is() -> None:
    moment = datetime(2026, 3, 15, 12, tzinfo=UTC)
    assert read("2026-03-16").is_after(moment) is True
    assert read("2026-03-14").is_after(moment) is False
    assert read("2026-03").is_after(moment) is None


def test_the_day_is_the_one_the_sender_wrote() -> None:
    assert read("2026-03-15T23:30:00-08:00").day == date(2026, 3, 15)
    assert read("2026-03").day == date(2026, 3, 1)


def test_a_leap_second_is_read_as_the_second_before() -> None:
    assert read("2016-12-31T23:59:60Z").earliest == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_period_reaches_from_its_start_to_its_end() -> None:
    whole = period(read("2026-03-15"), read("2026-03-16"))
    assert whole is not None
    assert whole.precision is Precision.PERIOD
    assert whole.day == date(2026, 3, 15)
    assert whole.latest.date() == date(2026, 3, 16)


def test_a_period_may_be_open_at_one_end_but_not_reversed_or_empty() -> None:
    assert period(None, None) is None
    assert period(read("2026-03-16"), read("2026-03-15")) is None
    open_end = period(read("2026-03-15"), None)
    assert open_end is not None
    assert open_end.latest.year == 9999
    open_start = period(None, read("2026-03-15"))
    assert open_start is not None
    assert open_start.earliest.year == 1


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-06-15", 12, "2025-06-15"),
        ("2026-03-31", 1, "2026-02-28"),
        ("2024-03-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2026-01-15", 1, "2025-12-15"),
        ("2026-12-31", 6, "2026-06-30"),
        ("2026-03-05", 24, "2024-03-05"),
    ],
)
def test_months_are_counted_by_the_calendar(day: str, months: int, expected: str) -> None:
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert months_before(moment, months).date().isoformat() == expected
