"""Once round: read from a server, assessed, written, and read back from it, in the release that the server speaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from adapter.fhir.decoding import encode
from adapter.fhir.reading import Source, read
from adapter.fhir.releases import Release
from adapter.fhir.validation import validate
from tests.entrypoints.building import AS_OF, run, saved
from tests.job.building import journey
from tests.laws.test_releases_agree import spelled
from tests.servers.medplum_engine import medplum

Json = dict[str, Any]
# What a server decides: where a resource stands, and so what refers to it.
_SERVERS = ("id", "meta", "performer")
_JOURNEY = "high-glucocorticoid-for-two-months"


def asked(base: str, path: str) -> Json:
    """What the server answers, without our code between."""
    answer: Json = requests.get(f"{base}/{path}", timeout=30).json()
    return answer


def stored(base: str, release: Release) -> list[Json]:
    """One clinical state on the server, under the ids that it chose."""
    patient, held = "", []
    for resource in journey(_JOURNEY):
        named: Json = {name: {"reference": patient} for name in ("subject", "patient") if name in resource}
        body: Json = {name: each for name, each in (spelled(resource, release) | named).items() if name != "id"}
        headers = {"content-type": "application/fhir+json"}
        answer = requests.post(f"{base}/{resource['resourceType']}", encode(body), headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
        held.append(answer.json())
        patient = patient or f"Patient/{held[0]['id']}"
    return held


def of_the_servers_own(resource: Json) -> Json:
    return {name: each for name, each in resource.items() if name not in _SERVERS}


@pytest.mark.parametrize("release", [Release.R4, Release.R5])
def test_what_the_job_writes_is_what_comes_back_and_what_a_file_would_have_given(
    tmp_path: Path, release: Release
) -> None:
    with medplum(any_release=release is Release.R5) as base:
        held = stored(base, release)
        command = ("run", "--server", base, "--fhir", release.name, "--patient", held[0]["id"], *AS_OF)
        result = run(*command, "--ledger", tmp_path / "ledger.sqlite")
        assert result.exit_code == 0, result.output
        [entry] = asked(base, "RiskAssessment")["entry"]
        found = entry["resource"]
        [device], [provenance] = (
            [each["resource"] for each in asked(base, kind)["entry"]] for kind in ("Device", "Provenance")
        )
        again = run(*command, "--ledger", tmp_path / "ledger.sqlite")

    assert [problem for each in (found, device, provenance) for problem in validate(each, release)] == []
    assert found["performer"] == {"reference": f"Device/{device['id']}"}
    assert provenance["target"][0]["reference"].startswith(f"RiskAssessment/{found['id']}")
    # This is how the releases differ in what we write.
    assert ("name" in device, "deviceName" in device) == ((True, False) if release is Release.R5 else (False, True))
    assert '"unchanged": 1' in again.stdout

    file = saved(tmp_path / "record.json", held)
    result = run("convert", file, "--fhir", release.name, "--format", "resources", *AS_OF)
    written = [json.loads(line) for line in result.stdout.splitlines()]
    [from_file] = [each for each in written if each["resourceType"] == "RiskAssessment"]
    assert of_the_servers_own(found) == of_the_servers_own(from_file)

    sent, came = (
        read([Source("a.json", json.dumps(each).encode())], release=release).predictions for each in (from_file, found)
    )
    assert [each.probability for each in came if each.probability] == [
        each.probability for each in sent if each.probability
    ]
    assert len(came) == len(sent) > 0
