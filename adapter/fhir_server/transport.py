"""The only place that speaks HTTP: ``requests`` beneath, one session a thread, limits on all that comes in."""

from __future__ import annotations

import io
import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.hooks import default_hooks
from requests.utils import requote_uri
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

from adapter.errors import OutputRefused, ServerError
from adapter.fhir_server.messages import Request, Response

_CHUNK = 65536
# NDJSON shrinks to a tenth or a twentieth; what unfolds far beyond that is no export.
_MOST_RATIO = 200
# No socket takes 0 for "at once".
_SHORTEST_WAIT = 0.001
_HEADERS = {"User-Agent": "osteo-fhir-adapter", "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "keep-alive"}
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_COMPRESSED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Wire(msgspec.Struct, frozen=True):
    """How the connection is made.

    Attributes:
        ca_bundle: Certificates to trust instead of the system's; verification itself is never off.
        client_certificate, client_key: Files for mutual TLS.
        use_proxies: Take proxies from the environment; otherwise nothing is taken from there, netrc neither.
        most_bytes: The largest body, after decompression.
        connect_seconds: How long a connection may take to be made.
    """

    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    use_proxies: bool = False
    most_bytes: int = 256 * 1024 * 1024
    connect_seconds: float = 10


class _Session(requests.Session):
    """Leaves redirects to us: requests would read their bodies first, however large."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer is a redirect to requests."""
        return


class _UntilDeadline(io.RawIOBase):
    """What comes from a socket until its time is over; the socket alone would wait that long for every single byte."""

    def __init__(self, connection: socket.socket) -> None:
        """Begin to count: the time is what the socket was given for one wait."""
        super().__init__()
        self._socket = connection
        self._raw = connection.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (connection.gettimeout() or 0)

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - the library's signature
        """What is there by now, or comes before the deadline."""
        self._socket.settimeout(max(_SHORTEST_WAIT, self._deadline - time.monotonic()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let the socket go."""
        self._raw.close()
        super().close()


class _TimelyAnswer(HTTPResponse):
    """An answer whose head and body together must come in time."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self.fp = io.BufferedReader(_UntilDeadline(sock))


class _Connection(HTTPConnection):
    response_class = _TimelyAnswer


class _SecureConnection(HTTPSConnection):
    response_class = _TimelyAnswer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _TimelyAdapter(HTTPAdapter):
    """The network, as requests has it, with answers that come in time."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Make connections that keep the deadline."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Make connections by way of a proxy that keep the deadline."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _Pool, "https": _SecurePool}


def _prepared(request: Request) -> requests.PreparedRequest:
    """The request as it goes out: ``prepare`` would guess again what is known here, which takes longer than to send it.

    Nothing of the session is merged in; the address has passed ``origin``.
    """
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url, prepared.hooks = request.method, requote_uri(request.url), default_hooks()
    prepared.prepare_headers({**_HEADERS, **request.headers})
    if request.body:
        prepared.body = request.body
    if request.body or request.method not in _WITHOUT_BODY:
        prepared.headers["Content-Length"] = str(len(request.body))
    return prepared


class RequestsTransport:
    """Carries requests by the library ``requests``; safe for threads."""

    def __init__(self, wire: Wire = Wire(), *, mount: BaseAdapter | None = None) -> None:  # noqa: B008 - frozen
        """Take the wire's settings, and in tests an adapter that answers instead of the network."""
        self._wire = wire
        self._mount = mount
        self._local = threading.local()
        # At DEBUG urllib3 tells every address with all that was searched for: nobody may switch that on by the way.
        logging.getLogger("urllib3").setLevel(logging.WARNING)

    def send(self, request: Request, *, seconds: float) -> Response:
        """One exchange; the body is read within the time and the size allowed, else a ``ServerError``."""
        return self._exchange(request, seconds, None)

    def download(self, request: Request, sink: BinaryIO, *, seconds: float) -> Response:
        """One exchange whose body, if the status is 200, goes to a file as it arrives.

        Raises:
            OutputRefused: The file cannot take it: the disk is full.
        """
        return self._exchange(request, seconds, sink)

    def _exchange(self, request: Request, seconds: float, sink: BinaryIO | None) -> Response:
        try:
            timeout = (min(self._wire.connect_seconds, seconds), seconds)
            with self._session().send(
                _prepared(request), timeout=timeout, allow_redirects=False, stream=True
            ) as answer:
                body = self._read(answer, sink if answer.status_code == 200 else None)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, headers, body, request.url)
        except requests.exceptions.SSLError as error:
            if _hung_up(error):
                raise _unreachable(request.url, "hung up") from None
            what = "the server's certificate is not trusted, or it refuses ours; see the settings for certificates"
            raise ServerError(what, code="tls-refused") from None
        except (requests.exceptions.ReadTimeout, ReadTimeoutError):
            raise ServerError("the answer came too slowly", code="too-slow", may_retry=True) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            # The error itself holds the URL, and with it what was searched for.
            raise _unreachable(request.url, type(error).__name__) from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session()
            # Otherwise requests would take proxies from the environment, and credentials from ~/.netrc for ours.
            session.trust_env = self._wire.use_proxies
            session.verify = str(self._wire.ca_bundle) if self._wire.ca_bundle else True
            if self._wire.client_certificate:
                key = self._wire.client_key or self._wire.client_certificate
                session.cert = (str(self._wire.client_certificate), str(key))
            # A server that knows us by a cookie knows us by something that no setting names.
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            for scheme in ("https://", "http://"):
                session.mount(scheme, self._mount or _TimelyAdapter())
        return session

    def _read(self, answer: requests.Response, sink: BinaryIO | None) -> bytes:
        """The body, decompressed here so that a bomb is stopped while it unfolds; nothing, where it went to a file."""
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        parts: list[bytes] = []
        put = parts.append if sink is None else _kept_in(sink)
        size = 0
        for piece in _unpacked(_pieces(answer), encoding):
            size += len(piece)
            if size > self._wire.most_bytes and (sink is None or size > _MOST_RATIO * answer.raw.tell()):
                raise ServerError("the answer is larger than allowed", code="too-large")
            put(piece)
        return b"".join(parts)


def _unreachable(url: str, why: str) -> ServerError:
    """Whom we could not reach, and what to look at; of the URL no more than the host, for it says what was asked."""
    host = urlsplit(url).hostname
    what = f"no answer came from {host} ({why}); check the address, that the server runs, and the way to it"
    return ServerError(what, code="unreachable", may_retry=True)


def _kept_in(sink: BinaryIO) -> Callable[[bytes], object]:
    """What writes to a file; that the file cannot take it says nothing about the server."""

    def keep(piece: bytes) -> None:
        try:
            sink.write(piece)
        except OSError as error:
            raise OutputRefused(f"the answer cannot be kept: {error.strerror}") from None

    return keep


def _hung_up(error: BaseException | None) -> bool:
    """Whether the other side went away in the middle of TLS, as a balancer does that starts anew: no refusal."""
    while error is not None and not isinstance(error, ssl.SSLEOFError):
        error = error.__context__
    return error is not None


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body as it arrives."""
    expected = answer.headers.get("content-length", "")
    received = 0
    while piece := answer.raw.read1(_CHUNK, decode_content=False):
        received += len(piece)
        yield piece
    if expected.isdigit() and answer.request.method != "HEAD" and received < int(expected):
        raise ServerError("the answer was cut short", code="unreachable", may_retry=True)


def _unpacked(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in _COMPRESSED:
        raise ServerError("the answer is compressed in a way that was not asked for", code="unexpected-content")
    unpacking = zlib.decompressobj(_COMPRESSED[encoding])
    try:
        for piece in pieces:
            left = piece
            while left:
                # "A gzip file consists of a series of members" (RFC 1952, 2.2): after one there may come another.
                if unpacking.eof:
                    unpacking = zlib.decompressobj(_COMPRESSED[encoding])
                yield unpacking.decompress(left, _CHUNK)
                left = unpacking.unconsumed_tail or unpacking.unused_data
    except zlib.error as error:
        raise ServerError("the compressed answer is damaged", code="unexpected-content", may_retry=True) from error
    if not unpacking.eof:
        raise ServerError("the compressed answer was cut short", code="unreachable", may_retry=True)
