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


def _relinked(node: Any, urns: Mapping[str, str]) -> Any:  # noqa: ANN401 - a JSON value of any shape
    """The same resource, each reference to another entry replaced by that entry's URN."""
    match node:
        case dict():
            return {
                name: urns.get(part, part) if name == "reference" else _relinked(part, urns)
                for name, part in node.items()
            }
        case list():
            return [_relinked(part, urns) for part in node]
        case _:
            return node
