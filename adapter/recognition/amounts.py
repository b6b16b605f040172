"""From a value as reported to an amount in the marker's canonical unit: converted by the unit that came, or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from adapter.clinical.results import (
    LabResult,
    ReportedQuantity,
    ReportedRange,
    ReportedRatio,
    ReportedText,
)
from adapter.clinical.values import Interval
from adapter.knowledge.facts import MappedCode
from adapter.knowledge.model import Knowledge
from adapter.problems import NO_VALUES, Problem, ProblemCode
from adapter.recognition.codes import Refusal

UCUM = "http://unitsofmeasure.org"
_DAY = {("h", Decimal(24)), ("d", Decimal(1))}
# Opt-in only: "<0.05 ng/mL" and nothing else; a decimal comma or any further word is refused.
_STRICT_TEXT = re.compile(
    r"(?P<comparator><=|>=|<|>)?\s?(?P<number>-?(0|[1-9]\d*)(\.\d+)?)(\s(?P<unit>\S+))?", re.ASCII
)
_UNITLESS = "1"
_SCORES = frozenset({"dxa-t-score", "dxa-z-score", "ost"})


class Amount(msgspec.Struct, frozen=True, gc=False):
    """An amount in canonical units, with the digits and the unit it was received in and what to be careful about."""

    value: Interval
    digits: str
    unit: str
    cautions: tuple[str, ...] = ()


class _Received(msgspec.Struct, frozen=True, gc=False):
    interval: Interval
    digits: str
    unit: ReportedQuantity


def amount_of(result: LabResult, code: MappedCode, knowledge: Knowledge, *, read_text: bool) -> Amount | Problem:
    """The amount a result reports, in the marker's unit.

    Args:
        result: The result as reported; its value is not ``None``.
        code: What its code means.
        knowledge: Units and factors.
        read_text: Whether a ``valueString`` may be read by the strict grammar.
    """
    received = _received(result, read_text=read_text)
    if isinstance(received, Problem):
        return received
    conversion = conversion_of(code, received.unit, knowledge)
    if isinstance(conversion, Refusal):
        return conversion.of(result)
    if conversion.factor is None:
        return _no_factor(result, code, conversion.unit, received)
    value = received.interval if conversion.factor == 1 else received.interval.scaled(conversion.factor)
    return Amount(value, received.digits, conversion.unit, conversion.cautions)


class Conversion(msgspec.Struct, frozen=True):
    """How a unit becomes the marker's; ``factor`` is ``None`` where that is not known."""

    unit: str
    factor: Decimal | None
    cautions: tuple[str, ...] = ()


def conversion_of(code: MappedCode, quantity: ReportedQuantity, knowledge: Knowledge) -> Conversion | Refusal:
    """How results of one code in the unit of this quantity are converted, or why that cannot be said."""
    unit = resolved_unit(quantity, knowledge, score=code.marker in _SCORES)
    if isinstance(unit, Refusal):
        return unit
    name, cautions = unit.name, unit.cautions
    factor = knowledge.unit_factors.get(code.marker, {}).get(name)
    if factor is None:
        return Conversion(name, None)
    if code.units and name not in code.units:
        # Seen in public laboratory data: a mass code reported in molar units. The unit decides, and the reader is told.
        cautions = (*cautions, ProblemCode.PROPERTY_CONTRADICTS)
    if factor.approximate:
        cautions = (*cautions, "approximate-factor")
    return Conversion(name, factor.factor, cautions)


class ResolvedUnit(msgspec.Struct, frozen=True, gc=False):
    """A unit in our spelling."""

    name: str
    cautions: tuple[str, ...] = ()


def resolved_unit(quantity: ReportedQuantity, knowledge: Knowledge, *, score: bool = False) -> ResolvedUnit | Refusal:
    """Our spelling of the unit of a quantity, or why there is none.

    A UCUM code is trusted; a unit text counts only through the alias table; both together must agree, and a code
    without its system, which alone means nothing, must not say otherwise than the text.
    T- and Z-scores and the OST index have no dimension, so for them an absent unit is the unit ``1`` (``score``).
    """
    is_ucum = quantity.system.rstrip("/") == UCUM
    cautions = (ProblemCode.CODE_SYSTEM_ALIAS.value,) if is_ucum and quantity.system != UCUM else ()
    said = _spelled(quantity.code, knowledge) if quantity.code else None
    by_code = said if is_ucum else None
    by_text = _spelled(quantity.unit, knowledge) if quantity.unit else None
    if by_code is None and is_ucum and quantity.code:
        values = {"unit": repr(quantity.code)}
        return Refusal(ProblemCode.UNIT_UNKNOWN, ".value", "the unit code {unit} is not known", values)
    # A bare "1" without UCUM may be a number in a list of the laboratory's own.
    heard = by_code or (said if said != ResolvedUnit(_UNITLESS) else None)
    if _contradict(heard, by_text, score=score):
        values = {"unit": repr(quantity.unit), "code": repr(quantity.code)}
        return Refusal(ProblemCode.UNIT_CONTRADICTS, ".value", "the unit says {unit} and its code says {code}", values)
    chosen = by_code or by_text
    if chosen is not None:
        return ResolvedUnit(chosen.name, (*cautions, *chosen.cautions))
    if quantity.unit or quantity.code:
        values = {"unit": repr(quantity.unit or quantity.code)}
        return Refusal(ProblemCode.UNIT_UNKNOWN, ".value", "the unit {unit} is not known", values)
    if score:
        return ResolvedUnit(_UNITLESS)
    return Refusal(ProblemCode.UNIT_MISSING, ".value", "the value came without a unit")


