"""What a server can do for us, found out without changing anything on it, and what to ask its administrator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.capabilities import Capabilities
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.writing_back_ways import TRANSACTION, expected_way
from adapter.job.asking import CONTEXT, INCLUDES, not_asked, questions

# Nobody's id: a search for it finds nothing and harms nothing.
_NOBODY = "Patient/osteo-fhir-doctor"
_NEEDED = ("Patient", "Observation")
_WRITTEN = ("Device", "RiskAssessment", "Provenance")
_WAYS = {
    "put": "at ids of our own (PUT)",
    "conditional": "by conditional create (If-None-Exist)",
    "search-then-create": "by looking first and then creating",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing about a server.

    Attributes:
        about: What it is about, in one word.
        told: What was found, as a sentence for people.
        ask: What to ask the administrator for; empty where it is well.
        hinders: Whether no run can succeed before that is mended.
    """

    about: str
    told: str
    ask: str = ""
    hinders: bool = False


class _Smart(msgspec.Struct, frozen=True):
    token_endpoint: str = ""
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


_smart_in = msgspec.json.Decoder(_Smart).decode


def examine(server: FhirServer, codes: Sequence[str]) -> list[Finding]:
    """Ask a server what it can do, and try a search that finds nobody; nothing is written.

    Args:
        server: Whom to ask.
        codes: What ``known_codes`` gave: the search that every patient needs is tried with all of them.
    """
    try:
        capabilities = server.capabilities()
    except ServerError as error:
        told = f"/metadata gives no CapabilityStatement: {error} [{error.code}]"
        ask = "check the address with its administrator: it must be the base of the FHIR API"
        unread = Finding("metadata", told, ask, hinders=error.status == 0)
        return [unread] if unread.hinders else [unread, _smart(server), _search(server, Capabilities(), codes)]
    return [
        _release(capabilities),
        _smart(server),
        *_reading(capabilities),
        _search(server, capabilities, codes),
        *_writing(capabilities),
    ]


def _release(capabilities: Capabilities) -> Finding:
    software = f" by {capabilities.software}" if capabilities.software else ""
    if capabilities.release is None:
        told = f"FHIR {capabilities.fhir_version or 'of no stated version'}{software}"
        return Finding("release", told, "which FHIR release is it? Then name it by --fhir", hinders=False)
    return Finding("release", f"FHIR {capabilities.release.name} ({capabilities.fhir_version}){software}")


def _smart(server: FhirServer) -> Finding:
    """What the server says about SMART Backend Services; asked without credentials."""
    url = f"{server.base}/.well-known/smart-configuration"
    try:
        answer = server.fetch(url, {"Accept": "application/json"}, with_credentials=False)
        found = _smart_in(answer.body) if answer.status == 200 else _Smart()
    except (ServerError, msgspec.MsgspecError):
        found = _Smart()
    if not found.token_endpoint:
        return Finding("smart", "no SMART configuration: bearer, basic, client certificates or no authorisation")
    algorithms = found.token_endpoint_auth_signing_alg_values_supported
    told = f"SMART: tokens are given, keys may sign with {', '.join(algorithms) or 'unstated algorithms'}"
    if algorithms and not {"RS384", "ES384"} & set(algorithms):
        return Finding("smart", told, "allow RS384 or ES384 for private_key_jwt")
    return Finding("smart", told)


def _reading(capabilities: Capabilities) -> Iterator[Finding]:
    """What can be read of a patient."""
    types = capabilities.types
    for name in _NEEDED:
        if types and name not in types:
            yield Finding("reading", f"{name} is not listed", f"let us read and search {name}", hinders=True)
    missing = not_asked(types)
    if missing:
        told = f"not offered, so nothing of them can be known: {', '.join(missing)}"
        yield Finding("reading", told, "are these really not kept there, or only not open to us?")
    elif types:
        yield Finding("reading", f"all of {', '.join(CONTEXT)} can be searched")
    wanted = [f"Observation:{link}" for link in INCLUDES["Observation"]]
    lacking = [each for each in wanted if not {each, "*"} & capabilities.of("Observation").includes]
    if lacking:
        yield Finding("reading", f"{', '.join(lacking)} cannot be included; what they name is read by further requests")


def _search(server: FhirServer, capabilities: Capabilities, codes: Sequence[str]) -> Finding:
    """Try the search that every patient needs, with every code."""
    question = questions(_NOBODY, codes, capabilities.types)[0]
    try:
        found = server.search(question.resource_type, question.parameters, most=1)
    except ServerError as error:
        ask = {
            401: "which credentials does it want? See the settings of authorisation",
            403: "let us search Observation for any patient",
        }.get(error.status, "why is a search of Observation by patient and code refused?")
        told = f"a search of Observation by patient and {len(codes)} codes fails: {error} [{error.code}]"
        return Finding("search", told, ask, hinders=error.status == 0 or not error.may_retry)
    if found.ignored:
        told = f"the search works, but {', '.join(found.ignored)} is ignored: more comes than is needed"
        return Finding("search", told, f"support {', '.join(found.ignored)} in searches of Observation")
    return Finding("search", f"a search of Observation by patient and {len(codes)} codes works")


def _writing(capabilities: Capabilities) -> Iterator[Finding]:
    """In which way an assessment will be written, as far as the server says."""
    way, manner = expected_way(capabilities)
    how = (
        "each assessment in one transaction" if way == TRANSACTION else "Device, RiskAssessment, Provenance one by one"
    )
    if manner is None:
        yield Finding("writing", "there is no way to write once and not twice", "allow update-as-create", hinders=True)
    else:
        yield Finding("writing", f"{how}, {_WAYS[manner]}; other ways are tried if that is refused")
    types = capabilities.types
    unlisted = [name for name in _WRITTEN if types and not {"create", "update"} & capabilities.of(name).interactions]
    if unlisted:
        told = f"not listed as writable: {', '.join(unlisted)}; it is tried all the same"
        yield Finding("writing", told, f"let us create and update {', '.join(unlisted)}")
