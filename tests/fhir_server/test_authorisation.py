"""Stored credentials: read where they are kept, sent to their own origin alone, read again after a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir_server.authorisation import StoredCredentials, basic, bearer
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.messages import NoAuthorisation
from adapter.fhir_server.transport import RequestsTransport
from tests.servers.ticking import Ticking
from tests.servers.token_server import TokenServer, token_server


def reading(server: TokenServer, secret: Path) -> FhirServer:
    credentials = StoredCredentials(server.base, lambda: bearer(secret.read_text("utf-8").strip()))
    return FhirServer(server.base, RequestsTransport(), authorisation=credentials, clock=Ticking())


def test_a_token_that_was_renewed_in_its_file_is_read_again_once(tmp_path: Path) -> None:
    """E38 for tokens that another program renews."""
    secret = tmp_path / "token"
    secret.write_text("old", "utf-8")
    with token_server(resource=lambda said: (200, {}) if said == "Bearer new" else (401, {})) as server:
        fhir = reading(server, secret)
        with pytest.raises(ServerError, match="credentials were refused"):
            fhir.read("Patient/one")
        assert len(server.heard) == 1
        secret.write_text("new\n", "utf-8")
        assert fhir.read("Patient/one") is not None
        assert [each.headers["authorization"] for each in server.heard[1:]] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_credentials_do_not_follow_a_redirect_to_another_origin(tmp_path: Path, status: int) -> None:
    """E5."""
    (tmp_path / "token").write_text("secret", "utf-8")
    with token_server() as elsewhere, token_server() as server:
        server.resource = lambda said: (status, f"{elsewhere.base}/Patient/one".encode())
        with pytest.raises(ServerError) as refused:
            reading(server, tmp_path / "token").read("Patient/one")
    assert (refused.value.code, elsewhere.heard) == ("cross-origin-link", [])


def test_a_file_of_an_export_gets_the_token_only_where_it_is_asked_for(tmp_path: Path) -> None:
    """E6."""
    (tmp_path / "token").write_text("secret", "utf-8")
    with token_server() as server:
        fhir = reading(server, tmp_path / "token")
        fhir.fetch(f"{server.root}/files/1.ndjson", with_credentials=False)
        fhir.fetch(f"{server.root}/files/1.ndjson")
    assert ["authorization" in each.headers for each in server.heard] == [False, True]


@pytest.mark.parametrize(
    ("base", "url", "belongs"),
    [
        ("https://fhir.example/r4", "https://fhir.example:443/r4/Patient", True),
        ("https://fhir.example:443/r4", "https://FHIR.example/files/1", True),
        ("http://127.0.0.1/r4", "http://127.0.0.1:80/r4", True),
        ("https://fhir.example/r4", "http://fhir.example/r4", False),
        ("https://fhir.example/r4", "https://fhir.example:8443/r4", False),
        ("https://fhir.example/r4", "https://fhir.example.evil.example/r4", False),
        ("https://fhir.example/r4", "https://evil.example/?https://fhir.example/r4", False),
        ("https://fhir.example/r4", "https://fhir.example@evil.example/r4", False),
        ("https://fhir.example/r4", "ftp://fhir.example/r4", False),
    ],
)
def test_an_origin_is_scheme_host_and_port_with_default_ports_said_or_not(base: str, url: str, belongs: bool) -> None:
    """E1, E2, E7."""
    credentials = StoredCredentials(base, lambda: bearer("secret"))
    assert credentials.headers(url) == ({"Authorization": "Bearer secret"} if belongs else {})
    assert not credentials.refused(url)


def test_a_name_and_a_password_are_sent_as_the_standard_says() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic("test", "123£") == "Basic dGVzdDoxMjPCow=="


def test_without_credentials_nothing_is_sent_and_nothing_renewed() -> None:
    assert (NoAuthorisation().headers("https://fhir.example"), NoAuthorisation().refused("")) == ({}, False)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: 1", "ä"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(SettingsInvalid, match="bearer token"):
        bearer(token)


@pytest.mark.parametrize("name", ["", "a:b"])
def test_a_name_that_would_end_in_the_password_is_refused(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="username"):
        basic(name, "secret")
