"""Law: "the doors agree": bulk output equals the output of the file door, patient by patient."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapter.bulk import running, shapes
from adapter.bulk.export import export_at
from adapter.bulk.layout import Layout
from adapter.bulk.running import convert_export
from tests.bulk.building import SMALL, Silence, converted, laid_out, said_by_bulk, said_by_files
from tests.bulk.populations import hospital
from tests.fhir.building import bundle, ndjson, observation, patient, quantity, resource
from tests.recognition.building import knowledge

_TINY = msgspec.structs.replace(SMALL, memory=512 * 1024)


class Listening(Silence):
    """Keeps what is said of owners who cannot be divided."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def exceeds(self, size: int, memory: int) -> None:
        """Keep it."""
        self.told.append(size)


@pytest.mark.parametrize("seed", range(12))
def test_a_generated_hospital_is_assessed_alike(seed: int, tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", hospital(seed))

    finished = converted(folder, tmp_path / "out")

    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)


@pytest.mark.parametrize("size", [300, 5000])
def test_ranges_of_any_size_are_assessed_alike(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RANGE", size)
    folder = laid_out(tmp_path / "in", hospital(6))

    finished = converted(folder, tmp_path / "out")

    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)


@pytest.mark.parametrize("seed", [2, 5])
def test_parts_too_large_for_the_memory_are_divided_and_assessed_alike(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = laid_out(tmp_path / "in", hospital(seed, patients=40))
    parts: set[int] = set()
    of_share = Layout.of_share

    def counting(layout: Layout, share: int) -> int:
        parts.add(layout.parts)
        return of_share(layout, share)

    monkeypatch.setattr(Layout, "of_share", counting)

    finished = converted(folder, tmp_path / "out", _TINY)

    assert max(parts) > min(parts) == 16
    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)


def test_a_patient_too_large_for_the_memory_is_named_and_assessed(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", hospital(1, patients=1))
    listening, small = Listening(), msgspec.structs.replace(_TINY, memory=64 * 1024)

    finished = convert_export(export_at(folder), tmp_path / "out", knowledge(), small, listening)

    assert listening.told
    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)


@pytest.mark.parametrize("most", [0, 3])
def test_results_that_have_little_in_common_are_assessed_alike(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "_MOST", most)
    folder = laid_out(tmp_path / "in", hospital(4))

    finished = converted(folder, tmp_path / "out")

    assert said_by_bulk(tmp_path / "out", finished) == said_by_files(folder)


def test_identifiers_that_contradict_their_references_are_refused_alike(tmp_path: Path) -> None:
    """Whose an identifier is may be known in another part alone; what is said of a result must not hang on that."""
    numbered = [patient(f"n{each}", identifier=[{"system": "urn:ward", "value": f"n{each}"}]) for each in range(40)]
    claimed = [
        observation(f"o{each}", subject={"reference": "Patient/n0", "identifier": person["identifier"][0]})
        for each, person in enumerate(numbered)
    ]
    files = {"Patient.ndjson": ndjson(*numbered), "Observation.ndjson": ndjson(*claimed)}
    folder = laid_out(tmp_path / "in", files)

    finished = converted(folder, tmp_path / "out")

    said = said_by_bulk(tmp_path / "out", finished)
    assert said == said_by_files(folder)
    assert said.set_aside["subject-ambiguous"] == 39


def test_results_within_reports_are_assessed_alike(tmp_path: Path) -> None:
    """A3.13"""
    score = {"coding": [{"system": "http://loinc.org", "code": "80946-7"}]}
    inside = observation("t", code=score, valueQuantity=quantity("-2.8", "{T-score}"))
    report = {**resource("DiagnosticReport", status="final", contained=[inside]), "id": "dxa"}
    files = {"Patient.ndjson": ndjson(patient()), "DiagnosticReport.ndjson": ndjson(report)}
    folder = laid_out(tmp_path / "in", files)

    finished = converted(folder, tmp_path / "out")

    said = said_by_bulk(tmp_path / "out", finished)
    assert said == said_by_files(folder)
    assert any(b'"DiagnosticReport/dxa"' in line for line in said.lines)


def test_a_statement_of_a_release_that_is_not_read_is_told_alike(tmp_path: Path) -> None:
    statement = {"resourceType": "CapabilityStatement", "id": "x", "fhirVersion": "6.0.0"}
    folder = laid_out(tmp_path / "in", {"a.ndjson": ndjson(statement, patient(), observation())})

    finished = converted(folder, tmp_path / "out")

    said = said_by_bulk(tmp_path / "out", finished)
    assert said == said_by_files(folder)
    assert said.set_aside["release-mixed"] == 1


def test_results_of_a_patient_whom_several_replaced_are_refused_alike(tmp_path: Path) -> None:
    """A4.7"""
    links = [{"type": "replaced-by", "other": {"reference": f"Patient/n{each}"}} for each in range(1, 7)]
    people = [patient(f"n{each}") for each in range(1, 7)]
    torn = [patient(f"t{each}", link=[links[each - 1], links[each % 6]]) for each in range(1, 7)]
    results = [observation(f"o{each}", subject={"reference": f"Patient/t{each}"}) for each in range(1, 7)]
    files = {"Patient.ndjson": ndjson(*people, *torn), "Observation.ndjson": ndjson(*results)}
    folder = laid_out(tmp_path / "in", files)

    finished = converted(folder, tmp_path / "out")

    said = said_by_bulk(tmp_path / "out", finished)
    assert said == said_by_files(folder)
    assert said.set_aside["subject-ambiguous"] == 12


def test_references_with_an_address_and_a_version_mean_the_same_patient_alike(tmp_path: Path) -> None:
    """A4.2"""
    subjects = [f"https://a.example/r4/Patient/p1{version}" for version in ("", "/_history/3", "/_history/41")]
    results = [observation(f"o{number}", subject={"reference": each}) for number, each in enumerate(subjects)]
    folder = laid_out(tmp_path / "in", {"a.ndjson": ndjson(patient("p1"), *results)})

    finished = converted(folder, tmp_path / "out")

    said = said_by_bulk(tmp_path / "out", finished)
    assert said == said_by_files(folder)
    assert said.patients == 1


def test_what_one_of_several_servers_deleted_is_not_taken_for_what_another_has(tmp_path: Path) -> None:
    """E24"""
    servers = [f"https://{each}.example/r4" for each in range(4)]
    bundles = [bundle(observation("o", subject={"reference": f"Patient/{n}"}), base=servers[n % 4]) for n in range(40)]
    gone = {"method": "DELETE", "url": f"{servers[3]}/Observation/kept"}
    changes = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": gone}]}
    kept = observation("kept", subject={"reference": "Patient/kept"})
    folder = laid_out(
        tmp_path / "in", {"a.ndjson": ndjson(*bundles), "b.ndjson": ndjson(patient("kept"), kept, changes)}
    )

    finished = converted(folder, tmp_path / "out")

    said = said_by_bulk(tmp_path / "out", finished)
    assert said == said_by_files(folder)
    assert any(b"Observation/kept" in line for line in said.lines)
