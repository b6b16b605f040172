"""An AuditEvent: that a patient's record was read or changed, by whom and when, and never what stood in it.

The form is that of a RESTful exchange as the client records it (IHE BALP): the client is the "Source Role ID", the
server the "Destination Role ID", also where data flow the other way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.fhir.device import DEVICE_ID, NAME, VERSION
from adapter.fhir.identity import identifier
from adapter.fhir.releases import WRITTEN, Release

Json = dict[str, Any]
_EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_OUTCOME = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
# What was done, as an interaction of FHIR, and the letter of audit-event-action for it.
READ, EXPORTED, CREATED, CHANGED = ("search", "E"), ("operation", "E"), ("create", "C"), ("update", "U")
_SUCCESS, _FAILURE = ("0", "Success"), ("4", "Minor failure")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to whose record.

    Attributes:
        done: ``READ``, ``EXPORTED``, ``CREATED`` or ``CHANGED``.
        patient: Whose record, as ``Patient/1``; empty where it is about many.
        others: References of what else it is about: what was written, the Group that was exported.
        succeeded: Whether it went well.
    """

    done: tuple[str, str]
    patient: str = ""
    others: tuple[str, ...] = ()
    succeeded: bool = True


def audit_event(event: Event, *, id_: str, server: str, recorded: str, release: Release) -> Json:
    """One event as a FHIR resource.

    Args:
        event: What was done.
        id_: The event's own id.
        server: Base address of the server.
        recorded: The moment, as an instant.
        release: The release in which it is written.
    """
    interaction, action = event.done
    us = {"identifier": identifier(DEVICE_ID), "display": f"{NAME} {VERSION}"}
    entities = [_entity(event.patient, ("1", "Person"), ("1", "Patient"), release)] if event.patient else []
    entities += [_entity(each, ("2", "System Object"), ("4", "Domain Resource"), release) for each in event.others]
    code, told = _SUCCESS if event.succeeded else _FAILURE
    written: Json = {
        "resourceType": "AuditEvent",
        "id": id_,
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{interaction} {recorded}</p></div>',
        },
        **_kind(interaction, release),
        "action": action,
        "recorded": recorded,
        "outcome": {"code": _coding(_OUTCOME, code, told)} if _has_concepts(release) else code,
        "agent": [
            _agent(_coding(_DICOM, "110153", "Source Role ID"), us, requestor=True),
            _agent(_coding(_DICOM, "110152", "Destination Role ID"), {"display": server}, requestor=False),
        ],
        "source": {"observer": us},
    }
    return {**written, "entity": entities} if entities else written


def _kind(interaction: str, release: Release) -> Json:
    rest = _coding(_EVENT_TYPE, "rest", "RESTful Operation")
    done = _coding(_INTERACTION, interaction, interaction)
    if _has_concepts(release):
        return {"category": [{"coding": [rest]}], "code": {"coding": [done]}}
    return {"type": rest, "subtype": [done]}


def _entity(reference: str, kind: tuple[str, str], role: tuple[str, str], release: Release) -> Json:
    what, played = {"what": {"reference": reference}}, _coding(_ROLE, *role)
    if _has_concepts(release):
        return {**what, "role": {"coding": [played]}}
    return {**what, "type": _coding(_ENTITY_TYPE, *kind), "role": played}


def _agent(role: Json, who: Json, *, requestor: bool) -> Json:
    return {"type": {"coding": [role]}, "who": who, "requestor": requestor}


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}


def _has_concepts(release: Release) -> bool:
    return WRITTEN[release].audit_has_concepts
