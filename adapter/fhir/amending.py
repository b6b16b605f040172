"""What becomes of an earlier assessment: a newer one names it, it is taken back, or it holds again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RETRACTED = "entered-in-error"
# What of meta a client may say; the rest is the server's. Medplum adds elements of its own that are no FHIR.
_OUR_META = ("profile", "security", "tag")


def superseding(resources: Sequence[Mapping[str, Any]], old_reference: str) -> list[dict[str, Any]]:
    """The same resources, the RiskAssessment and its Provenance naming the assessment that they replace.

    RiskAssessment has no element for what it replaces. ``parent``, "a reference to a resource that this risk assessment
    is part of", is the one that links assessments; Provenance says what the link means by the role ``revision``.
    R4, R4B and R5 have both (their definitions of RiskAssessment.parent and of provenance-entity-role).

    Args:
        resources: What ``write`` gave.
        old_reference: The earlier assessment on the same server, with its version where that is known.
    """
    old = {"reference": old_reference}
    return [_naming(resource, old) for resource in resources]


def restated(found: Mapping[str, Any], *, status: str, why: str) -> dict[str, Any]:
    """An assessment with another status: its text stays as it was, and a note says why the status changed.

    Args:
        found: The resource as it stands on the server.
        status: The new status, ``RETRACTED`` where it no longer holds.
        why: The reason, as a sentence for clinicians.
    """
    meta = found.get("meta", {})
    ours = {name: meta[name] for name in _OUR_META if name in meta}
    changed = {name: value for name, value in found.items() if name != "meta"}
    return {
        **{name: changed.pop(name) for name in ("resourceType", "id") if name in changed},
        **({"meta": ours} if ours else {}),
        **changed,
        "status": status,
        "note": [*found.get("note", ()), {"text": why}],
    }


def _naming(resource: Mapping[str, Any], old: Mapping[str, str]) -> dict[str, Any]:
    if resource["resourceType"] == "RiskAssessment":
        return {**resource, "parent": old}
    if resource["resourceType"] == "Provenance":
        return {**resource, "entity": [*resource.get("entity", ()), {"role": "revision", "what": old}]}
    return dict(resource)
