"""Files with secrets and certificates are checked before any work, and never quoted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from adapter.errors import SettingsInvalid
from adapter.settings.files import check_certificates, read_private, read_secret
from adapter.settings.loading import load_settings


def private(folder: Path, data: bytes, *, mode: int = 0o600, name: str = "secret") -> Path:
    path = folder / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def pair(folder: Path, *, encrypted: bool = False, name: str = "client") -> tuple[Path, Path]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + timedelta(days=9))
    hidden: KeySerializationEncryption = BestAvailableEncryption(b"x") if encrypted else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
    certificate = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return private(folder, certificate, name=f"{name}.pem", mode=0o644), private(folder, pem, name=f"{name}.key")


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o606, 0o644, 0o777])
def test_a_secret_that_others_can_read_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path, b"secret", mode=mode)
    with pytest.raises(SettingsInvalid) as refused:
        read_private(path)
    assert str(refused.value) == f"{path}: others can read this file (mode {mode:04o}); run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_of_its_owner_is_read_without_the_line_end(tmp_path: Path, mode: int) -> None:
    assert read_secret(private(tmp_path, "geheim é\r\n".encode(), mode=mode)) == "geheim é"


@pytest.mark.parametrize("data", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"-----BEGIN\nKEY-----\n"])
def test_what_is_no_single_line_is_no_secret(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SettingsInvalid, match="expected one line of text"):
        read_secret(private(tmp_path, data))


def test_a_file_beyond_any_secret_is_not_read_into_memory(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="larger than"):
        read_private(private(tmp_path, b"x" * 70_000))


def test_a_folder_and_a_missing_file_are_no_secrets(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SettingsInvalid, match=r"directory"):
            read_private(path)


def test_a_certificate_and_its_key_fit_together(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    both = private(tmp_path, certificate.read_bytes() + key.read_bytes(), name="both.pem")
    check_certificates(certificate, certificate, key)
    check_certificates(None, both, None)
    check_certificates(None, None, None)


def test_a_certificate_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    _, stranger = pair(tmp_path, name="stranger")
    _, encrypted = pair(tmp_path, encrypted=True, name="encrypted")
    rubbish = private(tmp_path, b"rubbish", name="rubbish")
    for ca_bundle, other in ((None, stranger), (None, encrypted), (None, rubbish), (rubbish, key)):
        with pytest.raises(SettingsInvalid, match="PEM"):
            check_certificates(ca_bundle, certificate, other)
    with pytest.raises(SettingsInvalid, match="No such file"):
        check_certificates(tmp_path / "missing", None, None)
    key.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        check_certificates(None, certificate, key)


def test_settings_find_all_files_that_are_missing_or_open_to_others(tmp_path: Path) -> None:
    key = private(tmp_path, b"key", mode=0o644)
    flags = {
        "auth": "smart",
        "client_id": "us",
        "key_file": str(key),
        "secret_file": "nowhere",
        "ca_bundle": "none.pem",
    }
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(flags, {})
    assert str(refused.value).splitlines() == [
        f"flag --key-file: key_file: {key}: others can read this file (mode 0644); run: chmod 600 {key}",
        "flag --secret-file: secret_file: nowhere: No such file or directory",
        "none.pem: No such file or directory",
    ]
