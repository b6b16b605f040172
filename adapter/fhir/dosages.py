"""What one day's dosage adds up to, where the instruction is plainly written in numbers."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.clinical.results import ReportedQuantity
from adapter.fhir.datatypes import quantity_of
from adapter.fhir.element import Element

_DAYS = {"h": Decimal(1) / 24, "d": Decimal(1), "wk": Decimal(7)}
# Each of these leaves open how much is taken in a day.
_OPEN = ("frequencyMax", "periodMax", "dayOfWeek", "timeOfDay", "when", "offset")


def daily_dose(dosages: list[Element]) -> ReportedQuantity | None:
    """The dose of a day; ``None`` unless there is a single instruction with one dose at one fixed rhythm."""
    if len(dosages) != 1 or _is_as_needed(dosages[0]):
        return None
    dose, timing = _dose(dosages[0]), dosages[0].one("timing")
    times = _times_a_day(timing.one("repeat")) if timing else None
    if dose is None or dose.value is None or times is None:
        return None
    return msgspec.structs.replace(dose, value=dose.value * times)


def _is_as_needed(dosage: Element) -> bool:
    name = dosage.choice("asNeeded")
    return bool(name and dosage.json[name] is not False) or dosage.flag("asNeeded") is True


def _dose(dosage: Element) -> ReportedQuantity | None:
    """``doseAndRate`` since R4, ``doseQuantity`` before."""
    rates = dosage.many("doseAndRate")
    if len(rates) > 1:
        return None
    return quantity_of((rates[0] if rates else dosage).one("doseQuantity"))


def _times_a_day(repeat: Element | None) -> Decimal | None:
    if repeat is None or any(repeat.has(name) for name in _OPEN):
        return None
    period, days = repeat.number("period"), _DAYS.get(repeat.text("periodUnit"))
    if not period or days is None:
        return None
    # "If no frequency is stated, the value 1 is assumed" (hl7.org/fhir/R4/datatypes-definitions.html#Timing)
    frequency = repeat.number("frequency")
    return (Decimal(1) if frequency is None else frequency) / (period * days)
