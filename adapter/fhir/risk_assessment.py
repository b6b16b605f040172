"""The assessment as a FHIR RiskAssessment."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from adapter.clinical.assessment import Assessment, Score, Stratum
from adapter.clinical.patient import Patient
from adapter.clinical.results import Coding
from adapter.fhir.device import DEVICE_ID
from adapter.fhir.identity import LOCAL, METHOD_VERSION, identifier, reference_to
from adapter.fhir.narrative import narrative
from adapter.fhir.wording import Account, Teller, is_probability

METHOD = "joint-pathway-frax-bmd-btm"
_RISK = "http://terminology.hl7.org/CodeSystem/risk-probability"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_SNOMED = "http://snomed.info/sct"
_UCUM = "http://unitsofmeasure.org"
_NONE, _ALL = Decimal(0), Decimal(100)

_LOW = {"system": _RISK, "code": "low", "display": "Low likelihood"}
_MODERATE = {"system": _RISK, "code": "moderate", "display": "Moderate likelihood"}
_HIGH = {"system": _RISK, "code": "high", "display": "High likelihood"}
_VERY_HIGH = {"system": f"{LOCAL}:stratum", "code": "very-high", "display": "Very high"}
# risk-probability knows no "very high": the standard code says high, the local one how high.
_LIKELIHOODS = {
    Stratum.LOW: [_LOW],
    Stratum.MODERATE: [_MODERATE],
    Stratum.HIGH: [_HIGH],
    Stratum.VERY_HIGH: [_HIGH, _VERY_HIGH],
}
_NO_LIKELIHOOD = {Stratum.INDETERMINATE: "unknown", Stratum.NOT_APPLICABLE: "not-applicable"}
_FRACTURE = {"system": _SNOMED, "code": "443165006"}
_OUTCOMES = {
    "major-osteoporotic-fracture": [_FRACTURE],
    "hip-fracture": [{"system": _SNOMED, "code": "704334005"}],
}


def risk_assessment(assessment: Assessment, account: Account, teller: Teller, *, id_: str) -> dict[str, Any]:
    """One RiskAssessment: category, probabilities, plan, and all that they rest on."""
    written: dict[str, Any] = {"resourceType": "RiskAssessment", "id": id_}
    if labels := _labels(assessment):
        written["meta"] = {"security": labels}
    written |= {
        "language": teller.language,
        "text": narrative(account, teller),
        "identifier": [identifier(id_)],
        "status": "preliminary" if assessment.preliminary else "final",
        "method": {
            "coding": [{"system": f"{LOCAL}:method", "version": METHOD_VERSION, "code": METHOD}],
            "text": teller.say("page.method"),
        },
        "code": {
            "coding": [{"system": f"{LOCAL}:assessment", "code": "osteoporotic-fracture-risk"}],
            "text": teller.say("page.title"),
        },
        "subject": {"reference": assessment.patient.reference},
        "occurrenceDateTime": assessment.as_of.isoformat(),
        "performer": {"reference": f"Device/{DEVICE_ID}"},
    }
    if basis := _basis(assessment):
        written["basis"] = basis
    written["prediction"] = _predictions(assessment, account, teller)
    if account.plan:
        written["mitigation"] = account.plan
    written["note"] = [{"text": text} for text in _notes(assessment, account, teller)]
    return written


def _labels(assessment: Assessment) -> list[dict[str, str]]:
    """The security labels of every input in use: what is written is at least as protected."""
    labels = {
        (label.system, label.code): label
        for used in assessment.evidence
        if not isinstance(used.result, Patient)
        for label in used.result.security
    }
    return [_coding(labels[key]) for key in sorted(labels)]


def _coding(coding: Coding) -> dict[str, str]:
    parts = {"system": coding.system, "code": coding.code, "display": coding.display}
    return {name: part for name, part in parts.items() if part}


def _basis(assessment: Assessment) -> list[dict[str, str]]:
    """Each resource in use once, in the version that was read; the patient is the subject, not a basis."""
    resources = {
        (used.result.resource, used.result.version): None
        for used in assessment.evidence
        if not isinstance(used.result, Patient)
    }
    return [reference_to(resource, version) for resource, version in resources]


def _predictions(assessment: Assessment, account: Account, teller: Teller) -> list[dict[str, Any]]:
    """The pathway's category first, without a number; then each probability that came with one."""
    pathway: dict[str, Any] = {
        "outcome": {"coding": [_FRACTURE], "text": teller.say("outcome.fracture")},
        # The pathway yields no number. That is said, not left out: Medplum evaluates ras-2 on a probability that is not
        # there, finds "empty" where true is needed, and refuses the resource (seen with version 4.5.2).
        "probabilityRange": _absent("not-applicable"),
        "qualitativeRisk": _qualitative_risk(assessment.stratum, teller),
        "rationale": f"{account.headline} {account.grounds}".rstrip(),
    }
    probabilities = [
        _probability(score, line, teller)
        for score, line in zip(assessment.scores, account.scores, strict=True)
        if is_probability(score)
    ]
    return [pathway, *probabilities]


def _qualitative_risk(stratum: Stratum, teller: Teller) -> dict[str, Any]:
    if stratum in _NO_LIKELIHOOD:
        return _absent(_NO_LIKELIHOOD[stratum])
    return {"coding": _LIKELIHOODS[stratum], "text": teller.say(f"stratum.{stratum}")}


def _probability(score: Score, line: str, teller: Teller) -> dict[str, Any]:
    """One probability in percent, over its years."""
    prediction: dict[str, Any] = {
        "outcome": {"coding": _OUTCOMES.get(score.outcome, [_FRACTURE]), "text": teller.say(f"outcome.{score.outcome}")}
    }
    # "Decimal values are expressed as percentages as well (max = 100)" (hl7.org/fhir/R4, RiskAssessment definitions).
    # A number that is no percentage is told in the rationale and not written as one.
    if _NONE <= score.value <= _ALL:
        prediction["probabilityDecimal"] = Decimal(format(score.value, "f"))
    else:
        prediction["probabilityRange"] = _absent("error")
    prediction["whenRange"] = {"low": _years(0), "high": _years(score.horizon_years or 0)}
    prediction["rationale"] = line
    return prediction


def _absent(reason: str) -> dict[str, Any]:
    """A value that is not there, and why."""
    return {"extension": [{"url": _ABSENT, "valueCode": reason}]}


def _years(number: int) -> dict[str, Any]:
    return {"value": number, "unit": "years", "system": _UCUM, "code": "a"}


def _notes(assessment: Assessment, account: Account, teller: Teller) -> Iterable[str]:
    """What the elements above do not say, one note per kind; the disclaimer stands last."""
    yield from account.alerts
    indices = [line for score, line in zip(assessment.scores, account.scores, strict=True) if not is_probability(score)]
    colon, semicolon = teller.colon, teller.semicolon
    limits = [f"{used.what}{colon}{used.limits}{semicolon}{used.source}" for used in account.used if used.limits]
    kinds = (
        ("", account.remarks),
        ("page.scores", indices),
        ("page.missing", account.missing),
        ("page.set-aside", account.set_aside),
        ("page.limits", limits),
    )
    for heading, lines in kinds:
        if lines:
            title = [f"{teller.say(heading)}{colon}".rstrip()] if heading else []
            # "text: The annotation - text content (as markdown)" (hl7.org/fhir/R4/datatypes.html#Annotation)
            yield "\n".join([*title, *[f"- {line}" for line in lines]])
    yield account.rules
    yield account.disclaimer
