"""Identities that follow from content: the same assessment of the same evidence is always the same resource."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha1
from uuid import UUID

from adapter.clinical.assessment import Assessment, Evidence
from adapter.clinical.patient import Patient
from adapter.clinical.results import MarkerResult
from adapter.clinical.time import ClinicalTime
from adapter.fhir.releases import Release
from adapter.knowledge.model import Knowledge

# Made once for this adapter and never to be changed: every identifier ever written follows from it.
_NAMESPACE = UUID("2f0e3f0c-5d1b-5c1e-9a55-6d0c8f4b7a31").bytes
# "the identifier.system is urn:ietf:rfc:3986 when the value is a full URI" (hl7.org/fhir/R4/datatypes.html#Identifier)
IDENTIFIER_SYSTEM = "urn:ietf:rfc:3986"
# The name space of all our own codes, as in mappings/.
LOCAL = "urn:osteo-fhir"
# Provenance has no identifier to search by; a tag can be searched on every resource.
PROVENANCE_TAG = f"{LOCAL}:provenance"
# A change of the method makes new assessments of the same evidence; a change of texts or of code does not.
METHOD_VERSION = "1"
_ID = r"[A-Za-z0-9\-.]{1,64}"
IS_ID = re.compile(_ID, re.ASCII)
# Relative, absolute, or the fullUrl of an entry in the same Bundle (hl7.org/fhir/R4/references.html#literal).
IS_REFERENCE = re.compile(
    rf"[A-Z][A-Za-z]+/{_ID}(/_history/{_ID})?|https?://\S+|urn:uuid:[0-9a-f-]{{36}}|urn:oid:[0-2](\.\d+)+|#{_ID}",
    re.ASCII,
)

# What nearly every reference is: asked first.
_IS_VERSIONED = re.compile(rf"[A-Z][A-Za-z]+/{_ID}/_history/{_ID}", re.ASCII)


def assessment_id(assessment: Assessment, knowledge: Knowledge, *, release: Release) -> str:
    """The id of one assessment: who, by which method and knowledge, on which evidence, with which conclusion.

    The moment is no part of it, so a second run writes nothing twice. The conclusion is: evidence that has grown
    too old, or a birthday, can change it while no record changes.
    """
    conclusion = (
        assessment.stratum,
        assessment.stratum_rule or "",
        assessment.turnover,
        assessment.plan or "",
        *assessment.gates,
        *assessment.flags,
        *assessment.missing,
    )
    evidence = sorted({_trace(used) for used in assessment.evidence})
    parts = (assessment.patient.reference, METHOD_VERSION, knowledge.fingerprint, release, *conclusion, "", *evidence)
    return _uuid5("\n".join(parts))


def device_id(version: str) -> str:
    """The id of this adapter as a Device: one per version of it."""
    return _uuid5(f"device\n{version}")


def provenance_id(assessment: str) -> str:
    """The id of the Provenance of the assessment with this id."""
    return _uuid5(f"provenance\n{assessment}")


# Asked for twice while one transaction is made.
@lru_cache(maxsize=64)
def entry_urn(id_: str) -> str:
    """The URN of a resource within one Bundle; never the one in its identifier.

    Medplum (4.5.2) replaces a fullUrl wherever it stands in an entry, in identifiers and conditions too.
    """
    entry = _uuid5(f"entry\n{id_}")
    return f"urn:uuid:{entry}"


def identifier(id_: str) -> dict[str, str]:
    """The business identifier that goes with an id."""
    return {"system": IDENTIFIER_SYSTEM, "value": f"urn:uuid:{id_}"}


def reference_to(resource: str, version: str) -> dict[str, str]:
    """A reference to exactly the version that was read, where the version is known.

    What cannot be written as a reference (an id with characters FHIR forbids) is named in ``display`` instead.
    """
    versioned = f"{resource}/_history/{version}"
    if _IS_VERSIONED.fullmatch(versioned):
        return {"reference": versioned}
    if not IS_REFERENCE.fullmatch(resource):
        return {"display": resource}
    has_history = not resource.startswith(("urn:", "#")) and "/_history/" not in resource
    if has_history and IS_ID.fullmatch(version):
        return {"reference": versioned}
    return {"reference": resource}


def _uuid5(name: str) -> str:
    """``uuid.uuid5`` of a name in our name space, as text, in a third of its time: two are made for each patient."""
    digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) % 4]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def _trace(used: Evidence) -> str:
    """What tells this evidence from any other; its content where the server gave no version."""
    result = used.result
    if isinstance(result, Patient):
        return f"Patient {result.sex} {_text(result.birth_date)}"
    if result.version:
        return f"{result.resource}/_history/{result.version}"
    if isinstance(result, MarkerResult):
        amount = f"{result.digits} {result.received_unit}"
        return f"{result.resource} {result.marker} {amount} {_text(result.effective)} {result.status}"
    when = f"{_text(result.since)} {_text(result.until)} {result.ended}"
    return f"{result.resource} {result.kind} {result.present} {result.amount} {when}"


def _text(time: ClinicalTime | None) -> str:
    return time.text if time else ""
