"""The patient and the context in one search, where a server takes no batch: what refers to a Patient comes with it.

Servers cut such answers without a word: Azure at 100, HAPI at 500 resources (microsoft/fhir-server #1309, hapi-fhir
#6803); and as silently leave out the types that our credentials do not cover. So an answer counts for a type only where
something of it came, and where the whole is far from any such limit. Every other type is asked for alone: there a
refusal shows.
"""

from __future__ import annotations

from adapter.fhir.addresses import literal
from adapter.fhir_server.searching import Found
from adapter.job.answers import Delivered, delivered
from adapter.job.asking import CONTEXT, Offers, Question, is_offered

_FEW = 50


def with_context(patient: str, offers: Offers) -> Question | None:
    """The search for a patient and what refers to her; ``None`` where the server lists too little of it."""
    listed = offers["Patient"].reverse_includes if "Patient" in offers else frozenset()
    links = [_link(name, listed) for name in CONTEXT if is_offered(offers, name)]
    wanted = tuple(("_revinclude", link) for link in links if link)
    return Question("Patient", (("_id", patient.partition("/")[2]), *wanted)) if len(wanted) > 1 else None


def answered(question: Question, found: Found, patient: str) -> frozenset[str]:
    """The types, ``Patient`` among them, that are wholly answered; none where the answer cannot be relied on."""
    if not found.complete or len(found.pages) != 1:
        return frozenset()
    entries = delivered(found.pages[0]) or []
    if len(entries) > _FEW:
        return frozenset()
    wanted = {"Patient", *(value.partition(":")[0] for name, value in question.parameters if name == "_revinclude")}
    came = {each.local.partition("/")[0] for each in entries if _is_of(each, patient)}
    return frozenset(came & wanted) if "Patient" in came else frozenset()


def _link(name: str, listed: frozenset[str]) -> str:
    return next((link for link in (f"{name}:patient", f"{name}:subject") if link in listed), "")


def _is_of(entry: Delivered, patient: str) -> bool:
    subject = literal(entry.subject)
    return entry.local == patient or (subject is not None and subject.local == patient)
