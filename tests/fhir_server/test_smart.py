"""Tokens of SMART Backend Services: asked for once, renewed in time, sent home alone (A7, E38, E39)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.keys import new_key, read_key
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.smart import BackendServices, Client
from adapter.fhir_server.smart_answers import trusted_endpoint
from adapter.fhir_server.smart_scopes import scopes_for
from adapter.fhir_server.transport import RequestsTransport
from tests.servers.ticking import Ticking
from tests.servers.token_server import TokenServer, granted, token_server

KEY = read_key(new_key("ES384"), name="a new key")
PATIENCE = Patience(tries=3, first_wait=1, seconds=60)
UNAUTHORISED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "login"}]}


def credentials(server: TokenServer, clock: Ticking | None = None, **more: Any) -> BackendServices:
    client = Client(**{"client_id": "adapter", "key": KEY, **more})
    return BackendServices(server.base, RequestsTransport(), client, clock=clock or Ticking(), patience=PATIENCE)


def patient(server: TokenServer, authorisation: BackendServices, clock: Ticking | None = None) -> int:
    fhir = FhirServer(
        server.base,
        RequestsTransport(),
        authorisation=authorisation,
        limits=Limits(patience=PATIENCE),
        clock=clock or Ticking(),
    )
    return fhir.fetch(f"{server.base}/Patient/one").status


def test_the_assertion_says_who_asks_whom_and_for_how_long() -> None:
    """A7.2, A7.3."""
    clock = Ticking()
    with token_server() as server:
        credentials(server, clock, jku="https://us.example/jwks.json").headers(server.base)
        (form,) = server.asked_for_tokens
        (claims,) = server.claims(KEY.public_jwks())

    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert claims["iss"] == claims["sub"] == "adapter"
    assert claims["aud"] == f"{server.root}/token"
    assert 0 < claims["exp"] - clock.now().timestamp() <= 299
    assert "client_id" not in form


def test_each_try_has_an_assertion_of_its_own() -> None:
    """A7.6: network errors are retried with a new jti."""
    answers = {1: (0, None), 2: (503, {}), 3: (200, granted("at-last"))}
    with token_server(token=answers.__getitem__) as server:
        assert credentials(server).headers(server.base) == {"Authorization": "Bearer at-last"}
        assert len({claims["jti"] for claims in server.claims(KEY.public_jwks())}) == 3


@pytest.mark.parametrize("error", ["invalid_client", "invalid_scope", "invalid_request"])
def test_what_the_token_server_refuses_for_good_is_not_asked_again(error: str) -> None:
    """A7.6."""
    clock = Ticking()
    with token_server(token=lambda number: (400, {"error": error, "error_description": "said so"})) as server:
        authorisation = credentials(server, clock)
        for _ in range(20):
            with pytest.raises(ServerError, match=rf"{error}.*said so") as refused:
                authorisation.headers(server.base)
        assert len(server.asked_for_tokens) == 1
    assert (refused.value.code, refused.value.may_retry, clock.waits) == (error, False, [])


def test_a_token_server_that_is_down_may_be_asked_later() -> None:
    """E38: transient; after a pause it is asked again."""
    clock = Ticking()
    up = False
    with token_server(token=lambda number: (200, granted("t")) if up else (503, {})) as server:
        authorisation = credentials(server, clock)
        for _ in range(5):
            with pytest.raises(ServerError) as refused:
                authorisation.headers(server.base)
        assert (refused.value.may_retry, len(server.asked_for_tokens)) == (True, PATIENCE.tries)
        up = True
        clock.pass_by(11)
        assert authorisation.headers(server.base) == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("expires_in", "still_used", "renewed"),
    [
        pytest.param(300, 269, 270.1, id="300: half a minute before"),
        pytest.param("300", 269, 270.1, id="the same as text"),
        pytest.param(60, 47, 48.1, id="60: a fifth before"),
        pytest.param(1, 0.7, 0.81, id="one second"),
        pytest.param(None, 269, 270.1, id="absent: the usual five minutes"),
        pytest.param(0, 269, 270.1, id="zero says nothing"),
        pytest.param(-5, 269, 270.1, id="negative says nothing"),
        pytest.param("soon", 269, 270.1, id="no number says nothing"),
        pytest.param([], 269, 270.1, id="a list says nothing"),
        pytest.param(10**12, 86_369, 86_371, id="for ever is a day"),
    ],
)
def test_a_token_is_renewed_shortly_before_it_ends(expires_in: object, still_used: float, renewed: float) -> None:
    """A7.4, E38."""
    clock = Ticking()
    with token_server(token=lambda number: (200, granted(f"t{number}", expires_in=expires_in))) as server:
        authorisation = credentials(server, clock)
        authorisation.headers(server.base)
        clock.passed = still_used
        assert authorisation.headers(server.base) == {"Authorization": "Bearer t1"}
        clock.passed = renewed
        assert authorisation.headers(server.base) == {"Authorization": "Bearer t2"}
        assert len(server.asked_for_tokens) == 2


def test_many_threads_wait_for_one_token() -> None:
    """A7.4: single flight."""

    def slow(number: int) -> tuple[int, Any]:
        time.sleep(0.05)
        return 200, granted(f"t{number}")

    with token_server(token=slow) as server, ThreadPoolExecutor(8) as pool:
        authorisation = credentials(server)
        given = list(pool.map(lambda _: authorisation.headers(server.base), range(40)))
        assert {each["Authorization"] for each in given} == {"Bearer t1"}
        assert len(server.asked_for_tokens) == 1


def test_many_threads_that_are_refused_at_once_renew_once() -> None:
    """E38: no refresh storm."""
    together = threading.Barrier(8)
    with token_server(resource=lambda said: (200, {}) if said == "Bearer token-2" else (401, UNAUTHORISED)) as server:
        authorisation = credentials(server)

        def read(_: int) -> int:
            authorisation.headers(server.base)
            together.wait()
            return patient(server, authorisation)

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(read, range(8))) == {200}
        assert len(server.asked_for_tokens) == 2


def test_a_server_that_takes_no_token_is_not_asked_for_ever_new_ones() -> None:
    """E38: one renewal, then it fails; also for the many patients after it."""
    clock = Ticking()
    with token_server(resource=lambda said: (401, UNAUTHORISED)) as server:
        authorisation = credentials(server, clock)
        assert [patient(server, authorisation, clock) for _ in range(10)] == [401] * 10
        assert len(server.asked_for_tokens) == 2


def test_discovery_is_asked_once_in_json() -> None:
    """A7.1."""
    clock = Ticking()
    with token_server() as server:
        authorisation = credentials(server, clock)
        authorisation.headers(server.base)
        clock.pass_by(280)
        authorisation.headers(server.base)
        asked = [each for each in server.heard if each.path.endswith("smart-configuration")]
    assert [each.headers["accept"] for each in asked] == ["application/json"]
    assert "authorization" not in asked[0].headers


def test_an_older_server_says_it_in_its_capability_statement() -> None:
    """A7.1: oauth-uris."""
    uris = [{"url": "token", "valueUri": "{root}/token"}]
    extension = {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": uris}
    rest = [{"mode": "server", "security": {"extension": [extension]}}]
    statement = {"resourceType": "CapabilityStatement", "rest": rest}
    with token_server(configuration=404, statement=statement) as server:
        assert credentials(server).headers(server.base) == {"Authorization": "Bearer token-1"}
        assert server.asked_for_tokens[0]["scope"] == scopes_for(())


def test_a_server_that_says_nothing_needs_a_setting() -> None:
    with token_server(configuration=b"<html>not found</html>") as server:
        with pytest.raises(ServerError, match="set token_url") as refused:
            credentials(server).headers(server.base)
        assert refused.value.code == "no-token-endpoint"
        told = credentials(server, token_url=f"{server.root}/token")
        assert told.headers(server.base) == {"Authorization": "Bearer token-1"}


def test_discovery_that_fails_for_now_may_be_tried_later() -> None:
    with token_server(configuration=503) as server:
        with pytest.raises(ServerError) as refused:
            credentials(server).headers(server.base)
        assert refused.value.may_retry
        assert {each.path for each in server.heard} == {"/fhir/.well-known/smart-configuration"}


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        pytest.param({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, "no-smart", id="no key"),
        pytest.param(
            {"token_endpoint_auth_signing_alg_values_supported": ["RS384"]}, "algorithm-refused", id="other algorithm"
        ),
        pytest.param(
            {"token_endpoint_auth_signing_alg_values_supported": ["PS512"]}, "algorithm-refused", id="none of ours"
        ),
    ],
)
def test_a_server_that_will_not_take_our_key_is_not_even_asked(configuration: dict[str, Any], code: str) -> None:
    """A7.1."""
    with token_server(configuration={"token_endpoint": "{root}/token", **configuration}) as server:
        with pytest.raises(ServerError) as refused:
            credentials(server).headers(server.base)
        assert (refused.value.code, server.asked_for_tokens) == (code, [])


@pytest.mark.parametrize(
    "endpoint",
    ["http://169.254.169.254/token", "https://elsewhere.example/token", "file:///etc/passwd", "/token", "http://[::1"],
)
def test_a_token_endpoint_elsewhere_is_refused(endpoint: str) -> None:
    """E39."""
    with token_server(configuration={"token_endpoint": endpoint}) as server:
        with pytest.raises(ServerError) as refused:
            credentials(server).headers(server.base)
        assert (refused.value.code, server.asked_for_tokens) == ("token-endpoint-refused", [])


@pytest.mark.parametrize(
    ("endpoint", "is_trusted"),
    [
        ("https://fhir.example/token", True),
        ("https://fhir.example:8443/token", True),
        ("http://fhir.example/token", False),
        ("http://127.0.0.1/token", False),
        ("https://fhir.example.evil.example/token", False),
        ("https://fhir.example@evil.example/token", False),
    ],
)
def test_a_token_endpoint_is_on_the_servers_host_by_https(endpoint: str, is_trusted: bool) -> None:
    """E39; also where the server itself is asked by plain http, on purpose."""
    for base in ("https://fhir.example/r4", "http://fhir.example/r4"):
        if is_trusted:
            assert trusted_endpoint(endpoint, base=base, allowed=()) == endpoint
            continue
        with pytest.raises(ServerError):
            trusted_endpoint(endpoint, base=base, allowed=())


def test_a_token_endpoint_elsewhere_is_used_where_the_operator_trusts_it() -> None:
    """E39: the allow-list; the other name of this machine is another host."""
    with token_server() as elsewhere:
        other = elsewhere.root.replace("127.0.0.1", "localhost")
        with token_server(configuration={"token_endpoint": f"{other}/token"}) as server:
            with pytest.raises(ServerError, match="allowed_origins"):
                credentials(server).headers(server.base)
            trusting = credentials(server, allowed_origins=(other,))
            assert trusting.headers(server.base) == {"Authorization": "Bearer token-1"}


def test_a_token_url_over_plain_http_is_refused_before_anything_is_sent() -> None:
    """E39."""
    plain = "http://tokens.example/token"
    with token_server() as server:
        with pytest.raises(SettingsInvalid, match="token_url"):
            credentials(server, token_url=plain)
        credentials(server, token_url=plain, allowed_origins=("http://tokens.example",))


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:{port}/fhir/Patient/one",
        "http://127.0.0.1:1/fhir/Patient/one",
        "http://localhost:{port}/fhir/Patient/one",
        "http://127.0.0.1.example:{port}/fhir",
        "not an address",
    ],
)
def test_the_token_goes_to_its_origin_alone(address: str) -> None:
    """A7.7, E1, E2: scheme, host and port."""
    with token_server() as server:
        authorisation = credentials(server)
        other = address.replace("{port}", server.root.rpartition(":")[2])
        assert authorisation.headers(other) == {}
        assert not authorisation.refused(other)
        assert server.heard == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"access_token": "t", "token_type": "mac"}, id="another kind"),
        pytest.param({"token_type": "bearer"}, id="no token"),
        pytest.param({"access_token": "t\r\nX-Evil: 1"}, id="a line break"),
        pytest.param(b"<html>login</html>", id="a page"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"[" * 100_000, id="nested deep"),
    ],
)
def test_an_answer_that_is_no_bearer_token_is_an_error(answer: Any) -> None:
    with token_server(token=lambda number: (200, answer)) as server:
        with pytest.raises(ServerError) as refused:
            credentials(server).headers(server.base)
        assert refused.value.code == "unexpected-content"


def test_the_token_endpoint_is_not_followed_elsewhere() -> None:
    """E5: an assertion goes to one address."""
    with (
        token_server() as elsewhere,
        token_server(token=lambda number: (307, f"{elsewhere.root}/token".encode())) as here,
    ):
        with pytest.raises(ServerError) as refused:
            credentials(here).headers(here.base)
        assert (refused.value.status, elsewhere.heard) == (307, [])


@pytest.mark.parametrize("kind", ["Bearer", "BEARER", None])
def test_the_kind_of_token_may_be_written_in_any_case(kind: str | None) -> None:
    with token_server(token=lambda number: (200, granted("t", token_type=kind))) as server:
        assert credentials(server).headers(server.base) == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        pytest.param(None, "", id="not said: as asked"),
        pytest.param("system/*.cruds", "", id="all"),
        pytest.param("system/*.*", "", id="all, the old way"),
        pytest.param(
            "system/Patient.read system/Observation.rs?category=laboratory system/RiskAssessment.*", "", id="some"
        ),
        pytest.param("system/Patient.rs system/Observation.rs", "RiskAssessment.crus", id="no writing"),
        pytest.param("system/*.read", "RiskAssessment.cu", id="reading alone"),
        pytest.param("openid patient/*.cruds", "Patient.rs, Observation.rs, RiskAssessment.crus", id="other contexts"),
    ],
)
def test_the_granted_scope_is_checked(scope: str | None, missing: str) -> None:
    """A7.4, A7.5."""
    with token_server(token=lambda number: (200, granted("t", scope=scope))) as server:
        outcome: Callable[[], object] = lambda: credentials(server).headers(server.base)  # noqa: E731
        if not missing:
            outcome()
            return
        with pytest.raises(ServerError) as refused:
            outcome()
    assert str(refused.value).startswith(f"the server granted a token without {missing};")


def test_scopes_are_asked_for_in_the_form_the_server_understands() -> None:
    """A7.5."""
    assert "system/Observation.rs system/Condition.rs" in scopes_for(("permission-v1", "permission-v2"))
    assert "system/RiskAssessment.crus" in scopes_for(("permission-v2",)).split()
    old = scopes_for(("permission-v1",)).split()
    assert {"system/Observation.read", "system/RiskAssessment.write", "system/Provenance.read"} <= set(old)
    assert not [scope for scope in old if scope.endswith("s")]
