"""SMART Backend Services against an independent server that checks what it is given."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest

from adapter.errors import ServerError
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.keys import Algorithm, SigningKey, new_key, read_key
from adapter.fhir_server.messages import Request, Response
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.smart import BackendServices, Client
from adapter.fhir_server.transport import RequestsTransport
from tests.servers.sekmet import Sekmet, SmartClient, sekmet

ALGORITHMS: tuple[Algorithm, ...] = ("ES384", "RS384")
KEYS = {algorithm: read_key(new_key(algorithm), name="a new key") for algorithm in ALGORITHMS}
PATIENT = {"resourceType": "Patient", "id": "one", "gender": "female", "birthDate": "1956-03-14"}
RISK = {"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/one"}}


class Spying(RequestsTransport):
    """Carries requests, lets a test change the body of those for tokens, and remembers what it carried."""

    def __init__(self, **changed: str) -> None:
        super().__init__()
        self.changed = changed
        self.sent: list[Request] = []

    def send(self, request: Request, *, seconds: float) -> Response:
        if request.url.endswith("/auth/token") and self.changed:
            form = {**dict(parse_qsl(request.body.decode())), **self.changed}
            request = msgspec.structs.replace(request, body=urlencode(form).encode())
        self.sent.append(request)
        return super().send(request, seconds=seconds)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekmet]:
    known = [SmartClient(f"adapter-{name}", key.public_jwks()) for name, key in KEYS.items()]
    reader = SmartClient("reader", KEYS["ES384"].public_jwks(), scopes="system/*.rs")
    with sekmet(tmp_path_factory.mktemp("smart"), smart_clients=[*known, reader]) as running:
        running.load([PATIENT])
        yield running


def credentials(
    server: Sekmet, transport: RequestsTransport, key: SigningKey = KEYS["ES384"], **more: Any
) -> BackendServices:
    client = Client(**{"client_id": f"adapter-{key.algorithm}", "key": key, **more})
    return BackendServices(server.base, transport, client, patience=Patience(tries=2, first_wait=0.01))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_either_algorithm_reads_and_writes_with_one_token(server: Sekmet, algorithm: Algorithm) -> None:
    """A7.1, A7.2, A7.3."""
    transport = Spying()
    fhir = FhirServer(server.base, transport, authorisation=credentials(server, transport, KEYS[algorithm]))

    assert fhir.read("Patient/one") is not None
    created = fhir.send("POST", "RiskAssessment", json.dumps(RISK).encode())

    assert created.status == 201
    assert [request.url.endswith("/auth/token") for request in transport.sent].count(True) == 1


def test_a_reused_assertion_is_refused_and_not_sent_again(server: Sekmet) -> None:
    """A7.2: jti; A7.6: invalid_client is permanent."""
    first = Spying()
    credentials(server, first).headers(server.base)
    used = dict(parse_qsl(next(request.body.decode() for request in first.sent if request.method == "POST")))
    again = Spying(client_assertion=used["client_assertion"])

    with pytest.raises(ServerError, match="jti has already been used") as refused:
        credentials(server, again).headers(server.base)

    assert (refused.value.code, refused.value.status, refused.value.may_retry) == ("invalid_client", 401, False)
    assert [request.method for request in again.sent].count("POST") == 1


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        pytest.param({"aud": "https://elsewhere.example/token"}, "Audience", id="another audience"),
        pytest.param({"exp": int(time.time()) + 600}, "5 minutes", id="a life of ten minutes"),
        pytest.param({"exp": int(time.time()) - 60}, "expired", id="an end in the past"),
    ],
)
def test_the_server_does_check_what_an_assertion_claims(server: Sekmet, claims: dict[str, Any], said: str) -> None:
    """The counterpart is one that refuses, so that being accepted means something."""
    key = KEYS["ES384"]
    sound = {
        "iss": "adapter-ES384",
        "sub": "adapter-ES384",
        "aud": f"{server.base.removesuffix('/fhir')}/auth/token",
        "exp": int(time.time()) + 200,
        "jti": f"{said}-{time.time()}",
    }
    with pytest.raises(ServerError, match=said) as refused:
        credentials(server, Spying(client_assertion=key.signed(sound | claims))).headers(server.base)
    assert refused.value.code == "invalid_client"


def test_a_key_that_is_not_registered_is_refused_in_words_for_the_operator(server: Sekmet) -> None:
    stranger = read_key(new_key("ES384"), name="another key")
    with pytest.raises(ServerError, match="check client_id, kid and the registered JWKS"):
        credentials(server, Spying(), stranger).headers(server.base)


def test_a_token_without_what_is_needed_is_not_used(server: Sekmet) -> None:
    """A7.4: the granted scope is checked."""
    with pytest.raises(ServerError, match=r"without RiskAssessment\.crus;") as refused:
        credentials(server, Spying(), client_id="reader").headers(server.base)
    assert refused.value.code == "scope-not-granted"


def test_what_the_scopes_do_not_allow_is_forbidden_and_not_tried_again(server: Sekmet) -> None:
    """A1.20: 403 is permanent."""
    transport = Spying()
    reader = credentials(server, transport, client_id="reader", scopes="system/*.rs")
    fhir = FhirServer(server.base, transport, authorisation=reader)

    with pytest.raises(ServerError) as refused:
        fhir.send("POST", "RiskAssessment", json.dumps(RISK).encode())

    assert (refused.value.status, refused.value.may_retry) == (403, False)
    assert [request.url for request in transport.sent].count(f"{server.base}/RiskAssessment") == 1


def test_a_token_that_the_server_no_longer_takes_is_renewed_once(server: Sekmet) -> None:
    """E38: the second token is another one, and the read succeeds."""
    transport = Spying()
    authorisation = credentials(server, transport)
    fhir = FhirServer(server.base, transport, authorisation=authorisation)
    assert fhir.read("Patient/one") is not None
    token = authorisation._token
    assert token is not None
    authorisation._token = msgspec.structs.replace(token, header=f"{token.header[:-4]}AAAA")

    assert fhir.read("Patient/one") is not None

    assert [request.url.endswith("/auth/token") for request in transport.sent].count(True) == 2
