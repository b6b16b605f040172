"""A clock that stands still until somebody waits, so that tests decide about time and chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass
class Ticking:
    """Time begins at a fixed moment, or at ``start``, and moves by ``sleep`` and ``pass_by`` alone."""

    start: datetime = datetime(2026, 6, 15, 8, tzinfo=UTC)
    passed: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)

    def seconds(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed += seconds

    def pass_by(self, seconds: float) -> None:
        self.passed += seconds

    def random(self) -> float:
        return 0.5
