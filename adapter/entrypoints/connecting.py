"""From settings to a server that can be asked: the wire, the limits, and who we are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.errors import SettingsInvalid
from adapter.fhir_server.authorisation import Authorisation, NoAuthorisation, StoredCredentials, basic, bearer
from adapter.fhir_server.client import Event, FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.messages import Transport
from adapter.fhir_server.origins import service_base
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.transport import RequestsTransport, Wire
from adapter.settings.files import read_private, read_secret
from adapter.settings.model import Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from adapter.pipeline import Options


def connected(settings: Settings, *, announce: Callable[[Event], None] = lambda event: None) -> FhirServer:
    """The server that the settings name; nothing is sent yet.

    Raises:
        SettingsInvalid: No server is named, or something about it does not fit.
    """
    base = service_base(settings.server, allow_http=settings.allow_http)
    transport = RequestsTransport(_wire(settings))
    return FhirServer(
        base,
        transport,
        authorisation=authorised(settings, base, transport),
        limits=_limits(settings),
        announce=announce,
    )


def authorised(settings: Settings, base: str, transport: Transport) -> Authorisation:
    """Who we are to this server.

    Raises:
        SettingsInvalid: A secret cannot be read, a key is not fit, or an extra is not installed.
    """
    match settings.auth:
        case "none":
            return NoAuthorisation()
        case "bearer":
            return StoredCredentials(base, lambda: bearer(_secret(settings.token, settings.token_file)))
        case "basic":
            return StoredCredentials(
                base, lambda: basic(settings.username, _secret(settings.password, settings.password_file))
            )
        case "smart":
            return _smart(settings, base, transport)


def options_of(settings: Settings) -> Options:
    """What the operator has chosen for the assessment."""
    from adapter.fhir.releases import Release
    from adapter.pipeline import Options

    return Options(
        release=None if settings.fhir == "auto" else Release[settings.fhir],
        language=settings.language,
        allow_preliminary=settings.allow_preliminary,
        read_text=settings.read_text,
        use_issued=settings.use_issued,
        with_qfracture=settings.qfracture,
        label_as_ai=settings.label_ai,
    )


def _smart(settings: Settings, base: str, transport: Transport) -> Authorisation:
    try:
        from adapter.fhir_server.keys import read_key
        from adapter.fhir_server.smart import BackendServices, Client
    except ModuleNotFoundError as error:
        raise SettingsInvalid(f"auth smart needs {error.name}: pip install 'osteo-fhir-adapter[smart]'") from None
    path = settings.key_file or Path()  # settings without one are refused
    client = Client(
        client_id=settings.client_id,
        key=read_key(read_private(path), name=str(path), kid=settings.kid),
        token_url=settings.token_url,
        scopes=settings.scopes,
        jku=settings.jku,
        allowed_origins=settings.allowed_origins,
    )
    return BackendServices(base, transport, client, patience=_patience(settings))


def _secret(said: SecretStr | None, path: Path | None) -> str:
    return read_secret(path) if path is not None else "" if said is None else said.get_secret_value()


def _wire(settings: Settings) -> Wire:
    return Wire(
        ca_bundle=settings.ca_bundle,
        client_certificate=settings.client_certificate,
        client_key=settings.client_key,
        use_proxies=settings.use_proxies,
        most_bytes=settings.answer_bytes,
        connect_seconds=settings.connect_seconds,
    )


def _patience(settings: Settings) -> Patience:
    return Patience(tries=settings.retry_tries, seconds=settings.retry_seconds)


def _limits(settings: Settings) -> Limits:
    return Limits(
        page_size=settings.page_size,
        most_pages=settings.search_pages,
        most_bytes=settings.search_bytes,
        request_seconds=settings.request_seconds,
        search_seconds=settings.search_seconds,
        always_post=settings.search == "post",
        patience=_patience(settings),
    )
