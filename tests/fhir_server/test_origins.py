"""Which addresses are the server's: whoever judges an address and whoever connects to it must see the same host."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from adapter.errors import ServerError, SettingsInvalid
from adapter.fhir_server.origins import followed, is_same_origin, origin, reference_url, service_base

ASKED = "https://h.example/fhir/Observation?patient=1"
pieces = st.lists(
    st.sampled_from(
        ["h.example", "evil.example", "\\", "@", ":", "443", "8", "/", "?", "#", "%", "2e", "[", "]", "::1"]
    )
    | st.characters(max_codepoint=0x2100),
    max_size=8,
)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example\\@h.example/fhir?page=2",
        "https://evil.example\\.h.example@h.example/fhir",
        "https://somebody:else@h.example/fhir?page=2",
        "https://h.example%2eevil.example/fhir",
        "https://h.ex\tample/fhir",
        "https://h.example/fhir?page=2\r\nX-Injected: 1",
        "https://\uff48.example/fhir",
        "https://[::1/fhir",
        "https://h.example:99999/fhir",
        "javascript:alert(1)",
    ],
)
def test_a_link_that_two_readers_may_take_for_two_hosts_is_not_followed(link: str) -> None:
    """E1, E2: urllib3 connects to evil.example where urlsplit sees h.example"""
    with pytest.raises(ServerError) as error:
        followed(link, ASKED)
    assert error.value.code == "cross-origin-link"
    assert "evil" not in str(error.value)


@given(st.sampled_from(["https://", "http://", "https:", "//"]), pieces)
def test_whoever_connects_sees_the_host_that_was_judged(scheme: str, parts: list[str]) -> None:
    """E1: by the reader that requests uses"""
    url = scheme + "".join(parts)
    judged = origin(url)
    if judged is None:
        return
    try:
        connected = parse_url(requests.Request("GET", url).prepare().url or "")
    except (requests.RequestException, UnicodeError):
        return
    port = connected.port or (443 if connected.scheme == "https" else 80)
    assert judged == (connected.scheme, (connected.host or "").strip("[]"), port)
    assert connected.auth is None


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("https://h.example/fhir", "https://h.example:443/"),
        ("http://127.0.0.1/fhir", "http://127.0.0.1:80/other"),
        ("https://H.Example/fhir", "https://h.example/fhir"),
        ("http://[::1]:8080/fhir", "http://[::1]:8080/x"),
    ],
)
def test_the_default_port_and_capitals_make_no_other_origin(url: str, other: str) -> None:
    """E2"""
    assert is_same_origin(url, other)


@pytest.mark.parametrize("id_", [".", "..", "1/_history/..", "", "x" * 65, "a%2fb", "ä", "1\n"])
def test_an_id_that_would_climb_out_of_its_place_is_refused(id_: str) -> None:
    """A1.2, E4"""
    with pytest.raises(ServerError):
        reference_url("https://h.example/fhir", f"Patient/{id_}")


@pytest.mark.parametrize("id_", ["1", "...", "a.b", ".a", "1/_history/2", "x" * 64])
def test_every_id_that_fhir_allows_is_taken(id_: str) -> None:
    assert reference_url("https://h.example/fhir", f"Patient/{id_}") == f"https://h.example/fhir/Patient/{id_}"


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://", "", "https://h.example/fhir#part", "https://h.example\\x/"]
)
def test_a_base_that_is_no_address_is_refused_in_the_operators_words(url: str) -> None:
    with pytest.raises(SettingsInvalid):
        service_base(url, allow_http=True)
