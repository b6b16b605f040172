"""The doctor: what each kind of server is said to be able to do, and what its administrator is asked for."""

from __future__ import annotations

from typing import Any

from adapter.fhir_server.messages import Request, Response
from adapter.job.asking import known_codes
from adapter.job.examining import Finding, examine
from tests.job.building import KNOWLEDGE, server_of
from tests.job.hospital import LISTED, Hospital, statement, unreachable


class Smart(Hospital):
    """A hospital with a SMART configuration."""

    configuration = b'{"token_endpoint":"https://fhir.example.org/token"}'

    def send(self, request: Request, *, seconds: float) -> Response:
        if request.url.endswith("smart-configuration"):
            assert "Authorization" not in request.headers
            return Response(200, {}, self.configuration)
        return super().send(request, seconds=seconds)


def found(hospital: Hospital) -> dict[str, list[Finding]]:
    findings: dict[str, list[Finding]] = {}
    for each in examine(server_of(hospital), known_codes(KNOWLEDGE)):
        findings.setdefault(each.about, []).append(each)
    assert not [each for each in hospital.asked() if each.startswith("PUT")]
    return findings


def said(**changes: Any) -> dict[str, Any]:
    return {**statement(includes=["*"]), **changes}


def test_a_good_server_is_asked_for_nothing() -> None:
    findings = found(Smart(metadata=said()))
    assert [each.ask for about in findings.values() for each in about if each.ask] == []
    assert "R4" in findings["release"][0].told
    assert "If-None-Exist" in findings["writing"][0].told


def test_a_release_that_is_not_known_has_to_be_named() -> None:
    assert "--fhir" in found(Hospital(metadata=said(fhirVersion="9.0")))["release"][0].ask


def test_keys_that_no_one_of_ours_can_sign_with_are_told() -> None:
    hospital = Smart()
    hospital.configuration = b'{"token_endpoint":"x","token_endpoint_auth_signing_alg_values_supported":["RS256"]}'
    assert "ES384" in found(hospital)["smart"][0].ask
    hospital.configuration = b"<html>"
    assert found(hospital)["smart"][0].told.startswith("no SMART configuration")


def test_a_server_without_observations_hinders_every_run() -> None:
    findings = found(Hospital(metadata=statement("Patient", "Condition")))
    assert [each.hinders for each in findings["reading"]] == [True, False, False]
    assert "let us read and search Observation" in findings["reading"][0].ask


def test_a_search_that_is_forbidden_hinders_and_says_what_to_ask() -> None:
    for status, word in ((403, "for any patient"), (401, "credentials"), (400, "why"), (503, "why")):
        [search] = found(Hospital(refuses={"Observation": status}))["search"]
        assert word in search.ask
        assert search.hinders == (status != 503)


def test_a_server_that_denies_every_safe_way_of_writing_is_told() -> None:
    metadata = said()
    for each in metadata["rest"][0]["resource"]:
        each |= {"conditionalCreate": False, "updateCreate": True, "interaction": [{"code": "search-type"}]}
    metadata["rest"][0]["interaction"] = [{"code": "batch"}]
    writing = found(Hospital(metadata=metadata))["writing"]
    assert "one by one, at ids of our own (PUT)" in writing[0].told.replace("Provenance one", "one")
    assert "Device, RiskAssessment, Provenance" in writing[1].ask


def test_a_server_that_says_nothing_of_itself_is_still_searched() -> None:
    findings = found(Hospital(metadata=None))
    assert "http-404" in findings["metadata"][0].told
    assert findings["search"][0].told.endswith("works")


def test_a_server_that_is_gone_is_one_finding() -> None:
    findings = found(Hospital(before=unreachable))
    assert list(findings) == ["metadata"]
    assert findings["metadata"][0].hinders


def test_includes_that_are_lacking_cost_requests_and_that_is_told() -> None:
    findings = found(Hospital(metadata=statement(*LISTED)))
    assert any("Observation:specimen" in each.told and not each.ask for each in findings["reading"])
