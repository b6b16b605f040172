"""Every input in use with the limits it was read against, and where the laboratory reads it otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from adapter.clinical.assessment import Evidence
from adapter.clinical.profile import PatientProfile
from adapter.clinical.results import MarkerResult
from adapter.engines.limits import Reading
from adapter.problems import Problem, ProblemCode, Severity

# The letters that fit each code; v3 ObservationInterpretation and the old v2-0078 table agree on these.
_LABORATORY_SAYS = {
    **dict.fromkeys(("H", "HH", "HU", ">"), "H"),
    **dict.fromkeys(("L", "LL", "LU", "<"), "L"),
    **dict.fromkeys(("A", "AA"), "HL"),
    "N": "N",
}


def evidence_of(
    profile: PatientProfile,
    readings: Mapping[str, Reading],
    *,
    set_aside: Collection[str],
    unread: Collection[str],
    baselines: Iterable[MarkerResult],
) -> tuple[Evidence, ...]:
    """The patient, every result in use, and every recorded factor.

    Args:
        profile: What came.
        readings: How each result reads, by where it came from.
        set_aside: Places of the results that the engines refused.
        unread: Markers that are shown and not called low, normal or high.
        baselines: Older results that the change under treatment was read from.
    """
    known = [profile.patient] if profile.patient.known else []
    current = [r for r in (*profile.results.values(), *profile.dxa) if r.where not in set_aside]
    return (
        *[Evidence(patient) for patient in known],
        *[_evidence(result, readings[result.where], is_read=result.marker not in unread) for result in current],
        *[Evidence(result) for result in baselines],
        *[Evidence(factor) for factor in profile.factors],
    )


def disagreements(evidence: Iterable[Evidence]) -> tuple[Problem, ...]:
    """Where our reading is not the laboratory's own ("a conflict is reported, never hidden")."""
    return tuple(
        Problem(
            ProblemCode.INTERPRETATION_DIFFERS,
            item.result.where,
            "{marker}: the laboratory says {letters}, against {limit} it is {reading}",
            "our reading was used, and the laboratory's stays as it is",
            item.result.resource,
            Severity.WARNING,
            used=True,
            values={
                "marker": item.result.marker,
                "letters": ", ".join(each.code for each in item.result.interpretation),
                "limit": item.limits.text,
                "reading": item.reading,
            },
        )
        for item in evidence
        if isinstance(item.result, MarkerResult) and item.limits and item.reading
        if (said := _laboratory_says(item.result)) and item.reading not in said
    )


def _evidence(result: MarkerResult, reading: Reading, *, is_read: bool) -> Evidence:
    return Evidence(result, reading.limits, reading.letter) if is_read else Evidence(result)


def _laboratory_says(result: MarkerResult) -> str:
    return "".join([_LABORATORY_SAYS.get(coding.code, "") for coding in result.interpretation])
