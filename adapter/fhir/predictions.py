"""Read the predictions of somebody else's RiskAssessment, as some systems carry FRAX."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapter.clinical.results import Concept, ReportedPrediction, ReportedQuantity, ReportedRange
from adapter.clinical.values import Interval
from adapter.fhir.datatypes import concept_of, notes_of, range_of, time_of
from adapter.fhir.element import Element
from adapter.fhir.record import Record, Row, status_problem
from adapter.problems import Problem, ProblemCode

_USABLE = frozenset({"final", "amended", "corrected"})
_USABLE_OR_PRELIMINARY = _USABLE | {"preliminary"}
_YEARS = {unit: Decimal(1) for unit in ("a", "year", "years")} | {"mo": Decimal(1) / 12}
_DAYS_A_YEAR = Decimal("365.2425")


def prediction_refusal(record: Record) -> Problem | None:
    """Why a RiskAssessment is not used."""
    return status_problem(record, _USABLE_OR_PRELIMINARY if record.allow_preliminary else _USABLE)


def read_predictions(record: Record) -> list[Row]:
    """Each prediction with its probability as received: whether it is a fraction or percent is not decided here."""
    root = record.root
    whole = ReportedPrediction(
        where=record.where,
        entry=record.where,
        resource=record.resource,
        patient=record.patient,
        status=root.text("status"),
        method=concept_of(root.one("method")),
        code=concept_of(root.one("code")),
        outcome=Concept(),
        probability=None,
        version=record.version,
        occurrence=time_of(root, "occurrence"),
        basis=record.keys(root.many("basis")),
        notes=notes_of(root, record.shape.comment),
    )
    return [row for each in root.many("prediction", apart=True) for row in _prediction(whole, each)]


def _prediction(whole: ReportedPrediction, element: Element) -> list[Row]:
    name = element.choice("probability")
    number = element.number(name) if name == "probabilityDecimal" else None
    span = range_of(element.one(name)) if name == "probabilityRange" else None
    prediction = msgspec.structs.replace(
        whole,
        where=element.where,
        outcome=concept_of(element.one("outcome")),
        probability=_between(span) if span else (None if number is None else Interval.exactly(number)),
        digits=_digits(span) if span else ("" if number is None else format(number, "f")),
        unit=_unit(span) if span else "",
        horizon_years=_horizon(element),
        rationale=element.text("rationale"),
    )
    return list(element.faults) or [prediction]


def _between(span: ReportedRange) -> Interval:
    return Interval(span.low.value if span.low else None, span.high.value if span.high else None)


def _digits(span: ReportedRange) -> str:
    ends = (end.value if end else None for end in (span.low, span.high))
    return "–".join("" if end is None else format(end, "f") for end in ends)


def _unit(span: ReportedRange) -> str:
    units = {end.code or end.unit for end in (span.low, span.high) if end}
    return units.pop() if len(units) == 1 else ""


def _horizon(element: Element) -> Decimal | None:
    """How many years the prediction reaches; ``None`` if it does not say."""
    match element.choice("when"):
        case "whenRange":
            span = range_of(element.one("whenRange"))
            return _years(element, span.high if span else None)
        case "whenPeriod":
            span_of_time = element.one("whenPeriod")
            start, end = (span_of_time.time("start"), span_of_time.time("end")) if span_of_time else (None, None)
            if start and end:
                return round((end.latest - start.earliest).days / _DAYS_A_YEAR, 1)
            element.fault("whenPeriod", ProblemCode.NOT_UNDERSTOOD, "the period is open, so its length is not known")
    return None


def _years(element: Element, end: ReportedQuantity | None) -> Decimal | None:
    factor = _YEARS.get(end.code or end.unit) if end else None
    if end is None or end.value is None or factor is None:
        element.fault("whenRange", ProblemCode.NOT_UNDERSTOOD, "the range does not end at a number of years or months")
        return None
    return end.value * factor
