"""FRAX probabilities that arrive inside somebody else's RiskAssessment. Read, never computed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from adapter.clinical.results import Concept, MarkerResult, ReportedPrediction
from adapter.knowledge.model import Knowledge
from adapter.problems import Problem, ProblemCode
from adapter.recognition.codes import canonical_codings
from adapter.recognition.markers import bmd_said_in

# What we wrote ourselves is no evidence.
OWN_METHOD = "joint-pathway-frax-bmd-btm"
_ANY_OSTEOPOROTIC_FRACTURE = "443165006"
_TEN_YEARS = Decimal(10)


def frax_of(predictions: Sequence[ReportedPrediction], knowledge: Knowledge) -> list[MarkerResult | Problem]:
    """The FRAX probabilities among the predictions of one RiskAssessment; empty where it is not about FRAX.

    The scale is "percent (max = 100)" in R4, yet fractions are met (0.02 in HL7's own example), so a value of at most 1
    counts as percent only if a sibling of the same resource shows that percent is meant.
    """
    about = [prediction for prediction in predictions if _is_frax(prediction)]
    in_percent = any(
        prediction.unit == "%" or (prediction.probability and prediction.probability.exceeds(Decimal(1)))
        for prediction in about
    )
    return [_understood(prediction, knowledge, in_percent=in_percent) for prediction in about]


def _is_frax(prediction: ReportedPrediction) -> bool:
    concepts = (prediction.method, prediction.code)
    words = [concept.text for concept in concepts]
    words += [word for concept in concepts for coding in concept.codings for word in (coding.code, coding.display)]
    if OWN_METHOD in words:
        return False
    return any("frax" in word.lower() for word in words)


def _understood(prediction: ReportedPrediction, knowledge: Knowledge, *, in_percent: bool) -> MarkerResult | Problem:
    marker = _outcome(prediction.outcome, knowledge)
    if not marker:
        return _problem(
            prediction, ProblemCode.NOT_UNDERSTOOD, "the outcome is neither major osteoporotic nor hip fracture"
        )
    if prediction.probability is None:
        return _problem(prediction, ProblemCode.VALUE_MISSING, "the prediction has no probability")
    if prediction.horizon_years is not None and prediction.horizon_years != _TEN_YEARS:
        return _problem(prediction, ProblemCode.NOT_UNDERSTOOD, "the prediction is not for ten years")
    if not in_percent:
        what = "a probability of at most 1 may be a fraction or a percentage"
        return _problem(prediction, ProblemCode.SCALE_UNCLEAR, what)
    words = " ".join((prediction.method.text, prediction.rationale, *prediction.notes))
    return MarkerResult(
        marker=marker,
        value=prediction.probability,
        unit="%",
        digits=prediction.digits,
        received_unit="%",
        where=prediction.where,
        entry=prediction.entry,
        resource=prediction.resource,
        patient=prediction.patient,
        code="RiskAssessment.prediction",
        version=prediction.version,
        status=prediction.status,
        effective=prediction.occurrence,
        with_bmd=bmd_said_in(words),
        related=prediction.basis,
    )


def _outcome(outcome: Concept, knowledge: Knowledge) -> str:
    """``frax-hip`` or ``frax-mof``, by the code of the fracture or by its words; empty if it is neither."""
    for coding, _ in canonical_codings(outcome, knowledge):
        for known in knowledge.factor_codes_of(coding.system, coding.code):
            if known.factor == "fracture" and (known.site == "hip" or known.code == _ANY_OSTEOPOROTIC_FRACTURE):
                return "frax-hip" if known.site else "frax-mof"
    words = outcome.text.lower()
    if "major osteoporotic" in words or "主要骨质疏松" in words:
        return "frax-mof"
    return "frax-hip" if "hip fracture" in words or "髋部骨折" in words else ""


def _problem(prediction: ReportedPrediction, code: ProblemCode, what: str) -> Problem:
    return Problem(code, prediction.where, what, resource=prediction.resource)
