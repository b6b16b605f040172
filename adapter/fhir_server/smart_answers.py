"""What discovery and token servers answer, read with care: an answer never decides where a secret goes."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir_server.authorisation import bearer
from adapter.fhir_server.keys import Algorithm
from adapter.fhir_server.messages import Response
from adapter.fhir_server.origins import is_loopback, origin
from adapter.fhir_server.outcomes import error_of

# "the recommended value is 300" (hl7.org/fhir/smart-app-launch/backend-services.html); taken where none is said.
_USUAL_LIFE = 300.0
_LONGEST_LIFE = 86_400.0
# The errors of rfc-editor.org/rfc/rfc6749#section-5.2, and what the operator can do about each.
_ADVICE = {
    "invalid_client": "the server does not know the client or its key; check client_id, kid and the registered JWKS",
    "invalid_scope": "the server does not grant these scopes; set scopes to those that were registered",
    "invalid_request": "the server does not take the form of the request",
    "invalid_grant": "the server does not take the assertion",
    "unauthorized_client": "the client may not use client_credentials; ask the administrator",
    "unsupported_grant_type": "the server does not offer client_credentials",
}
# An assertion, a token or a key echoed by the server is longer than any word.
_LONG = re.compile(r"[\w\-+/=.]{25,}")


class Configuration(msgspec.Struct, frozen=True):
    """What ``.well-known/smart-configuration`` says, as far as it is used; an empty tuple is *not said*."""

    token_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class Token(msgspec.Struct, frozen=True):
    """An access token, and when to ask for the next one.

    Attributes:
        header: The ``Authorization`` header that carries it.
        renew_at: On the clock that only grows.
        scope: What was granted; empty where the server did not say, which means all that was asked.
    """

    header: str
    renew_at: float
    scope: str = ""


class _Granted(msgspec.Struct, frozen=True):
    access_token: str = ""
    token_type: str = "bearer"  # noqa: S105 - a kind of token, and none itself
    expires_in: object = None
    scope: str | None = None


class _Refused(msgspec.Struct, frozen=True):
    error: str = ""
    error_description: str = ""


_configuration_in = msgspec.json.Decoder(Configuration).decode
_granted_in = msgspec.json.Decoder(_Granted).decode
_refused_in = msgspec.json.Decoder(_Refused).decode


def configuration_of(response: Response) -> Configuration | None:
    """The SMART configuration in an answer; ``None`` where the server has none."""
    if response.status != 200:
        return None
    try:
        return _configuration_in(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def refuse_unfit(configuration: Configuration, algorithm: Algorithm) -> None:
    """Say it before any try, if the server says that it will not take our way of proving who we are.

    Raises:
        ServerError: It takes other methods or algorithms.
    """
    methods = configuration.token_endpoint_auth_methods_supported
    if methods and "private_key_jwt" not in methods:
        raise ServerError(
            "the server does not offer private_key_jwt, the way of SMART Backend Services", code="no-smart"
        )
    algorithms = configuration.token_endpoint_auth_signing_alg_values_supported
    if algorithms and algorithm not in algorithms:
        others = [each for each in ("ES384", "RS384") if each in algorithms]
        advice = f"make a key with `osteo-fhir keys new --alg {others[0]}`" if others else "ask the administrator"
        raise ServerError(f"the server does not take {algorithm}; {advice}", code="algorithm-refused")


def trusted_endpoint(url: str, *, base: str, allowed: Collection[str]) -> str:
    """A discovered token endpoint, if it may be told who we are: on the server's own host by https, or allowed by name.

    Args:
        url: What discovery gave.
        base: The FHIR server's base address.
        allowed: Other origins that the operator trusts.

    Raises:
        ServerError: It is none of these; nothing was sent there.
    """
    found, own = origin(url), origin(base)
    if found is None or own is None:
        raise ServerError("the token endpoint that the server names is no http address", code="token-endpoint-refused")
    is_protected = found[0] == "https" or is_loopback(found[1])
    if (is_protected and found[1] == own[1]) or found in {origin(each) for each in allowed}:
        return url
    where = f"{found[0]}://{found[1]}:{found[2]}"
    raise ServerError(
        f"the server names a token endpoint at {where}: not its own host by https. "
        "If the administrator confirms it, set token_url or add it to allowed_origins",
        code="token-endpoint-refused",
    )


def configured_endpoint(url: str, *, allowed: Collection[str]) -> str:
    """The token endpoint that the operator has set, if nobody can listen on the way.

    Raises:
        SettingsInvalid: It is plain http to another machine, and not among the origins that the operator trusts.
    """
    found = origin(url)
    if found is not None and (found[0] == "https" or is_loopback(found[1])):
        return url
    if found is None or found not in {origin(each) for each in allowed}:
        raise SettingsInvalid("token_url: expected an https address; plain http only to this machine")
    return url


def token_of(response: Response, *, asked_at: float) -> Token:
    """The token in an answer.

    Args:
        response: What the token endpoint said.
        asked_at: When it was asked; its life is counted from there.

    Raises:
        ServerError: It was refused, or the answer is no token response; no secret is in the text.
    """
    if response.status != 200:
        raise _refusal(response)
    try:
        granted = _granted_in(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        granted = _Granted()
    if granted.token_type.lower() != "bearer" or not re.fullmatch(r"[!-~]+", granted.access_token):
        what = "the token endpoint answered something else than a bearer token"
        raise ServerError(what, code="unexpected-content", status=response.status)
    life = _life(granted.expires_in)
    return Token(bearer(granted.access_token), asked_at + life - min(30.0, life * 0.2), granted.scope or "")


def _life(expires_in: object) -> float:
    """Seconds that a token lives; servers also write them as text, and 0 where they mean to say nothing."""
    try:
        seconds = float(str(expires_in))
    except ValueError:
        return _USUAL_LIFE
    # A comparison with NaN is false, so that NaN is no life either.
    return min(seconds, _LONGEST_LIFE) if seconds > 0 else _USUAL_LIFE


def _refusal(response: Response) -> ServerError:
    try:
        refused = _refused_in(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refused = _Refused()
    if refused.error not in _ADVICE:
        failed = error_of(response)
        return ServerError(
            f"the token endpoint gave no token: {failed}",
            code="no-token",
            status=response.status,
            may_retry=failed.may_retry,
            request_id=failed.request_id,
        )
    said = _LONG.sub("…", refused.error_description)[:200]
    told = f"{refused.error}: {_ADVICE[refused.error]}{f' (the server says: {said})' if said else ''}"
    return ServerError(told, code=refused.error, status=response.status, request_id=error_of(response).request_id)
