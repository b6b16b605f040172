"""What to ask a server about one patient: only what the assessment can use, by code, in few questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.capabilities import Capabilities, TypeCapabilities
from adapter.fhir_server.client import FhirServer
from adapter.knowledge.model import Knowledge

# What refers to a resource that is needed beside it: the sample of a result, the members of a panel, what a score was
# derived from, the medicine of an order.
INCLUDES: Mapping[str, tuple[str, ...]] = {
    "Observation": ("has-member", "derived-from", "specimen"),
    "MedicationRequest": ("medication",),
    "MedicationStatement": ("medication",),
    "MedicationAdministration": ("medication",),
    "MedicationDispense": ("medication",),
}
# Asked without codes: what states a fracture or a disease is known by the beginnings of ICD-10 codes, and "token"
# search knows no beginnings (hl7.org/fhir/R4/search.html#token).
CONTEXT = (
    "Condition",
    "Procedure",
    "FamilyMemberHistory",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
    "MedicationDispense",
    "RiskAssessment",
)
_ESCAPED = str.maketrans({"\\": "\\\\", ",": "\\,", "$": "\\$", "|": "\\|"})


class Question(msgspec.Struct, frozen=True):
    """One search: the type, and the parameters in the order they are sent."""

    resource_type: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def alone(self) -> Question:
        """The same without what is asked for beside it."""
        return Question(self.resource_type, tuple(each for each in self.parameters if each[0] != "_include"))


Offers = Mapping[str, TypeCapabilities]


def known_codes(knowledge: Knowledge) -> tuple[str, ...]:
    """Every code of an Observation that means something to us, as ``system|code`` escaped for a search."""
    known = sorted({*knowledge.codes, *knowledge.factor_answers})
    return tuple(f"{system.translate(_ESCAPED)}|{code.translate(_ESCAPED)}" for system, code in known)


def said_by(server: FhirServer) -> Capabilities:
    """What a server says it can do; nothing, where it says nothing of itself, and then everything is tried.

    Raises:
        ServerError: It cannot be asked now.
    """
    try:
        return server.capabilities()
    except ServerError as error:
        if error.may_retry:
            raise
        return Capabilities()


def questions(patient: str, codes: Sequence[str], offers: Offers) -> list[Question]:
    """The searches that bring all that the assessment can use of one patient.

    Args:
        patient: ``Patient/1``.
        codes: What ``known_codes`` gave; without any, every Observation is asked for.
        offers: By resource type, what the server says it can do; empty where it says nothing at all.
    """
    return [
        Question("Observation", (*_about(patient, offers, "Observation"), *coded)) for coded in by_code(codes, offers)
    ] + [Question(name, _about(patient, offers, name)) for name in CONTEXT if is_offered(offers, name)]


def not_asked(offers: Offers) -> list[str]:
    """The types of context that this server does not offer, so that nothing of them can be known."""
    return [name for name in CONTEXT if not is_offered(offers, name)]


def is_offered(offers: Offers, name: str) -> bool:
    """Whether to ask: of a type that a server does not list, it has none, and would answer each patient by an error."""
    if name not in offers:
        return not offers
    interactions = offers[name].interactions
    return not interactions or "search-type" in interactions


def by_code(codes: Sequence[str], offers: Offers) -> Iterator[tuple[tuple[str, str], ...]]:
    """Ask for codes wherever they may stand: a DXA panel has its T-scores in components."""
    if not codes:
        yield ()
        return
    wanted, parameters = ",".join(codes), _parameters(offers, "Observation")
    if "combo-code" in parameters:
        yield (("combo-code", wanted),)
        return
    yield (("code", wanted),)
    if "component-code" in parameters:
        yield (("component-code", wanted),)


def _about(patient: str, offers: Offers, name: str) -> tuple[tuple[str, str], ...]:
    named = _parameters(offers, name)
    whose = "subject" if named and "patient" not in named and "subject" in named else "patient"
    includes = tuple(("_include", each) for each in _includes(offers, name))
    return ((whose, patient), *includes)


def _includes(offers: Offers, name: str) -> list[str]:
    """Those includes that the server lists; what is not delivered so is read by itself."""
    listed = offers[name].includes if name in offers else frozenset()
    wanted = [f"{name}:{link}" for link in INCLUDES.get(name, ())]
    return [each for each in wanted if each in listed or "*" in listed]


def _parameters(offers: Offers, name: str) -> frozenset[str]:
    return offers[name].search_parameters if name in offers else frozenset()
