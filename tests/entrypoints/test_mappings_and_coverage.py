"""``coverage`` and ``mappings`` tell what is known, and what a site must add."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapter.entrypoints.cli import main

LOCAL = "https://lab.example.org/codes"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def observation(system: str, code: str, display: str, unit: str = "ng/mL") -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": f"o-{code}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code, "display": display}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-06-01T08:00:00Z",
        "valueQuantity": {"value": 0.41, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A result of a local code, one of a look-alike, one that is known, a risk factor, and a file that is no JSON."""
    folder = tmp_path / "data"
    folder.mkdir()
    display = "Collagen crosslinked C-telopeptide [Mass/volume] in Serum"
    resources = [
        observation(LOCAL, "CTX", display),
        observation("http://loinc.org", "41171-0", "β-CTX", "furlong"),
        observation("http://loinc.org", "1649-3", "Calcitriol", "pg/mL"),
        {
            "resourceType": "Condition",
            "id": "c",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "69896004"}]},
            "subject": {"reference": "Patient/p"},
        },
    ]
    (folder / "all.ndjson").write_text("\n".join(map(json.dumps, resources)), "utf-8")
    (folder / "broken.json").write_text("{", "utf-8")
    return folder


def test_coverage_tells_known_from_unknown_and_suggests_what_it_might_be(data: Path) -> None:
    result = run("coverage", data)
    assert result.exit_code == 1
    assert "Known markers (1)" in result.stdout
    assert "?furlong 1" in result.stdout
    assert "Known risk factors (1)" in result.stdout
    assert "Look-alikes, never used (1)" in result.stdout
    assert f"{LOCAL}|CTX" in result.stdout
    assert "like ntx, ctx, urine-ctx-creatinine?" in result.stdout
    assert "broken.json" in result.stdout


def test_coverage_says_the_same_to_programs(data: Path) -> None:
    told = json.loads(run("coverage", data, "--json").stdout)
    standing = {row["code"]: row["standing"] for row in told["codes"]}
    assert standing == {"CTX": "unknown", "41171-0": "marker", "1649-3": "denied", "69896004": "factor"}
    assert [problem["code"] for problem in told["unread"]] == ["json-invalid"]


def test_the_skeleton_once_completed_makes_the_unknown_code_known(data: Path, tmp_path: Path) -> None:
    site = tmp_path / "site" / "codes.json"
    (data / "broken.json").unlink()
    assert run("coverage", data, "--concept-map", site).exit_code == 0
    skeleton = json.loads(site.read_text("utf-8"))
    element = skeleton["group"][0]["element"][0]
    assert element["code"] == "CTX"
    assert run("coverage", data, "--concept-map", site).exit_code == 2, "an existing file is not overwritten"

    element["target"] = [{"code": "ctx", "equivalence": "equivalent"}]
    site.write_text(json.dumps(skeleton), "utf-8")

    known = json.loads(run("coverage", data, "--json", "--mappings", site.parent).stdout)
    assert {row["code"]: row["meaning"] for row in known["codes"]}["CTX"] == "ctx"


def test_the_shipped_mappings_have_no_findings() -> None:
    result = run("mappings", "check")
    assert result.exit_code == 0
    assert "0 findings" in result.stderr


def test_a_wrong_mapping_is_named_by_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text('[[limit]]\nid = "x"\nmarker = "no-such-marker"\n', "utf-8")
    result = run("mappings", "check", tmp_path)
    assert result.exit_code == 1
    assert "limits.toml" in result.stdout


def test_a_wrong_mapping_stops_the_run_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text("not toml", "utf-8")
    result = run("convert", data, "--mappings", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "limits.toml" in result.stderr
    assert not (tmp_path / "out").exists()


def test_every_fact_about_a_marker_is_shown_with_its_source() -> None:
    lines = run("mappings", "show", "ctx").stdout.splitlines()
    facts = [line for line in lines if line.startswith("  ") and "plausible" not in line]
    assert facts
    assert all(line.endswith("]") and ": " in line for line in facts)


def test_all_markers_are_listed_in_the_language_asked_for() -> None:
    assert "血肌酐" in run("mappings", "show", "--language", "zh").stdout


def test_a_marker_that_does_not_exist_is_said_so() -> None:
    result = run("mappings", "show", "nothing")
    assert result.exit_code == 2
    assert "lists them all" in result.stderr


def test_the_export_is_fhir_for_a_terminology_server_and_overwrites_nothing(tmp_path: Path) -> None:
    assert run("mappings", "export", "--out", tmp_path / "t", "--dry-run").exit_code == 0
    assert not (tmp_path / "t").exists()
    assert run("mappings", "export", "--out", tmp_path / "t").exit_code == 0
    types = {json.loads(path.read_text("utf-8"))["resourceType"] for path in (tmp_path / "t").iterdir()}
    assert types == {"CodeSystem", "ConceptMap", "ValueSet", "ObservationDefinition"}
    assert run("mappings", "export", "--out", tmp_path / "t").exit_code == 2
    assert run("mappings", "export", "--out", tmp_path / "t", "--force").exit_code == 0
