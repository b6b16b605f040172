"""Everything usable that is known about one patient at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult, RiskFactor


class Menopause(StrEnum):
    """Whether the T-score rule may be used for a woman."""

    POST = "postmenopausal"
    PRE = "premenopausal"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


class PatientProfile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The newest usable result per marker, the recorded risk factors, and the age at ``as_of``.

    Attributes:
        age: Full years at ``as_of``; ``None`` if the birth date is absent or too coarse to say.
        menopause: For a woman: recorded, derived from a record, or assumed from age (then ``menopause_assumed``).
        results: Per marker, the newest usable one, never after ``as_of``. DXA markers are not here but in ``dxa``.
        dxa: The newest usable result per marker and site: ``dxa-t-score``, ``dxa-z-score``, ``dxa-bmd``.
        history: Per marker, all usable results, oldest first, for changes over time (older than ``max_age`` included).
        factors: Recorded answers, newest first.
        preliminary: True if any result in use is preliminary (only by option).
    """

    patient: Patient
    as_of: datetime
    age: int | None
    menopause: Menopause
    menopause_assumed: bool
    results: Mapping[str, MarkerResult]
    dxa: tuple[MarkerResult, ...]
    history: Mapping[str, tuple[MarkerResult, ...]]
    factors: tuple[RiskFactor, ...]
    preliminary: bool

    def having(self, *kinds: str) -> tuple[RiskFactor, ...]:
        """The recorded factors of these kinds that are present (ended ones included)."""
        return tuple([f for f in self.factors if f.kind in kinds and f.present]) if self.factors else ()

    def denies(self, kind: str) -> bool:
        """Whether the newest record about this kind says no."""
        about = [f for f in self.factors if f.kind == kind]
        return bool(about) and not about[0].present
