"""Which URLs belong to the configured server: only there do requests and credentials go."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from adapter.errors import ServerError, SettingsInvalid

_PORTS = {"http": 80, "https": 443}
# "Ids can be up to 64 characters long" of letters, digits, hyphen and dot (hl7.org/fhir/R4/datatypes.html#id).
_ID = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9\-.]{1,64}"
_REFERENCE = re.compile(rf"[A-Z][A-Za-z]+/{_ID}(?:/_history/{_ID})?", re.ASCII)
# Where else two readers may see two hosts: for "https://evil.example\@host/" urlsplit says "host" and urllib3 connects
# to "evil.example". Nor does an address bring credentials of its own: requests would send them instead of ours.
_AUTHORITY = re.compile(r"[A-Za-z0-9.\-_]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Origin = tuple[str, str, int]


def origin(url: str) -> Origin | None:
    """Scheme, host and port, the default port said; ``None`` for what is no http URL, or not one to every reader."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or not _AUTHORITY.fullmatch(parts.netloc):
        return None
    if _CONTROL.search(url):
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
    if "@" in url:
        raise SettingsInvalid("--server: no credentials in the address; set the kind of authorisation instead")
    found = origin(url)
    if found is None or "?" in url or "#" in url:
        raise SettingsInvalid("--server: expected the base address of a FHIR server, such as https://host/fhir")
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
    try:
        url = urljoin(asked, link)
    except ValueError:
        url = ""
    # It is looked for in the link, since joining removes it.
    if _CONTROL.search(link) or not is_same_origin(url, asked):
        raise ServerError("a link leads to another server; it was not followed", code="cross-origin-link")
    return url
