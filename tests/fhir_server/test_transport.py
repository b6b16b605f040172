"""The wire itself, against a server of raw sockets: what is too large, too slow, cut short or not trusted."""

from __future__ import annotations

import gzip
import io
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import respx

from adapter.errors import ServerError
from adapter.fhir_server.messages import Request
from adapter.fhir_server.transport import RequestsTransport, Wire
from tests.servers.respx_adapter import RespxAdapter

Speak = Callable[[socket.socket, bytes], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"


@contextmanager
def speaking(speak: Speak, *, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that reads a request and then says whatever it likes."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    if context is not None:
                        connection = context.wrap_socket(connection, server_side=True)
                    speak(connection, connection.recv(65536))
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{listening.getsockname()[1]}/fhir"
    finally:
        ended.set()
        thread.join()
        listening.close()


def said(*parts: bytes) -> Speak:

    def speak(connection: socket.socket, request: bytes) -> None:
        for part in parts:
            connection.sendall(part)

    return speak


def bodied(body: bytes, *headers: bytes) -> Speak:
    lines = b"".join(each + b"\r\n" for each in (*headers, b"Content-Length: %d" % len(body)))
    return said(HEAD + lines + b"\r\n" + body)


def sent(speak: Speak, wire: Wire = Wire(), *, seconds: float = 5) -> bytes:  # noqa: B008 - frozen
    with speaking(speak) as url:
        return RequestsTransport(wire).send(Request("GET", url), seconds=seconds).body


def test_a_packed_answer_is_unpacked() -> None:
    assert sent(bodied(gzip.compress(b'{"a":1}'), b"Content-Encoding: gzip")) == b'{"a":1}'


def test_a_bomb_is_stopped_while_it_unfolds() -> None:
    """E10"""
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(ServerError) as error:
        sent(bodied(bomb, b"Content-Encoding: gzip"), Wire(most_bytes=1_000_000))
    assert error.value.code == "too-large"


def test_an_endless_answer_is_stopped() -> None:
    """E12"""

    def endless(connection: socket.socket, request: bytes) -> None:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"0" * 0x10000 + b"\r\n")

    with pytest.raises(ServerError) as error:
        sent(endless, Wire(most_bytes=5_000_000))
    assert error.value.code == "too-large"


@pytest.mark.parametrize(
    "begin",
    [HEAD + b"Content-Length: 1000\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", HEAD + b"X:", b""],
    ids=["body", "chunk", "headers", "silence"],
)
def test_a_byte_now_and_then_does_not_outlive_the_deadline(begin: bytes) -> None:
    """E13"""

    def slow(connection: socket.socket, request: bytes) -> None:
        connection.sendall(begin)
        for _ in range(40):
            connection.sendall(b" " if begin else b"")
            time.sleep(0.05)

    with speaking(slow) as url:
        start = time.monotonic()
        with pytest.raises(ServerError) as error:
            RequestsTransport().send(Request("GET", url), seconds=0.4)
        passed = time.monotonic() - start
    assert (error.value.code, error.value.may_retry) == ("too-slow", True)
    assert passed < 1


def test_a_connection_that_is_used_again_has_all_its_time_again() -> None:
    """E13"""
    heard: list[bytes] = []

    def speak(connection: socket.socket, request: bytes) -> None:
        while request:
            heard.append(request)
            time.sleep(0.3)
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            request = connection.recv(65536)

    with speaking(speak) as url:
        transport = RequestsTransport()
        answers = [transport.send(Request("GET", url), seconds=0.5).body for _ in range(3)]
        transport._session().close()
    assert answers == [b"{}"] * 3
    assert len(heard) == 3


def test_every_member_of_a_packed_answer_is_unpacked() -> None:
    parts = [b'{"a":', b"1" * 200_000, b"}"]
    assert sent(bodied(b"".join(gzip.compress(part) for part in parts), b"Content-Encoding: gzip")) == b"".join(parts)


def test_no_cookie_is_kept() -> None:
    heard: list[bytes] = []

    def speak(connection: socket.socket, request: bytes) -> None:
        heard.append(request)
        connection.sendall(
            HEAD + b"Set-Cookie: session=theirs; Path=/\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        )

    with speaking(speak) as url:
        transport = RequestsTransport()
        transport.send(Request("GET", url), seconds=5)
        transport.send(Request("GET", url), seconds=5)
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


@pytest.mark.parametrize(
    "speak",
    [
        said(HEAD + b"Content-Length: 1000\r\n\r\n" + b"half of it"),
        said(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\nhalf"),
        bodied(gzip.compress(b"x" * 10_000)[:20], b"Content-Encoding: gzip"),
        said(b""),
        said(b"nonsense\r\n\r\n"),
    ],
    ids=["length", "chunk", "gzip", "nothing", "no-http"],
)
def test_an_answer_that_was_cut_short_is_no_answer(speak: Speak) -> None:
    """E9"""
    with pytest.raises(ServerError) as error:
        sent(speak)
    assert error.value.may_retry


def test_damaged_packing_is_told() -> None:
    with pytest.raises(ServerError) as error:
        sent(bodied(b"not gzip at all", b"Content-Encoding: gzip"))
    assert error.value.code == "unexpected-content"


def test_packing_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(ServerError) as error:
        sent(bodied(zlib.compress(b"{}"), b"Content-Encoding: br"))
    assert error.value.code == "unexpected-content"


def test_an_untrusted_certificate_ends_it_and_is_not_tried_again(tmp_path: Path) -> None:
    context = _self_signed(tmp_path)
    with speaking(bodied(b"{}"), context=context) as url, pytest.raises(ServerError) as error:
        RequestsTransport().send(Request("GET", url), seconds=5)
    assert (error.value.code, error.value.may_retry) == ("tls-refused", False)


def test_a_certificate_can_be_trusted_by_name(tmp_path: Path) -> None:
    context = _self_signed(tmp_path)
    with speaking(bodied(b"{}"), context=context) as url:
        wire = Wire(ca_bundle=tmp_path / "certificate.pem")
        assert RequestsTransport(wire).send(Request("GET", url), seconds=5).body == b"{}"


def test_a_server_that_goes_away_in_the_middle_of_tls_may_come_back() -> None:
    """A1.20: unlike one whose certificate is not trusted"""
    with speaking(said()) as url, pytest.raises(ServerError) as error:
        RequestsTransport().send(Request("GET", url.replace("http:", "https:")), seconds=5)
    assert (error.value.code, error.value.may_retry) == ("unreachable", True)


def test_of_a_server_that_cannot_be_reached_no_more_than_the_host_is_told() -> None:
    """E39: the rest of the address says who was asked for"""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/fhir/Patient?name=Peasant"
        with pytest.raises(ServerError) as error:
            RequestsTransport().send(Request("GET", url), seconds=5)
    assert str(error.value).startswith("no answer came from 127.0.0.1 (ConnectionError); check the address")
    assert "Peasant" not in repr(error.value)


def test_our_own_certificate_is_shown_where_a_server_wants_one(tmp_path: Path) -> None:
    context = _self_signed(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "certificate.pem")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    with speaking(bodied(b"{}"), context=context) as url:
        request = Request("GET", url)
        known = Wire(ca_bundle=certificate, client_certificate=certificate, client_key=key)
        assert RequestsTransport(known).send(request, seconds=5).body == b"{}"
        with pytest.raises(ServerError) as error:
            RequestsTransport(Wire(ca_bundle=certificate)).send(request, seconds=5)
    # Its alert may be overtaken by the end of the connection.
    assert error.value.code in ("tls-refused", "unreachable")


def test_a_proxy_is_used_where_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    def speak(connection: socket.socket, request: bytes) -> None:
        heard.append(request)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with speaking(speak) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        request = Request("GET", "http://h.example/fhir/metadata")
        assert RequestsTransport(Wire(use_proxies=True)).send(request, seconds=5).body == b"{}"
    assert heard[0].startswith(b"GET http://h.example/fhir/metadata ")


@pytest.mark.parametrize("use_proxies", [False, True])
def test_credentials_lying_about_are_not_taken_in_place_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_proxies: bool
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    heard: list[bytes] = []

    def speak(connection: socket.socket, request: bytes) -> None:
        heard.append(request)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    with speaking(speak) as url:
        request = Request("GET", url, {"Authorization": "Bearer ours"})
        RequestsTransport(Wire(use_proxies=use_proxies)).send(request, seconds=5)
    assert b"Authorization: Bearer ours" in heard[0]


def test_proxies_lying_about_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert sent(bodied(b"{}")) == b"{}"


def test_a_redirect_is_given_back_with_its_body_unread_by_anybody_else() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 6\r\n\r\nfollow"
    with speaking(said(answer)) as url:
        response = RequestsTransport().send(Request("GET", url), seconds=5)
    assert (response.status, response.headers["location"], response.body) == (302, "/elsewhere", b"follow")


def test_what_went_wrong_does_not_carry_the_search_along() -> None:
    """E46"""
    with pytest.raises(ServerError) as error:
        RequestsTransport().send(Request("GET", "http://127.0.0.1:9/fhir/Patient?name=secret-name"), seconds=1)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    assert "secret-name" not in str(error.value)


def test_a_header_of_two_lines_is_not_sent_nor_told() -> None:
    request = Request("GET", "http://127.0.0.1:1/", {"Authorization": "Bearer secret\r\nX-Other: 1"})
    with pytest.raises(ServerError) as refused:
        RequestsTransport().send(request, seconds=5)
    assert "secret" not in f"{refused.value!r}{refused.value.__cause__!r}"


def test_a_large_file_goes_to_disk_and_a_refusal_does_not() -> None:
    sink = io.BytesIO()
    with speaking(bodied(gzip.compress(b"line\n" * 1000), b"Content-Encoding: gzip")) as url:
        answer = RequestsTransport().download(Request("GET", url), sink, seconds=5)
    assert (answer.body, sink.getvalue()) == (b"", b"line\n" * 1000)
    with speaking(said(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")) as url:
        again = io.BytesIO()
        answer = RequestsTransport().download(Request("GET", url), again, seconds=5)
    assert (answer.status, answer.body, again.getvalue()) == (404, b"gone", b"")


def test_each_thread_has_a_connection_of_its_own_and_all_are_answered() -> None:
    router = respx.Router()
    router.get("https://h.example/fhir/metadata").mock(return_value=httpx.Response(200, json={"a": 1}))
    transport = RequestsTransport(mount=RespxAdapter(router))
    answers: list[int] = []
    request = Request("GET", "https://h.example/fhir/metadata")
    threads = [
        threading.Thread(target=lambda: answers.append(transport.send(request, seconds=5).status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert router.calls.call_count == 8


def _self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody vouches for."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
