"""Files that hold secrets or certificates: read only if nobody else can read them too, and never quoted."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

from adapter.errors import SettingsInvalid

_MOST = 65_536


def read_private(path: Path) -> bytes:
    """The bytes of a file that nobody else can read.

    Raises:
        SettingsInvalid: It is not there, no ordinary file, too large, or open to others.
    """
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that nobody can exchange it in between.
            refuse_open_to_others(path, os.fstat(file.fileno()))
            data = file.read(_MOST + 1)
    except OSError as error:
        raise SettingsInvalid(f"{path}: {error.strerror}") from None
    if len(data) > _MOST:
        raise SettingsInvalid(f"{path}: larger than any key or secret")
    return data


def read_secret(path: Path) -> str:
    """The one line in a file that only its owner may read.

    Raises:
        SettingsInvalid: It cannot be read so, or is no single line of text.
    """
    try:
        text = read_private(path).decode("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text.splitlines()) != 1:
        raise SettingsInvalid(f"{path}: expected one line of text, the secret itself")
    return text


def refuse_open_to_others(path: Path, found: os.stat_result) -> None:
    """Make sure that neither group nor world can read, where the system knows them.

    A group of ours, or root's own, may read what belongs to root, and no more than read: so a container is handed its
    secrets (mode 0440 and ``fsGroup`` in Kubernetes), and a service its credentials, which systemd shows as 0440 of
    root:root beside an ACL for the one user (seen since 254: systemd #29435). They could not be read in another way.

    Raises:
        SettingsInvalid: They can; the text tells the command that mends it.
    """
    mode = stat.S_IMODE(found.st_mode)
    if os.name != "posix" or not mode & 0o077:
        return
    if mode & 0o037 == 0 and found.st_uid == 0 != os.geteuid() and found.st_gid in (0, os.getegid(), *os.getgroups()):
        return
    raise SettingsInvalid(f"{path}: others can read this file (mode {mode:04o}); run: chmod 600 {path}")


def check_certificates(ca_bundle: Path | None, certificate: Path | None, key: Path | None) -> None:
    """Make sure before any connection that the files for TLS can be used together.

    Raises:
        SettingsInvalid: A file cannot be read, is no PEM, or the key is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_bundle is not None:
        _loaded(ca_bundle, "certificates to trust (PEM)", lambda: context.load_verify_locations(ca_bundle))
    if certificate is not None:
        own = key or certificate
        read_private(own)
        expected = f"a certificate (PEM) with its key, unencrypted, in {own}"
        # Without a password an encrypted key would ask for one at the terminal; an empty one is refused.
        _loaded(certificate, expected, lambda: context.load_cert_chain(certificate, own, ""))


def _loaded(path: Path, expected: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError:
        raise SettingsInvalid(f"{path}: expected {expected}") from None
    except OSError as error:
        raise SettingsInvalid(f"{path}: {error.strerror}") from None
