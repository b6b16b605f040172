"""What was wrong with the input, as FHIR says it: one OperationOutcome a line."""

from __future__ import annotations

from adapter.fhir.decoding import encode
from adapter.problems import Problem, ProblemCode

_SYSTEM = "urn:osteo-fhir:problem"
# hl7.org/fhir/R4/valueset-issue-type.html; what is not named here is "processing".
_TYPES = {
    ProblemCode.JSON_INVALID: "structure",
    ProblemCode.ENTRY_INVALID: "structure",
    ProblemCode.ELEMENT_INVALID: "value",
    ProblemCode.TYPE_UNKNOWN: "not-supported",
    ProblemCode.MODIFIER_UNKNOWN: "extension",
    ProblemCode.DELETED: "deleted",
    ProblemCode.DUPLICATE: "duplicate",
    ProblemCode.CONFLICT: "conflict",
    ProblemCode.SUBJECT_UNRESOLVED: "not-found",
    ProblemCode.SUBJECT_AMBIGUOUS: "multiple-matches",
    ProblemCode.CODE_CONFLICT: "code-invalid",
    ProblemCode.CODE_DENIED: "code-invalid",
    ProblemCode.UNIT_UNKNOWN: "code-invalid",
}


def as_line(problem: Problem) -> bytes:
    """One problem with its file, line and path, and the resource it concerns."""
    issue = {
        "severity": problem.severity,
        "code": _TYPES.get(problem.code, "processing"),
        "details": {"coding": [{"system": _SYSTEM, "code": problem.code}], "text": f"{problem.what}; {problem.then}"},
        "diagnostics": " ".join(part for part in (problem.where, problem.resource) if part),
    }
    kept = {name: value for name, value in issue.items() if value}
    return encode({"resourceType": "OperationOutcome", "issue": [kept]}) + b"\n"
