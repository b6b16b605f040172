"""What to ask a token for, and whether what was granted is enough."""

from __future__ import annotations

from collections.abc import Collection

_READ = (
    "Patient",
    "Observation",
    "Condition",
    "Procedure",
    "FamilyMemberHistory",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
    "MedicationDispense",
    "Medication",
    "Specimen",
    "Organization",
)
_WRITTEN = ("RiskAssessment", "Device", "Provenance")
# Without these there is nothing to do; a server may well not know the others.
_ESSENTIAL = ("Patient", "Observation", "RiskAssessment")
# ".read" means ".rs", ".write" means ".cud" (hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html).
_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}


def scopes_for(capabilities: Collection[str]) -> str:
    """The least that the adapter needs, in the form the server understands: v2 where it says so, else v1.

    Nothing is ever deleted, so ``d`` is not asked for where it can be left out.
    """
    if "permission-v2" in capabilities:
        asked = [f"system/{each}.rs" for each in _READ] + [f"system/{each}.crus" for each in _WRITTEN]
    else:
        asked = [f"system/{each}.read" for each in (*_READ, *_WRITTEN)]
        asked += [f"system/{each}.write" for each in _WRITTEN]
    return " ".join(asked)


def not_granted(asked: str, granted: str) -> tuple[str, ...]:
    """What was asked for, is essential, and was not granted: ``RiskAssessment.cu``."""
    missing = {each: _letters(asked, each) - _letters(granted, each) for each in _ESSENTIAL}
    return tuple(
        f"{each}.{''.join(letter for letter in 'cruds' if letter in letters)}"
        for each, letters in missing.items()
        if letters
    )


def _letters(scopes: str, resource_type: str) -> set[str]:
    """The interactions that the scopes allow on a type: ``c r u d s``; a restriction after ``?`` still allows some."""
    allowed: set[str] = set()
    for scope in scopes.split():
        context, _, rest = scope.partition("/")
        name, _, access = rest.partition("?")[0].partition(".")
        if context in ("system", "user") and name in (resource_type, "*"):
            allowed.update(_LETTERS.get(access, access))
    return allowed
