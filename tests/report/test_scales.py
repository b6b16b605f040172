"""A picture says what the words say: a value is drawn within the band if, and only if, it was read as normal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapter import load_knowledge
from adapter.clinical.assessment import AppliedLimits, Authority, Evidence
from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult
from adapter.clinical.values import Interval
from adapter.engines.limits import read_against
from adapter.report.drawing import scale_drawn
from adapter.report.scales import Scale, scale_of

KNOWLEDGE = load_knowledge()
NUMBERS = st.decimals(min_value=0, max_value=10**6, places=3)


def result(marker: str, value: Interval, unit: str = "ng/L") -> MarkerResult:
    return MarkerResult(
        marker=marker, value=value, unit=unit, digits="", received_unit=unit, where="", entry="", resource="",
        patient="Patient/1", code="",
    )  # fmt: skip


def limits(low: Decimal | None, high: Decimal | None) -> AppliedLimits:
    return AppliedLimits(
        low=low, high=high, unit="ng/L", authority=Authority.REPORT, source="", sureness="V", text="as written"
    )


@given(NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS)
def test_a_value_lies_within_the_band_just_when_it_is_read_as_normal(
    number: Decimal, low: Decimal | None, high: Decimal | None
) -> None:
    """No limit is zero, and the lower is below the upper: so are all that a laboratory states."""
    assume(low is None or high is None or low < high)
    assume(low != 0 and high != 0 and (low is not None or high is not None))
    applied = limits(low, high)
    reading = read_against(Interval.exactly(number), applied)

    scale = scale_of(Evidence(result("ctx", Interval.exactly(number)), applied, reading.letter), KNOWLEDGE)

    assert scale is not None
    assert scale.ends[0] <= number <= scale.ends[1]
    assert (scale.band[0] <= number <= scale.band[1]) == (reading.letter == "N")
    assert all(0 <= scale.share(line) <= 1 for line in (*scale.lines, *scale.band))


@pytest.mark.parametrize(
    ("marker", "number", "is_well"),
    [
        ("dxa-t-score", "-0.9", True),
        ("dxa-t-score", "-1.1", False),
        ("dxa-t-score", "-7.5", False),
        ("dxa-z-score", "-1.9", True),
        ("frax-mof", "9.9", True),
        ("frax-mof", "45", False),
        ("frax-hip", "2.9", True),
        ("frax-hip", "12", False),
    ],
)
def test_scores_are_drawn_against_the_lines_of_the_decision_table(marker: str, number: str, is_well: bool) -> None:
    scale = scale_of(Evidence(result(marker, Interval.exactly(Decimal(number)), "1")), KNOWLEDGE)

    assert scale is not None
    assert (scale.band[0] <= Decimal(number) <= scale.band[1]) is is_well
    assert scale.ends[0] <= Decimal(number) <= scale.ends[1]
    assert scale.unit == ""


def test_what_was_read_against_nothing_has_no_scale() -> None:
    assert scale_of(Evidence(result("ctx", Interval.exactly(Decimal(1)))), KNOWLEDGE) is None
    assert scale_of(Evidence(Patient(key="p", reference="Patient/p", where="")), KNOWLEDGE) is None
    assert scale_of(Evidence(result("ctx", Interval.exactly(Decimal(1))), limits(None, None)), KNOWLEDGE) is None


def test_limits_at_zero_that_span_nothing_have_no_scale() -> None:
    evidence = Evidence(result("ctx", Interval.exactly(Decimal(0))), limits(None, Decimal(0)))

    assert scale_of(evidence, KNOWLEDGE) is None


def test_a_unit_is_drawn_as_text_whatever_it_says() -> None:
    ends = (Decimal(0), Decimal(1))
    scale = Scale(ends, Interval.exactly(Decimal(0)), (), ends, "<script>")
    assert ">&lt;script&gt;</text>" in scale_drawn(scale, reading="")
