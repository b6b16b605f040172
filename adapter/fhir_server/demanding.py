"""What a server demands in a search beside what we ask for, and what we then add so that nothing is lost by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from adapter.fhir_server.messages import Response
from adapter.fhir_server.outcomes import outcome_of

_NAMES = re.compile(r"\b(category|status|intent)\b", re.IGNORECASE)
# US Core lets a server demand these and name what is missing in the OperationOutcome of a 400. Every code of the
# standard list is sent, so that the parameter is there and leaves out as little as can be: T-scores are imaging,
# smoking is social history, and what was entered in error must be heard of.
_EVERY: Mapping[tuple[str, str], str] = {
    ("Observation", "category"): "laboratory,imaging,procedure,exam,survey,social-history,vital-signs,therapy,activity",
    ("Observation", "status"): "final,amended,corrected,preliminary,registered,cancelled,entered-in-error,unknown",
    ("Condition", "category"): "problem-list-item,encounter-diagnosis,health-concern",
    ("Procedure", "status"): "completed,in-progress,preparation,on-hold,stopped,not-done,entered-in-error,unknown",
    ("FamilyMemberHistory", "status"): "completed,partial,entered-in-error,health-unknown",
    ("MedicationRequest", "status"): "active,completed,on-hold,stopped,cancelled,draft,entered-in-error,unknown",
    ("MedicationRequest", "intent"): (
        "order,original-order,instance-order,filler-order,reflex-order,plan,proposal,directive,option"
    ),
    ("MedicationStatement", "status"): ("active,completed,intended,stopped,on-hold,not-taken,entered-in-error,unknown"),
}


def demanded(resource_type: str, refusal: Response, sent: Iterable[str]) -> list[tuple[str, str]]:
    """The parameters that a refusal names as missing, with every value they may have; none where it names none.

    Args:
        resource_type: What was searched for.
        refusal: Its OperationOutcome is read for the names; its words go no further.
        sent: The names of the parameters that the server already had.
    """
    words = outcome_of(refusal.body).words
    names = dict.fromkeys(found.lower() for found in _NAMES.findall(words))
    had = set(sent)
    return [
        (name, _EVERY[resource_type, name]) for name in names if name not in had and (resource_type, name) in _EVERY
    ]
