"""Resources as one transaction: all are written or none, and none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapter.fhir.identity import IDENTIFIER_SYSTEM, PROVENANCE_TAG


def as_transaction(resources: Sequence[Mapping[str, Any]], *, by_own_id: bool = False) -> dict[str, Any]:
    """A transaction Bundle that creates what is not there yet; references between its entries use their URNs.

    Args:
        resources: What ``write`` gave.
        by_own_id: Put each resource at its own id; for servers whose CapabilityStatement says ``updateCreate``.
    """
    urns = {f"{resource['resourceType']}/{resource['id']}": f"urn:uuid:{resource['id']}" for resource in resources}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": _relinked(resource, urns),
                "request": _put(resource) if by_own_id else _post(resource),
            }
            for resource in resources
        ],
    }


def _post(resource: Mapping[str, Any]) -> dict[str, str]:
    """Create it unless it is there. A Provenance has no identifier, so it is found by its tag."""
    known_by = (
        f"_tag={PROVENANCE_TAG}|{resource['id']}"
        if resource["resourceType"] == "Provenance"
        else f"identifier={IDENTIFIER_SYSTEM}|urn:uuid:{resource['id']}"
    )
    return {"method": "POST", "url": resource["resourceType"], "ifNoneExist": known_by}


def _put(resource: Mapping[str, Any]) -> dict[str, str]:
    return {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}


def _relinked(resource: Mapping[str, Any], urns: Mapping[str, str]) -> dict[str, Any]:
    """The same resource, each reference to another entry replaced by that entry's URN.

    "If any resource in the Bundle refers to another by its fullUrl, the server replaces it" (hl7.org/fhir/R4/http.html
    #trules); so the three elements that do are rewritten, and the inputs, which are not in the Bundle, are not.
    """
    linked = dict(resource)
    if "performer" in linked:
        linked["performer"] = _by_urn(linked["performer"], urns)
    if "target" in linked:
        linked["target"] = [_by_urn(target, urns) for target in linked["target"]]
    if "agent" in linked:
        linked["agent"] = [{**agent, "who": _by_urn(agent["who"], urns)} for agent in linked["agent"]]
    return linked


def _by_urn(reference: Mapping[str, str], urns: Mapping[str, str]) -> dict[str, str]:
    written = reference["reference"]
    return {"reference": urns.get(written, written)}
