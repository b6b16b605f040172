"""The plan: stratum by turnover, rows P1 to P13 of the decision table."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.clinical.assessment import Stratum, Turnover

_OPEN = (Turnover.NOT_AVAILABLE, Turnover.UNUSABLE, Turnover.UNDETERMINED, Turnover.MONITORING)
_LOW = (Turnover.LOW, Turnover.FORMATION_LOW)

_MODERATE: Mapping[Turnover, str] = {
    Turnover.HIGH: "P3",
    Turnover.NORMAL: "P4",
    **dict.fromkeys(_LOW, "P5"),
    Turnover.FORMATION_ONLY_RAISED: "P6",
    # Undetermined is no state to act on: like an unusable marker, it leaves the decision open.
    **dict.fromkeys(_OPEN, "P7"),
}
# P9 for everything else: markers that are normal, missing or unusable neither delay nor withhold treatment.
_HIGH: Mapping[Turnover, str] = {Turnover.HIGH: "P8", **dict.fromkeys(_LOW, "P10")}


def plan_of(stratum: Stratum, turnover: Turnover, *, monitoring: bool) -> str | None:
    """The row of the plan; ``None`` where the pathway is not for this patient."""
    if monitoring:
        return "P13"
    match stratum:
        case Stratum.LOW:
            return "P2" if turnover is Turnover.HIGH else "P1"
        case Stratum.MODERATE:
            return _MODERATE[turnover]
        case Stratum.HIGH:
            return _HIGH.get(turnover, "P9")
        case Stratum.VERY_HIGH:
            return "P11"
        case Stratum.INDETERMINATE:
            return "P12"
    return None
