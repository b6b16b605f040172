"""Compare at clinical precision: a threshold is met or missed by what a clinician sees, not by digits a computer added.

T-scores, FRAX probabilities and eGFR are reported to one decimal, so they are rounded to one decimal before they meet a
threshold: ``-2.4999999999999996``, as seen in synthetic records, is the T-score -2.5. Everything else is compared with
all its digits, against limits that the mappings state in the unit of their source and convert with the same factor as
the results: a result of exactly 20 ng/mL is never below a limit of 20 ng/mL.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from adapter.clinical.values import Interval

_ONE_DECIMAL = Decimal("0.1")
# Digits before the decimal point. Beyond 28 of them, Decimal's own precision, rounding would be an error.
_FAR_BEYOND = 12


def rounded(value: Decimal) -> Decimal:
    """The value to one decimal, halves away from zero; a number far beyond every threshold stays as it is."""
    if value.adjusted() > _FAR_BEYOND:
        return value
    return value.quantize(_ONE_DECIMAL, ROUND_HALF_UP)


def as_reported(value: Interval) -> Interval:
    """The interval with its ends to one decimal."""
    low, high = value.low, value.high
    return Interval(
        None if low is None else rounded(low), None if high is None else rounded(high), value.low_open, value.high_open
    )
