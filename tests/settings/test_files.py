"""Files with secrets and certificates are checked before any work, and never quoted."""

from __future__ import annotations

import os
import stat
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
from adapter.settings.files import check_certificates, read_private, read_secret, refuse_open_to_others
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


def found(mode: int, *, owner: int, group: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, group, 6, 0, 0, 0))


@pytest.fixture
def as_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says to a user 1000 who is also in group 2000."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [2000])


@pytest.mark.usefixtures("as_a_container")
def test_a_secret_that_root_hands_to_a_group_of_ours_to_read_is_read() -> None:
    """A Secret volume of Kubernetes with ``fsGroup``."""
    for mode in (0o440, 0o640):
        refuse_open_to_others(Path("secret"), found(mode, owner=0, group=2000))


@pytest.mark.usefixtures("as_a_container")
def test_a_credential_of_systemd_is_read() -> None:
    """With ``DynamicUser`` it belongs to root:root; an ACL lets the service's user read, and shows as the group's."""
    refuse_open_to_others(Path("secret"), found(0o440, owner=0, group=0))


@pytest.mark.usefixtures("as_a_container")
@pytest.mark.parametrize(
    ("mode", "owner", "group"),
    [(0o444, 0, 2000), (0o441, 0, 2000), (0o460, 0, 2000), (0o450, 0, 2000), (0o440, 1000, 2000), (0o440, 0, 3000)],
    ids=["world reads", "world enters", "group writes", "group runs", "ours to mend", "of another group"],
)
def test_a_secret_that_more_than_a_group_of_ours_can_read_is_refused(mode: int, owner: int, group: int) -> None:
    with pytest.raises(SettingsInvalid, match="others can read"):
        refuse_open_to_others(Path("secret"), found(mode, owner=owner, group=group))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can hand a file to another user")
def test_another_user_reads_what_root_hands_to_her_group(tmp_path: Path) -> None:
    path = private(tmp_path, b"secret", mode=0o440)
    os.chown(path, 0, 65_500)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)
    assert [read_as_another(path, groups) for groups in ([65_500], [])] == [0, 1]


def read_as_another(path: Path, groups: list[int]) -> int:
    """0 where a process of another user and these groups reads the secret, 1 where it is refused."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(65_501)
            os.setuid(65_501)
            os._exit(read_secret(path) != "secret")
        except SettingsInvalid:
            os._exit(1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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
