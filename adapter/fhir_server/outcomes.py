"""What an answer means: a success, or an error that says who can help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.messages import Response

# Oracle answers the second-last by its old name; others leave FHIR out.
_JSON_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})
_NDJSON_TYPES = frozenset({"application/fhir+ndjson", "application/ndjson", "application/x-ndjson"})
# Worth another try, whatever the status (hl7.org/fhir/R4/valueset-issue-type.html).
TRANSIENT_ISSUES = frozenset({"lock-error", "transient", "throttled", "timeout", "no-store", "incomplete"})
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_HARMLESS = frozenset({"warning", "information", "success"})
# What a warning says beside results that are not all there are: "the returned information might not be complete",
# "might not have been returned due to … access permission constraints" (hl7.org/fhir/R4/valueset-issue-type.html).
_PARTIAL = frozenset({"incomplete", "suppressed", "timeout", "too-costly", "throttled", "transient"})
_ADVICE = {
    401: "the credentials were refused; check the authorisation settings",
    403: "the credentials do not allow this; ask the administrator for the scope",
    404: "not found; check the base address",
    405: "the server does not allow this interaction",
    409: "the server reports a conflict with another change",
    410: "the resource is gone",
    412: "a precondition failed",
    413: "the request is too large for the server",
    415: "the server does not take this content type",
    422: "the server refuses the content by its own rules",
    429: "the server asks for fewer requests",
}


class Issue(msgspec.Struct, frozen=True):
    """One issue of an OperationOutcome, without its words: they may name the patient."""

    severity: str = ""
    code: str = ""
    expression: tuple[str, ...] = ()

    def told(self) -> str:
        """Severity, code and element in one word group."""
        return " ".join((self.severity, self.code, *self.expression)).strip()


class Outcome(msgspec.Struct, frozen=True):
    """An OperationOutcome as far as it is read.

    Attributes:
        issues: Without words.
        words: What it says for people; read to find a demanded parameter, never shown.
    """

    issues: tuple[Issue, ...] = ()
    words: str = ""

    @property
    def is_grave(self) -> bool:
        """Whether it says that something failed; an issue that does not say how severe it is may mean that, too."""
        return any(each.severity.lower() not in _HARMLESS for each in self.issues)

    @property
    def is_partial(self) -> bool:
        """Whether it says that something may be missing of what it stands beside."""
        return any(each.code.lower() in _PARTIAL for each in self.issues)


_json_in = msgspec.json.Decoder().decode


def outcome_of(body: bytes) -> Outcome:
    """The OperationOutcome in a body; an empty one where there is none.

    One element that is not as FHIR says hides none of the others: an error in an odd shape is an error all the same.
    """
    try:
        found = _json_in(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Outcome()
    if not isinstance(found, dict) or found.get("resourceType") != "OperationOutcome":
        return Outcome()
    listed = [each if isinstance(each, dict) else {} for each in _listed(found.get("issue"))]
    return Outcome(tuple(map(_issue, listed)), " ".join(map(_words, listed)))


def _issue(said: Mapping[str, object]) -> Issue:
    expression = filter(None, map(_text, _listed(said.get("expression"))))
    return Issue(_text(said.get("severity")), _text(said.get("code")), tuple(expression))


def _words(said: Mapping[str, object]) -> str:
    details = said.get("details")
    told = details.get("text") if isinstance(details, dict) else details
    return f"{_text(said.get('diagnostics'))} {_text(told)}"


def _listed(found: object) -> list[object]:
    """What stands in a list, or alone where a list should be."""
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def checked(response: Response, *, kinds: Sequence[str] = ()) -> Response:
    """The answer, if it is one that a FHIR server gives on success.

    Args:
        response: What came.
        kinds: Content types that are taken beside JSON's.

    Raises:
        ServerError: The status says no, or the content is none of FHIR's: a login page is not "no data".
    """
    if not 200 <= response.status < 300:
        raise error_of(response)
    kind = content_type(response)
    if response.body.strip() and kind and kind not in _JSON_TYPES and kind not in kinds:
        what = "expected FHIR JSON, found another content type, perhaps the page of a login or a proxy"
        raise ServerError(what, code="unexpected-content", status=response.status, request_id=request_id(response))
    if response.body.lstrip()[:1] == b"<":
        what = "the answer is called JSON and is markup"
        raise ServerError(what, code="unexpected-content", status=response.status, request_id=request_id(response))
    return response


def ndjson_types() -> frozenset[str]:
    """The names under which servers send NDJSON."""
    return _NDJSON_TYPES


def error_of(response: Response) -> ServerError:
    """The error that an answer stands for, with the issues of its OperationOutcome."""
    issues = outcome_of(response.body).issues
    status = response.status
    told = "; ".join(issue.told() for issue in issues[:5])
    advice = _ADVICE.get(status, "the server failed" if status >= 500 else "the server refused")
    return ServerError(
        f"HTTP {status}: {advice}{f' ({told})' if told else ''}",
        code=f"http-{status}",
        status=status,
        may_retry=is_transient(response),
        issues=[issue.told() for issue in issues],
        request_id=request_id(response),
    )


def is_transient(response: Response) -> bool:
    """Whether time may mend it: by the status, or by an issue that says so under any status."""
    if response.status in TRANSIENT_STATUSES or response.status == 423:
        return True
    return response.status >= 400 and any(issue.code in TRANSIENT_ISSUES for issue in outcome_of(response.body).issues)


def content_type(response: Response) -> str:
    """The media type without its parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def request_id(response: Response) -> str:
    """What the server calls the exchange."""
    return response.headers.get("x-request-id", "")[:100]
