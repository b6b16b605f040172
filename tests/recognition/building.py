"""Build results as reported, with as few words as a test needs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from adapter.clinical.results import (
    Coding,
    Concept,
    LabResult,
    LabTest,
    MarkerResult,
    ReportedQuantity,
    RiskFactor,
    Statement,
    StatementKind,
)
from adapter.clinical.time import ClinicalTime, clinical_time
from adapter.clinical.values import Interval
from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"
AS_OF = datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC)


@cache
def knowledge() -> Knowledge:
    """The shipped knowledge."""
    return load_knowledge()


def time(text: str) -> ClinicalTime:
    """A time that is known to be one."""
    read = clinical_time(text)
    assert read is not None
    return read


def loinc(*codes: str, display: str = "", text: str = "") -> Concept:
    """A concept of LOINC codes."""
    return Concept(tuple(Coding(LOINC, code, display) for code in codes), text)


def quantity(number: str, unit: str, comparator: str = "") -> ReportedQuantity:
    """A quantity with a UCUM code."""
    return ReportedQuantity(Decimal(number), comparator, unit, UCUM, unit)


def lab(code: str | Concept, value: Any = None, **fields: Any) -> LabResult:
    """An Observation as reported."""
    where = fields.pop("where", "a.json#Bundle.entry[1].resource")
    unit = msgspec.structs.replace(value, value=None) if isinstance(value, ReportedQuantity) else None
    done = {name: fields.pop(name) for name in LabTest.__struct_fields__ if name in fields}
    return LabResult(
        where=where,
        entry=fields.pop("entry", where),
        resource=fields.pop("resource", "Observation/1"),
        patient="Patient/1",
        status=fields.pop("status", "final"),
        test=LabTest(code=loinc(code) if isinstance(code, str) else code, unit=unit, **done),
        value=value,
        effective=fields.pop("effective", time("2026-06-01T08:00:00+08:00")),
        **fields,
    )


def marker(name: str, number: str, **fields: Any) -> MarkerResult:
    """A result as understood, in its canonical unit."""
    resource = fields.pop("resource", "Observation/1")
    where = fields.pop("where", f"a.json#{resource}")
    unit = knowledge().markers[name].unit
    return MarkerResult(
        marker=name,
        value=fields.pop("value", Interval.exactly(Decimal(number))),
        unit=unit,
        digits=number,
        received_unit=unit,
        where=where,
        entry=fields.pop("entry", where),
        resource=resource,
        patient="Patient/1",
        code="x",
        effective=fields.pop("effective", time("2026-06-01T08:00:00+08:00")),
        **fields,
    )


def statement(kind: StatementKind, system: str, code: str, **fields: Any) -> Statement:
    """A Condition, medication, procedure or relative's condition as reported."""
    where = "a.json#Bundle.entry[2].resource"
    return Statement(
        kind=kind,
        where=where,
        entry=where,
        resource=f"{kind.value}/1",
        patient="Patient/1",
        code=Concept((Coding(system, code),)),
        **fields,
    )


def factor(kind: str, **fields: Any) -> RiskFactor:
    """A risk factor as understood."""
    resource = fields.pop("resource", f"Condition/{kind}")
    return RiskFactor(
        kind=kind,
        where=fields.pop("where", f"a.json#{resource}"),
        entry=fields.pop("entry", f"a.json#{resource}"),
        resource=resource,
        patient="Patient/1",
        code="x",
        **fields,
    )
