"""An assessment line by line: JSON for programs, a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapter.clinical.assessment import Evidence
from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult, RiskFactor
from adapter.clinical.values import Interval
from adapter.fhir.decoding import encode
from adapter.fhir.wording import Teller, Used
from adapter.knowledge.model import Knowledge
from adapter.pipeline import Outcome, PatientOutcome
from adapter.problems import Problem


def as_json(outcome: Outcome, knowledge: Knowledge) -> bytes:
    """What ``explain --json`` prints; the shape is described in ``docs/integrate.md``."""
    content = {
        "release": outcome.release.name,
        "entries": outcome.entries,
        "patients": [_patient(patient, knowledge) for patient in outcome.patients],
        "problems": [_problem(problem) for problem in outcome.problems],
        "irrelevant": len(outcome.irrelevant),
    }
    return encode(content) + b"\n"


def page(outcome: Outcome, knowledge: Knowledge, *, language: str) -> str:
    """What ``explain`` prints for people: the same words as the narrative, and the path of everything set aside."""
    teller = Teller(knowledge, language)
    parts = [_patient_page(patient, teller) for patient in outcome.patients]
    if outcome.problems:
        told = [teller.told(problem) for problem in outcome.problems]
        parts.append("\n".join(_listed("page.problems", told, teller)))
    return "\n\n".join(parts)


def _patient_page(patient: PatientOutcome, teller: Teller) -> str:
    assessment = patient.assessment
    account = teller.account(assessment, ())
    aside, cautions = (
        [f"{p.where}{teller.colon}[{p.code}] {teller.problem(p)}" for p in problems]
        for problems in (patient.set_aside, patient.cautions)
    )
    lines = [
        f"{assessment.patient.reference}  {assessment.as_of.date()}",
        account.headline,
        *(text for text in (*account.alerts, account.plan, account.grounds) if text),
        *_listed("", account.remarks, teller),
        *_listed("page.used", [_used_line(used, teller) for used in account.used], teller),
        *_listed("page.scores", account.scores, teller),
        *_listed("page.missing", account.missing, teller),
        *_listed("page.set-aside", aside, teller),
        *_listed("page.cautions", cautions, teller),
        account.rules,
        account.disclaimer,
    ]
    return "\n".join(lines)


def _used_line(used: Used, teller: Teller) -> str:
    parts = (f"{used.what}{teller.colon}{used.value}", used.when, used.limits, used.reading, used.source)
    return " · ".join(part for part in parts if part)


def _listed(heading: str, lines: Sequence[str], teller: Teller) -> list[str]:
    title = [f"{teller.say(heading)}{teller.colon}".rstrip()] if heading else []
    return [*title, *(f"  - {line}" for line in lines)] if lines else []


def shown(value: Interval) -> str:
    """A canonical value as text: a number, or a bound with its sign."""
    if value.exact is not None:
        return _plain(value.exact)
    low = f"{'>' if value.low_open else '>='}{_plain(value.low)}" if value.low is not None else ""
    high = f"{'<' if value.high_open else '<='}{_plain(value.high)}" if value.high is not None else ""
    return " ".join(part for part in (low, high) if part)


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _patient(patient: PatientOutcome, knowledge: Knowledge) -> dict[str, Any]:
    assessment = patient.assessment
    return {
        "patient": assessment.patient.reference,
        "as_of": assessment.as_of.date().isoformat(),
        "age": assessment.age,
        "stratum": assessment.stratum.value,
        "stratum_rule": assessment.stratum_rule,
        "turnover": assessment.turnover.value,
        "plan": assessment.plan,
        "gates": list(assessment.gates),
        "flags": list(assessment.flags),
        "missing": list(assessment.missing),
        "findings": [{"rule": f.rule, "text": f.text_key, "values": dict(f.values)} for f in assessment.findings],
        "scores": {_score_name(s.engine, s.outcome): s.text for s in assessment.scores},
        "used": [_used(evidence) for evidence in assessment.evidence],
        "set_aside": [_problem(problem) for problem in patient.set_aside],
        "cautions": [_problem(problem) for problem in patient.cautions],
        "irrelevant": len(patient.irrelevant),
        "writes": bool(patient.resources),
        "rules": {"name": knowledge.name, "version": knowledge.version, "fingerprint": knowledge.fingerprint},
    }


def _score_name(engine: str, outcome: str) -> str:
    return f"{engine}:{outcome}" if outcome else engine


def _used(evidence: Evidence) -> dict[str, Any]:
    match evidence.result:
        case MarkerResult() as result:
            return _used_result(result, evidence)
        case RiskFactor() as factor:
            return {
                "where": factor.where,
                "entry": factor.entry,
                "resource": _versioned(factor.resource, factor.version),
                "marker": factor.kind,
                "value": "yes" if factor.present else "no",
                "amount": None if factor.amount is None else _plain(factor.amount),
                "unit": "",
                "effective": factor.since.text if factor.since else None,
                "limits": None,
                "limit_source": None,
            }
        case Patient() as patient:
            return {
                "where": patient.where,
                "entry": patient.where,
                "resource": _versioned(patient.reference, patient.version),
                "marker": "patient",
                "value": f"{patient.sex.value if patient.sex else 'unknown'}",
                "unit": "",
                "effective": None,
                "limits": None,
                "limit_source": None,
            }


def _used_result(result: MarkerResult, evidence: Evidence) -> dict[str, Any]:
    limits = evidence.limits
    return {
        "where": result.where,
        "entry": result.entry,
        "resource": _versioned(result.resource, result.version),
        "marker": result.marker,
        "site": result.site or None,
        "side": result.side or None,
        "value": result.digits,
        "unit": result.received_unit,
        "canonical_value": shown(result.value),
        "canonical_unit": result.unit,
        "effective": result.effective.text if result.effective else None,
        "reading": evidence.reading or None,
        "limits": limits.text if limits else None,
        "limit_source": f"{limits.authority.value}: {limits.source} [{limits.sureness}]" if limits else None,
        "cautions": list(result.cautions),
    }


def _versioned(resource: str, version: str) -> str:
    return f"{resource}/_history/{version}" if version else resource


def _problem(problem: Problem) -> Mapping[str, str]:
    return {
        "where": problem.where,
        "resource": problem.resource,
        "reason": problem.code.value,
        "what": problem.what,
        "then": problem.then,
        "severity": problem.severity.value,
    }
