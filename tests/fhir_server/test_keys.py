"""Keys of a SMART client: two kinds, checked when read, and never shown."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from adapter.errors import SettingsInvalid
from adapter.fhir_server.keys import Algorithm, new_key, read_key

SHORT_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
SHORT = SHORT_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
ENCRYPTED = ECKey.generate_key("P-384").as_pem(private=True, password="x")  # noqa: S106 - of a key made here
SECRET_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_what_is_signed_is_verified_by_what_is_published(algorithm: Algorithm) -> None:
    """A7.2: header and signature."""
    key = read_key(new_key(algorithm), name="key.json")
    token = jwt.decode(
        key.signed({"iss": "us"}, jku="https://us.example/jwks"),
        KeySet.import_key_set({"keys": key.public_jwks()["keys"]}),
        algorithms=[algorithm],
    )
    assert token.claims == {"iss": "us"}
    assert token.header == {"typ": "JWT", "alg": algorithm, "kid": key.kid, "jku": "https://us.example/jwks"}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_nothing_private_is_published(algorithm: Algorithm) -> None:
    private = json.loads(new_key(algorithm)) | {"password": "also in the file"}
    (public,) = read_key(json.dumps(private).encode(), name="key.json").public_jwks()["keys"]
    assert not SECRET_MEMBERS & public.keys()
    assert not {private[name] for name in SECRET_MEMBERS & private.keys()} & {str(value) for value in public.values()}
    assert "password" not in public
    assert public["alg"] == algorithm


def test_a_key_never_shows_itself() -> None:
    data = new_key("ES384")
    key = read_key(data, name="key.json")
    assert json.loads(data)["d"] not in f"{key!r} {key} {vars(key)!r}"


@pytest.mark.parametrize("kind", [ECKey, RSAKey])
def test_a_pem_file_is_named_by_its_thumbprint_or_as_registered(kind: type[ECKey | RSAKey]) -> None:
    key = ECKey.generate_key("P-384") if kind is ECKey else RSAKey.generate_key(2048)
    pem = key.as_pem(private=True)
    assert read_key(pem, name="key.pem").kid == key.thumbprint()
    assert read_key(pem, name="key.pem", kid="registered").public_jwks()["keys"][0]["kid"] == "registered"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(ECKey.generate_key("P-256").as_pem(private=True), "P-384, found P-256", id="another curve"),
        pytest.param(SHORT, "shorter than 2048 bits", id="short RSA"),
        pytest.param(ECKey.generate_key("P-384").as_pem(private=False), "public key", id="public"),
        pytest.param(ENCRYPTED, "unencrypted", id="encrypted"),
        pytest.param(json.dumps(OctKey.generate_key(256).as_dict()).encode(), "PEM or JWK", id="symmetric"),
        pytest.param(new_key("ES384").replace(b"ES384", b"ES256"), "another algorithm", id="for another algorithm"),
        pytest.param(b'{"kty": "EC", "crv": "P-384", "x": "a", "y": "b", "d": "c"}', "PEM or JWK", id="damaged JWK"),
        pytest.param(b'{"kty": "RSA"}', "PEM or JWK", id="empty JWK"),
        pytest.param(b"{", "PEM or JWK", id="no JSON"),
        pytest.param(b"{" + b'"a":{' * 100_000, "PEM or JWK", id="nested deep"),
        pytest.param(b"\xff\xfe\x00", "PEM or JWK", id="no text"),
        pytest.param(b"", "PEM or JWK", id="empty"),
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_what_may_not_sign_is_refused_with_what_was_expected(data: bytes, expected: str) -> None:
    with pytest.raises(SettingsInvalid, match=expected) as refused:
        read_key(data, name="key.file")
    assert str(refused.value).startswith("key.file: ")
