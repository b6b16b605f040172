"""Credentials that somebody else made and keeps: a bearer token, or a name with a password."""

from __future__ import annotations

import re
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping

from adapter.errors import SettingsInvalid
from adapter.fhir_server.messages import Authorisation, NoAuthorisation
from adapter.fhir_server.origins import is_same_origin

__all__ = ["Authorisation", "NoAuthorisation", "StoredCredentials", "basic", "bearer"]

# "b64token" (rfc-editor.org/rfc/rfc6750#section-2.1), taken loosely: visible ASCII, so that nothing breaks the header.
_TOKEN = re.compile(r"[!-~]+", re.ASCII)


class StoredCredentials:
    """Credentials read from where they are kept, once, and again when the server refuses them."""

    def __init__(self, base: str, read: Callable[[], str]) -> None:
        """Take the base address they belong to, and how to read the ``Authorization`` header."""
        self._base, self._read = base, read
        self._lock = threading.Lock()
        self._current = read()
        self._given = threading.local()

    def headers(self, url: str) -> Mapping[str, str]:
        """The credentials, to their own origin alone."""
        if not is_same_origin(url, self._base):
            return {}
        self._given.header = self._current
        return {"Authorization": self._current}

    def refused(self, url: str) -> bool:
        """Whether there is something else by now than what this thread was given."""
        if not is_same_origin(url, self._base):
            return False
        with self._lock:
            self._current = self._read()
            return self._current != getattr(self._given, "header", "")


def bearer(token: str) -> str:
    """The header that carries a token.

    Raises:
        SettingsInvalid: It is empty, or holds what cannot stand in a header.
    """
    if not _TOKEN.fullmatch(token):
        raise SettingsInvalid("the bearer token is empty, or holds spaces, line breaks or letters beyond ASCII")
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """The header that carries a name and a password (rfc-editor.org/rfc/rfc7617).

    Raises:
        SettingsInvalid: The name is empty or holds a colon, where the password would begin.
    """
    if not username or ":" in username:
        raise SettingsInvalid("username: expected a name without a colon")
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode('ascii')}"
