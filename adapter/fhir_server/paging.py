"""One page of a search: what it holds, whether the server understood us, and where the next one is."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.messages import Response
from adapter.fhir_server.outcomes import TRANSIENT_ISSUES, Outcome, outcome_of, request_id


class _Link(msgspec.Struct, frozen=True):
    relation: str = ""
    url: str = ""


class _Resource(msgspec.Struct, frozen=True):
    resourceType: str = ""  # noqa: N815 - FHIR's name


class _Mode(msgspec.Struct, frozen=True):
    mode: str = ""


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw()
    search: _Mode | None = None


class _Meta(msgspec.Struct, frozen=True):
    lastUpdated: str = ""  # noqa: N815 - FHIR's name


class _Bundle(msgspec.Struct, frozen=True):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    type: str = ""
    link: tuple[_Link, ...] = ()
    entry: tuple[_Entry, ...] = ()
    meta: _Meta = _Meta()


class Page(msgspec.Struct, frozen=True):
    """One page of a searchset.

    Attributes:
        next: Where the next page is, as written; empty on the last. An empty page may have one.
        self: What the server says it searched for; empty if it does not say.
        entries: How many entries it holds, be they matches or not.
        last_updated: ``meta.lastUpdated`` of the Bundle: the server's clock.
        is_partial: Whether the server says that it left something out: Azure cuts what is included at a hundred.
    """

    next: str = ""
    self: str = ""
    entries: int = 0
    last_updated: str = ""
    is_partial: bool = False


_OUTCOME = b"OperationOutcome"
_bundle_in = msgspec.json.Decoder(_Bundle).decode
_resource_in = msgspec.json.Decoder(_Resource).decode


def page_of(answer: Response) -> Page:
    """Read the page in an answer.

    Raises:
        ServerError: It is no searchset, or a server's error dressed up as one: Oracle and athena send an
            OperationOutcome of severity error within a 200.
    """
    try:
        bundle = _bundle_in(answer.body)
        outcomes = [outcome_of(bytes(entry.resource)) for entry in bundle.entry if _is_outcome(entry)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServerError("the answer to a search is not readable as JSON", code="unexpected-content") from error
    if bundle.resourceType == "OperationOutcome":
        raise failed([outcome_of(answer.body)], request_id(answer))
    if bundle.resourceType != "Bundle":
        raise ServerError("the answer to a search is no Bundle", code="unexpected-content")
    if any(outcome.is_grave for outcome in outcomes):
        raise failed(outcomes, request_id(answer))
    links = {link.relation: link.url for link in reversed(bundle.link)}
    is_partial = any(outcome.is_partial for outcome in outcomes)
    return Page(links.get("next", ""), links.get("self", ""), len(bundle.entry), bundle.meta.lastUpdated, is_partial)


def ignored_parameters(sent: Sequence[tuple[str, str]], self_link: str) -> tuple[str, ...]:
    """The parameters we sent that are missing from what the server says it searched for.

    "the server SHALL return the parameters that were actually used" (hl7.org/fhir/R4/search.html#conformance). A self
    link without any parameter of ours says nothing: some servers repeat only the address, or a key of their own.
    """
    used = {_plain(name) for name, _ in parse_qsl(urlsplit(self_link).query, keep_blank_values=True)}
    names = {name.partition(":")[0]: _plain(name) for name, _ in sent}
    missing = tuple(name for name, plain in names.items() if plain not in used and plain != "_count")
    return missing if used.intersection(names.values()) else ()


def failed(outcomes: Sequence[Outcome], request_id: str) -> ServerError:
    """The error of a search that came back as 200 with an OperationOutcome that says otherwise."""
    issues = [issue for outcome in outcomes for issue in outcome.issues]
    told = "; ".join(issue.told() for issue in issues[:5])
    transient = any(issue.code in TRANSIENT_ISSUES for issue in issues)
    return ServerError(
        f"the server reports that the search failed ({told})",
        code="search-failed",
        status=200,
        may_retry=transient,
        issues=[issue.told() for issue in issues],
        request_id=request_id,
    )


def _plain(name: str) -> str:
    """A parameter's name without modifier; a patient is a subject, and some servers say the one for the other."""
    plain = name.partition(":")[0]
    return "subject" if plain == "patient" else plain


def _is_outcome(entry: _Entry) -> bool:
    # Most entries are matches, and say no such word; an error that is called a match is an error all the same.
    if not entry.resource or (entry.search and entry.search.mode == "match" and _OUTCOME not in bytes(entry.resource)):
        return False
    try:
        return _resource_in(entry.resource).resourceType == "OperationOutcome"
    except msgspec.ValidationError:
        # A broken entry costs no other: the pipeline sets it aside.
        return False
