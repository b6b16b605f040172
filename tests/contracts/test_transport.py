"""Every server is read through one client in the same way, whatever it answers with."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapter.errors import ServerError
from adapter.fhir.decoding import decode
from adapter.fhir.identity import IDENTIFIER_SYSTEM
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.transport import RequestsTransport
from adapter.fhir_server.writing_back import write_back
from tests.contracts.counterparts import IMPATIENT, Counterpart

Resources = list[dict[str, Any]]
POSTING = msgspec.structs.replace(IMPATIENT, always_post=True)


def _found(server: FhirServer, parameters: list[tuple[str, str]]) -> list[str]:
    found = server.search("Device", parameters)
    assert found.complete
    pages: list[Any] = [decode(page.data, where="page") for page in found.pages]
    return [entry["resource"]["id"] for page in pages for entry in page.get("entry", [])]


def test_what_stands_is_read_with_its_version(counterpart: Counterpart, resources: Resources) -> None:
    """A1.1, A1.12"""
    place, _, version = write_back(counterpart.server, resources).written[0].partition("/_history/")
    answer = counterpart.server.read(place)
    assert answer is not None
    body: Any = decode(answer.body, where="answer")
    assert (body["resourceType"], body["meta"]["versionId"]) == ("RiskAssessment", version)
    assert answer.headers["etag"] == f'W/"{version}"'
    assert all(name == name.lower() for name in answer.headers)


def test_what_does_not_stand_is_none_and_not_an_error(counterpart: Counterpart) -> None:
    """A1.20"""
    assert counterpart.server.read("RiskAssessment/nobody") is None


@pytest.mark.parametrize("posts", [False, True])
def test_a_search_finds_what_was_written_by_get_and_by_post(
    counterpart: Counterpart, resources: Resources, posts: bool
) -> None:
    """A1.3, A1.4: where no search can be posted, GET takes its place."""
    place = write_back(counterpart.server, resources).written[1]
    server = FhirServer(counterpart.server.base, RequestsTransport(), limits=POSTING if posts else IMPATIENT)
    identifier = f"{IDENTIFIER_SYSTEM}|urn:uuid:{resources[1]['id']}"
    assert _found(server, [("identifier", identifier)]) == [place.split("/")[1]]
    assert _found(server, [("identifier", f"{IDENTIFIER_SYSTEM}|urn:uuid:none")]) == []


def test_a_refusal_carries_its_status_and_may_not_be_repeated(counterpart: Counterpart, resources: Resources) -> None:
    """A1.20"""
    receipt = write_back(counterpart.server, resources)
    place = receipt.written[0].partition("/_history")[0]
    stands = counterpart.one("RiskAssessment")
    with pytest.raises(ServerError) as raised:
        counterpart.server.send("PUT", place, msgspec.json.encode(stands), {"If-Match": 'W/"0"'})
    assert raised.value.status == 412
    assert not raised.value.may_retry


def test_where_nothing_listens_time_may_mend_it() -> None:
    """A1.20"""
    nowhere = FhirServer("http://127.0.0.1:9", RequestsTransport(), limits=IMPATIENT)
    with pytest.raises(ServerError) as raised:
        nowhere.read("Patient/1")
    assert (raised.value.code, raised.value.may_retry) == ("unreachable", True)
