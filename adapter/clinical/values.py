"""Numbers that keep their digits and know what they leave open."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A fact that never changes once made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class Interval(msgspec.Struct, frozen=True, gc=False):
    """All the numbers a result may stand for: one number, or a range left open by ``<`` or ``>``.

    "If there is a comparator the value is not exact" (hl7.org/fhir/R4/datatypes.html#Quantity), so every
    question has three answers: yes, no, or ``None`` when the interval lies on both sides of the limit.
    """

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def exactly(cls, value: Decimal) -> Interval:
        """The interval of one number."""
        return cls(value, value)

    @property
    def exact(self) -> Decimal | None:
        """The number itself, or ``None`` where the result is a range."""
        return self.low if self.low is not None and self.low == self.high else None

    def scaled(self, factor: Decimal) -> Interval:
        """The same interval in another unit; factor is positive."""
        return Interval(
            None if self.low is None else self.low * factor,
            None if self.high is None else self.high * factor,
            self.low_open,
            self.high_open,
        )

    def exceeds(self, limit: Decimal) -> bool | None:
        """Whether the value is greater than the limit; ``None`` if that cannot be said."""
        if self.low is not None and (self.low > limit or (self.low_open and self.low == limit)):
            return True
        if self.high is not None and self.high <= limit:
            return False
        return None

    def is_below(self, limit: Decimal) -> bool | None:
        """Whether the value is less than the limit; ``None`` if that cannot be said."""
        if self.high is not None and (self.high < limit or (self.high_open and self.high == limit)):
            return True
        if self.low is not None and self.low >= limit:
            return False
        return None

    def reaches(self, limit: Decimal) -> bool | None:
        """Whether the value is at least the limit; ``None`` if that cannot be said."""
        below = self.is_below(limit)
        return None if below is None else not below

    def is_at_most(self, limit: Decimal) -> bool | None:
        """Whether the value is at most the limit; ``None`` if that cannot be said."""
        above = self.exceeds(limit)
        return None if above is None else not above