def _contradict(code: ResolvedUnit | None, text: ResolvedUnit | None, *, score: bool) -> bool:
    if code is None or text is None or (score and text.name == _UNITLESS):
        return False
    return code.name != text.name


def _spelled(text: str, knowledge: Knowledge) -> ResolvedUnit | None:
    alias = knowledge.unit_aliases.get(text)
    if alias is not None:
        return ResolvedUnit(alias.unit, (ProblemCode.UNIT_ALIAS.value,) if alias.warn else ())
    return ResolvedUnit(text) if text in knowledge.known_units else None


def _received(result: LabResult, *, read_text: bool) -> _Received | Problem:
    match result.value:
        case ReportedQuantity() as quantity:
            return _from_quantity(result, quantity)
        case ReportedRange(low=low, high=high):
            return _from_range(result, low, high)
        case ReportedRatio(numerator=numerator, denominator=denominator):
            return _from_ratio(result, numerator, denominator)
        case ReportedText(text=text):
            return _from_text(result, text, read_text=read_text)
        case _:
            return _problem(result, ProblemCode.VALUE_TYPE, "the value is of a type that holds no number")


def _from_quantity(result: LabResult, quantity: ReportedQuantity) -> _Received | Problem:
    if quantity.value is None:
        return _problem(result, ProblemCode.VALUE_MISSING, "the quantity has no value")
    return _Received(_interval(quantity.comparator, quantity.value), _digits(quantity), quantity)


def _from_range(result: LabResult, low: ReportedQuantity | None, high: ReportedQuantity | None) -> _Received | Problem:
    ends = [end for end in (low, high) if end is not None and end.value is not None]
    if not ends:
        return _problem(result, ProblemCode.VALUE_MISSING, "the range has no ends")
    if len({(end.unit, end.system, end.code) for end in ends}) > 1:
        return _problem(result, ProblemCode.UNIT_CONTRADICTS, "the ends of the range have different units")
    interval = Interval(low.value if low else None, high.value if high else None)
    digits = f"{_plain(low)}–{_plain(high)}"
    return _Received(interval, digits, ends[0])


def _from_ratio(
    result: LabResult, numerator: ReportedQuantity | None, denominator: ReportedQuantity | None
) -> _Received | Problem:
    if numerator is None or numerator.value is None or denominator is None or not denominator.value:
        return _problem(result, ProblemCode.VALUE_MISSING, "the ratio is incomplete")
    if denominator.comparator:
        return _problem(result, ProblemCode.COMPARATOR_INVALID, "the denominator of the ratio is not exact")
    above, below = _ucum_code(numerator), _ucum_code(denominator)
    code = _per(above or numerator.unit, below or denominator.unit, denominator.value)
    if not code:
        what = "a ratio per {amount} is not per 24 hours and not per one unit"
        values = {"amount": f"{format(denominator.value, 'f')} {below or denominator.unit}"}
        return _problem(result, ProblemCode.UNIT_UNKNOWN, what, values)
    # Texts and codes are put together apart, so that a text that contradicts its code is found as in any quantity.
    text = _per(numerator.unit or above, denominator.unit or below, denominator.value)
    quantity = msgspec.structs.replace(numerator, unit=text, code=code, system=UCUM)
    return _Received(_interval(numerator.comparator, numerator.value), _digits(numerator), quantity)


def _per(above: str, below: str, amount: Decimal) -> str:
    """The unit of a ratio; empty where it is not per 24 hours and not per one unit."""
    if (below, amount) in _DAY:
        return f"{above}/(24.h)"
    return f"{above}/{below}" if amount == 1 else ""


def _ucum_code(quantity: ReportedQuantity) -> str:
    return quantity.code if quantity.system.rstrip("/") == UCUM else ""


def _from_text(result: LabResult, text: str, *, read_text: bool) -> _Received | Problem:
    match = _STRICT_TEXT.fullmatch(text) if read_text else None
    if match is None:
        off = "the value is text, and reading numbers out of text is off"
        what = "the value is not written in the strict grammar" if read_text else off
        return _problem(result, ProblemCode.VALUE_TEXT, what)
    quantity = ReportedQuantity(Decimal(match["number"]), match["comparator"] or "", match["unit"] or "")
    return _from_quantity(result, quantity)


def _interval(comparator: str, value: Decimal) -> Interval:
    match comparator:
        case "<":
            return Interval(None, value, high_open=True)
        case "<=":
            return Interval(None, value)
        case ">":
            return Interval(value, None, low_open=True)
        case ">=":
            return Interval(value, None)
    return Interval.exactly(value)


def _digits(quantity: ReportedQuantity) -> str:
    return f"{quantity.comparator}{_plain(quantity)}"


def _plain(quantity: ReportedQuantity | None) -> str:
    return format(quantity.value, "f") if quantity is not None and quantity.value is not None else ""


def _no_factor(result: LabResult, code: MappedCode, unit: str, received: _Received) -> Problem:
    fraction = received.interval.exact
    if code.marker in ("frax-mof", "frax-hip") and unit == _UNITLESS and fraction is not None and fraction <= 1:
        what = "a probability of at most 1 without '%' may be a fraction or a percentage"
        return _problem(result, ProblemCode.SCALE_UNCLEAR, what)
    values = {"marker": code.marker, "unit": repr(unit)}
    return _problem(result, ProblemCode.UNIT_UNKNOWN, "{unit} is no known unit of {marker}", values)


def _problem(result: LabResult, code: ProblemCode, sentence: str, values: Mapping[str, str] = NO_VALUES) -> Problem:
    return Problem(code, f"{result.where}.value", sentence, resource=result.resource, values=values)
