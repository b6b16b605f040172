"""The private key by which a server knows us: it signs, it gives its public half, and it never shows itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from adapter.errors import SettingsInvalid

Algorithm = Literal["ES384", "RS384"]
_RSA_BITS = 3072
# "the length of the RSA key shall be at least 2048 bits" (NIST SP 800-131A); servers refuse shorter ones.
_LEAST_RSA_BITS = 2048
# What of a key may be published (rfc-editor.org/rfc/rfc7518#section-6); a file may hold other members that may not.
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")
_UNREADABLE = "expected a private key as PEM or JWK, unencrypted: EC P-384, or RSA; see `osteo-fhir keys new`"


class SigningKey:
    """A private key with the name under which its public half is registered."""

    def __init__(self, key: ECKey | RSAKey, algorithm: Algorithm, kid: str) -> None:
        """Take a key that was checked; see ``read_key``."""
        self._key, self.algorithm, self.kid = key, algorithm, kid

    def signed(self, claims: Mapping[str, Any], *, jku: str = "") -> str:
        """The claims as a signed token, which names the key by ``kid`` and, where given, by its address."""
        header = {"alg": self.algorithm, "kid": self.kid, **({"jku": jku} if jku else {})}
        return jwt.encode(header, dict(claims), self._key, algorithms=[self.algorithm])

    def public_jwks(self) -> dict[str, Any]:
        """What is handed to the server's administrator: the public half alone."""
        members = self._key.as_dict(private=False)
        public = {name: members[name] for name in _PUBLIC if name in members}
        return {"keys": [{**public, "kid": self.kid, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}]}


def new_key(algorithm: Algorithm) -> bytes:
    """A new private key as JWK, named by its thumbprint; keep it where nobody else can read it."""
    key: ECKey | RSAKey = ECKey.generate_key("P-384") if algorithm == "ES384" else RSAKey.generate_key(_RSA_BITS)
    members = key.as_dict(private=True, kid=key.thumbprint(), alg=algorithm, use="sig")
    return json.dumps(members, indent=2).encode() + b"\n"


def read_key(data: bytes, *, name: str, kid: str = "") -> SigningKey:
    """The key in a file's bytes.

    Args:
        data: PEM or JWK.
        name: How to call the file, if something is wrong with it.
        kid: The registered name of the key; else the one in the JWK, else its thumbprint.

    Raises:
        SettingsInvalid: It is no private key that may sign for SMART Backend Services.
    """
    try:
        key = _imported(data)
        said = key.alg
        own_kid = key.kid or key.thumbprint()
    # Whatever the library says of a damaged key may quote it; and cryptography raises TypeError for an encrypted one.
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise SettingsInvalid(f"{name}: {_UNREADABLE}") from None
    algorithm = _algorithm(key, name)
    if said not in (None, algorithm):
        raise SettingsInvalid(f"{name}: the key says that it is for another algorithm than {algorithm}")
    return SigningKey(key, algorithm, kid or own_kid)


def _imported(data: bytes) -> ECKey | RSAKey:
    if data.lstrip()[:1] == b"{":
        members = json.loads(data)
        return RSAKey.import_key(members) if members.get("kty") == "RSA" else ECKey.import_key(members)
    try:
        return ECKey.import_key(data)
    except JoseError:
        return RSAKey.import_key(data)


def _algorithm(key: ECKey | RSAKey, name: str) -> Algorithm:
    """The one of the two algorithms of SMART that this key is for."""
    if not key.is_private:
        raise SettingsInvalid(f"{name}: holds a public key; the private one is needed to sign")
    if isinstance(key, RSAKey):
        if key.raw_value.key_size < _LEAST_RSA_BITS:
            raise SettingsInvalid(f"{name}: the RSA key is shorter than {_LEAST_RSA_BITS} bits")
        return "RS384"
    if key.curve_name != "P-384":
        raise SettingsInvalid(f"{name}: ES384 needs a key on the curve P-384, found {key.curve_name}")
    return "ES384"
