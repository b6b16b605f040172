"""SMART Backend Services: a signed assertion for a short-lived token, one at a time for all threads.

The specification: hl7.org/fhir/smart-app-launch/backend-services.html and client-confidential-asymmetric.html.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from urllib.parse import urlencode
from uuid import uuid4

import msgspec

from adapter.errors import ServerError
from adapter.fhir_server.capabilities import capabilities_of
from adapter.fhir_server.keys import SigningKey
from adapter.fhir_server.limits import Clock, SystemClock
from adapter.fhir_server.messages import Request, Response, Transport
from adapter.fhir_server.origins import below, is_same_origin
from adapter.fhir_server.outcomes import error_of, is_transient
from adapter.fhir_server.retrying import Patience, wait_before_retry
from adapter.fhir_server.smart_answers import (
    Configuration,
    Token,
    configuration_of,
    configured_endpoint,
    refuse_unfit,
    token_of,
    trusted_endpoint,
)
from adapter.fhir_server.smart_scopes import not_granted, scopes_for

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# "exp … no more than five minutes in the future": a minute is left for a server whose clock is behind ours.
_LIFE_OF_ASSERTION = 299 - 60
# A server that refuses every token, or gives none, is not asked for another one at each request.
_PAUSE = 10.0
_REQUEST_SECONDS = 30.0


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to the server, and whom we trust.

    Attributes:
        client_id: As registered.
        key: Signs for us.
        token_url: Where to ask; empty lets the server's own discovery decide.
        scopes: What to ask for; empty is the least that the adapter needs.
        jku: Where the server may read our public keys, if it was registered that way.
        allowed_origins: Where a discovered token endpoint may be, beside the server's own host.
    """

    client_id: str
    key: SigningKey
    token_url: str = ""
    scopes: str = ""
    jku: str = ""
    allowed_origins: tuple[str, ...] = ()


class BackendServices:
    """Credentials for one FHIR server, renewed before they expire; safe for threads."""

    def __init__(
        self,
        base: str,
        transport: Transport,
        client: Client,
        *,
        clock: Clock | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        """Take the base address that the token belongs to, and who asks for it.

        Raises:
            SettingsInvalid: The token endpoint that was set is not protected.
        """
        self._base, self._transport, self._client = base, transport, client
        if client.token_url:
            configured_endpoint(client.token_url, allowed=client.allowed_origins)
        self._clock, self._patience = clock or SystemClock(), patience
        self._lock = threading.Lock()
        self._given = threading.local()
        self._found: tuple[str, str] | None = None
        self._token: Token | None = None
        self._renewed_at = -_PAUSE
        self._failure: tuple[float, ServerError] | None = None

    def headers(self, url: str) -> Mapping[str, str]:
        """The token, to its own origin alone.

        Raises:
            ServerError: There is none to be had; ``may_retry`` says whether later there may be.
        """
        if not is_same_origin(url, self._base):
            return {}
        with self._lock:
            if self._token is None or self._clock.seconds() >= self._token.renew_at:
                self._token = self._obtained()
            self._given.token = self._token
            return {"Authorization": self._token.header}

    def refused(self, url: str) -> bool:
        """Whether one more try makes sense: another thread has a newer token, or a new one may be asked for."""
        if not is_same_origin(url, self._base):
            return False
        with self._lock:
            if self._token is not getattr(self._given, "token", None):
                return True
            if self._clock.seconds() - self._renewed_at < _PAUSE:
                return False
            self._renewed_at = self._clock.seconds()
            self._token = None
            return True

    def _obtained(self) -> Token:
        """A new token; after a failure there is a pause, in which the same failure is reported again."""
        now = self._clock.seconds()
        if self._failure is not None and now - self._failure[0] < _PAUSE:
            raise _again(self._failure[1])
        try:
            endpoint, scopes = self._found or self._discovered()
            self._found = endpoint, scopes
            return self._asked(endpoint, scopes)
        except ServerError as error:
            # Discovery too may have changed in the months that a service runs.
            self._failure, self._found = (self._clock.seconds(), error), None
            raise

    def _asked(self, endpoint: str, scopes: str) -> Token:
        asked_at = self._clock.seconds()
        token = token_of(self._exchange(lambda: self._token_request(endpoint, scopes)), asked_at=asked_at)
        missing = not_granted(scopes, token.scope) if token.scope else ()
        if missing:
            what = f"the server granted a token without {', '.join(missing)}; ask the administrator for these scopes"
            raise ServerError(what, code="scope-not-granted")
        return token

    def _token_request(self, endpoint: str, scopes: str) -> Request:
        """A request with an assertion of its own: "jti … unique", also for each try of the same."""
        claims = {
            "iss": self._client.client_id,
            "sub": self._client.client_id,
            "aud": endpoint,
            "exp": int(self._clock.now().timestamp()) + _LIFE_OF_ASSERTION,
            "jti": str(uuid4()),
        }
        form = {
            "grant_type": "client_credentials",
            "scope": scopes,
            "client_assertion_type": _ASSERTION,
            "client_assertion": self._client.key.signed(claims, jku=self._client.jku),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return Request("POST", endpoint, headers, urlencode(form).encode(), is_repeatable=True)

    def _discovered(self) -> tuple[str, str]:
        """Where to ask for a token, and for which scopes."""
        client = self._client
        if client.token_url:
            return client.token_url, client.scopes or scopes_for(())
        configuration = self._configuration()
        refuse_unfit(configuration, client.key.algorithm)
        endpoint = trusted_endpoint(configuration.token_endpoint, base=self._base, allowed=client.allowed_origins)
        return endpoint, client.scopes or scopes_for(configuration.capabilities)

    def _configuration(self) -> Configuration:
        """What the server says of its authorisation: in its SMART configuration, or where older servers say it."""
        told = configuration_of(self._read(".well-known/smart-configuration", "application/json"))
        if told is not None and told.token_endpoint:
            return told
        statement = self._read("metadata", "application/fhir+json")
        endpoint = capabilities_of(statement.body).oauth_uris.get("token", "") if statement.status == 200 else ""
        if not endpoint:
            raise ServerError(
                "the server does not say where to ask for tokens; set token_url", code="no-token-endpoint"
            )
        return Configuration(token_endpoint=endpoint)

    def _read(self, path: str, accepted: str) -> Response:
        answer = self._exchange(lambda: Request("GET", below(self._base, path), {"Accept": accepted}))
        if is_transient(answer):
            raise error_of(answer)
        return answer

    def _exchange(self, request: Callable[[], Request]) -> Response:
        """The answer to a request that is made anew for each try."""
        deadline = self._clock.seconds() + self._patience.seconds
        for attempt in count(1):
            sent = request()
            answer = self._sent(sent)
            wait = wait_before_retry(
                sent, answer, attempt, self._patience, now=self._clock.now(), random=self._clock.random
            )
            if wait is None or self._clock.seconds() + wait > deadline:
                break
            self._clock.sleep(wait)
        if isinstance(answer, ServerError):
            raise answer
        return answer

    def _sent(self, request: Request) -> Response | ServerError:
        try:
            return self._transport.send(request, seconds=_REQUEST_SECONDS)
        except ServerError as error:
            return error


def _again(error: ServerError) -> ServerError:
    """The same failure as another exception, since each is raised but once."""
    return ServerError(
        str(error), code=error.code, status=error.status, may_retry=error.may_retry, request_id=error.request_id
    )
