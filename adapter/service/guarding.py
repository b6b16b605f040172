"""Believe only who knows the secret, and say nothing by how long the answer takes."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256

from adapter.errors import SettingsInvalid
from adapter.fhir_server.origins import is_loopback

# Medplum signs the body with HMAC-SHA256, in hexadecimal (medplum.com/docs/subscriptions/subscription-extensions).
SIGNATURE = "x-signature"
_BEARER = "bearer "
# A secret of fewer characters can be guessed.
SHORTEST = 16


class Guard:
    """Knows the secrets; several, so that one can be replaced without a gap."""

    def __init__(self, secrets: Sequence[str], *, header: str = "authorization") -> None:
        """Take the secrets, and the header that brings one of them.

        Raises:
            SettingsInvalid: A secret is so short that it can be guessed.
        """
        if any(len(each) < SHORTEST for each in secrets):
            raise SettingsInvalid(f"the secret of notifications is too short; expected {SHORTEST} characters or more")
        self._secrets = [each.encode() for each in secrets]
        self.header = header.lower()

    @property
    def is_open(self) -> bool:
        """Whether everybody is believed."""
        return not self._secrets

    def brings_secret(self, headers: Mapping[str, str]) -> bool:
        """Whether the header holds a secret of ours, as it is or as a bearer token."""
        brought = headers.get(self.header, "")
        if brought[: len(_BEARER)].lower() == _BEARER:
            brought = brought[len(_BEARER) :]
        return self._is_one_of(brought.strip().encode(), self._secrets)

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the body was signed with a secret of ours."""
        signature = headers.get(SIGNATURE, "").strip().lower().encode()
        return self._is_one_of(signature, [hmac.new(each, body, sha256).hexdigest().encode() for each in self._secrets])

    @staticmethod
    def _is_one_of(brought: bytes, expected: Sequence[bytes]) -> bool:
        # All are compared, each in a time that does not depend on where it differs.
        return any([hmac.compare_digest(sha256(brought).digest(), sha256(each).digest()) for each in expected])


def refuse_to_be_open(guard: Guard, host: str, *, insecure: bool) -> None:
    """Do not start where anybody could notify, unless the operator says so and only this machine can.

    Raises:
        SettingsInvalid: There is no secret.
    """
    if not guard.is_open:
        return
    if not insecure:
        raise SettingsInvalid("serve needs a secret: --secret-file FILE; on this machine alone --insecure goes without")
    if not is_loopback(host):
        raise SettingsInvalid(f"--insecure: only on a loopback address, and {host} can be reached from elsewhere")
