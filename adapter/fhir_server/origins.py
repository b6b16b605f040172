"""Which URLs belong to the configured server: only there do requests and credentials go."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from adapter.errors import ServerError, SettingsInvalid

_PORTS = {"http": 80, "https": 443}
# "Ids can be up to 64 characters long" of letters, digits, hyphen and dot (hl7.org/fhir/R4/datatypes.html#id).
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)

Origin = tuple[str, str, int]


def origin(url: str) -> Origin | None:
    """Scheme, host and port, the default port said; ``None`` for what is no http URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme]


def is_same_origin(url: str, other: str) -> bool:
    """Whether both URLs lead to the same scheme, host and port."""
    found = origin(url)
    return found is not None and found == origin(other)


def service_base(url: str, *, allow_http: bool) -> str:
    """The base address without a trailing slash.

    Raises:
        SettingsInvalid: It is no http URL, holds credentials, or is plain http to another machine.
    """
    parts = urlsplit(url)
    found = origin(url)
    if found is None or parts.query or parts.fragment:
        raise SettingsInvalid("--server: expected the base address of a FHIR server, such as https://host/fhir")
    if parts.username or parts.password:
        raise SettingsInvalid("--server: no credentials in the address; set the kind of authorisation instead")
    if found[0] == "http" and not allow_http and not is_loopback(found[1]):
        raise SettingsInvalid("--server: plain http would carry patients' data unprotected; use https, or --allow-http")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def below(base: str, path: str) -> str:
    """The URL of a path on the server, no segment of the base lost."""
    return f"{base}/{path}" if path else base


def reference_url(base: str, reference: str) -> str:
    """The URL of ``Type/id`` on the server.

    Raises:
        ServerError: It is no relative reference; nothing is asked of any other address.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ServerError("a reference that is no Type/id is not followed", code="reference-refused")
    return below(base, reference)


def followed(link: str, asked: str) -> str:
    """Where a link in an answer leads: relative ones are resolved against the URL that was asked.

    Raises:
        ServerError: It leaves the server's origin; it is not followed and no token goes there.
    """
    url = urljoin(asked, link)
    if not is_same_origin(url, asked):
        raise ServerError("a link leads to another server; it was not followed", code="cross-origin-link")
    return url
