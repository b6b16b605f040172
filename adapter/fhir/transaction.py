"""Resources as one transaction: all are written or none, and none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapter.fhir.identity import IDENTIFIER_SYSTEM, PROVENANCE_TAG, entry_urn
from adapter.fhir.standing import Standing, entries_of, object_in, resource_of, standing_at

Json = Mapping[str, Any]
_NOTHING_ELSEWHERE: Mapping[str, str] = {}


def as_transaction(
    resources: Sequence[Json], *, by_own_id: bool = False, elsewhere: Mapping[str, str] = _NOTHING_ELSEWHERE
) -> dict[str, Any]:
    """A transaction Bundle that creates what is not there yet; references between its entries use their URNs.

    Args:
        resources: What ``write`` gave.
        by_own_id: Put each resource at its own id; for servers whose CapabilityStatement says ``updateCreate``.
        elsewhere: Where those stand that are on the server already and are no entries here.
    """
    urns = {f"{resource['resourceType']}/{resource['id']}": entry_urn(resource["id"]) for resource in resources}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": entry_urn(resource["id"]),
                "resource": relinked(resource, {**elsewhere, **urns}),
                "request": _put(resource) if by_own_id else _post(resource),
            }
            for resource in resources
        ],
    }


def condition(resource: Json) -> str:
    """The search that finds this resource and no other. A Provenance has no identifier, so it is found by its tag."""
    if resource["resourceType"] == "Provenance":
        return f"_tag={PROVENANCE_TAG}|{resource['id']}"
    return f"identifier={IDENTIFIER_SYSTEM}|urn:uuid:{resource['id']}"


def relinked(resource: Json, places: Mapping[str, str]) -> dict[str, Any]:
    """The same resource, each reference to another of ours replaced by the place that one has.

    "If any resource in the Bundle refers to another by its fullUrl, the server replaces it" (hl7.org/fhir/R4/http.html
    #trules); so the three elements that do are rewritten, and the inputs, which are not in the Bundle, are not.
    """
    linked = dict(resource)
    if "performer" in linked:
        linked["performer"] = _placed(linked["performer"], places)
    if "target" in linked:
        linked["target"] = [_placed(target, places) for target in linked["target"]]
    if "agent" in linked:
        linked["agent"] = [{**agent, "who": _placed(agent["who"], places)} for agent in linked["agent"]]
    return linked


def answered(body: bytes, transaction: Json) -> list[tuple[Standing, bool]] | None:
    """Where each entry stands now and whether it was created; ``None`` where the answer does not say so for each.

    "The entries in the response SHALL be in the same order" (hl7.org/fhir/R4/http.html#transaction-response), so each
    is held against the entry at its place: one of another type, one missing or one that failed makes all unclear.
    """
    entries = entries_of(object_in(body))
    if len(entries) != len(transaction["entry"]):
        return None
    places = [_answered_entry(entry, asked) for entry, asked in zip(entries, transaction["entry"], strict=True)]
    told = [place for place in places if place is not None]
    return told if len(told) == len(places) else None


def _answered_entry(entry: object, asked: Json) -> tuple[Standing, bool] | None:
    response = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(response, dict):
        return None
    # "201 Created" in most servers, "201" in Medplum.
    status = str(response.get("status", ""))
    place = standing_at(
        str(response.get("location", "")),
        etag=str(response.get("etag", "")),
        body=resource_of(entry),
        resource_type=asked["resource"]["resourceType"],
    )
    return (place, status.startswith("201")) if place is not None and status.startswith("2") else None


def _post(resource: Json) -> dict[str, str]:
    return {"method": "POST", "url": resource["resourceType"], "ifNoneExist": condition(resource)}


def _put(resource: Json) -> dict[str, str]:
    return {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}


def _placed(reference: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    written = reference["reference"]
    return {"reference": places.get(written, written)}
