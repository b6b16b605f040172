"""``--mappings``: a site brings its own codes, units and limits, and is told what they change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.entrypoints.building import AS_OF, LOW, OPEN, WOMAN, explained, run, saved
from tests.laws.bundles import Json, frax, measured

LAB = "https://lab.example.org/codes"
LIMIT = """
[[limit]]
id = "ctx-ours"
marker = "ctx"
low = 100
high = 900
authority = "site"
source = "our laboratory's verification, 2026"
sureness = "V"
"""
CHANGE = """
[parameter.mof_high]
value = 3
source = "our committee"
sureness = "D"
"""


def concept_map(target: str, code: str) -> Json:
    """The plainest ConceptMap there is: one local code and what it means."""
    element = {"code": "CTX-S", "target": [{"code": code, "equivalence": "equivalent"}]}
    return {
        "resourceType": "ConceptMap",
        "status": "active",
        "group": [{"source": LAB, "target": target, "element": [element]}],
    }


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("target", "code"), [("urn:osteo-fhir:marker", "ctx"), ("http://loinc.org", "41171-0")])
def test_a_local_code_is_understood_by_a_plain_concept_map(tmp_path: Path, site: Path, target: str, code: str) -> None:
    local = measured("ctx", "ctx", "812") | {"code": {"coding": [{"system": LAB, "code": "CTX-S"}]}}
    given = saved(tmp_path / "a.json", [*LOW[:-1], local])
    (site / "codes.json").write_text(json.dumps(concept_map(target, code)), "utf-8")

    assert explained(given)["turnover"] == "not-available"
    assert explained(given, "--mappings", site)["turnover"] == "high-turnover"


def test_the_limit_of_a_site_wins_over_the_report_and_the_literature(tmp_path: Path, site: Path) -> None:
    ranged = measured("ctx", "ctx", "812", referenceRange=[{"high": {"value": 700, "unit": "ng/L"}}])
    given = saved(tmp_path / "a.json", [*LOW[:-1], ranged])
    (site / "limits.toml").write_text(LIMIT, "utf-8")

    before, after = explained(given), explained(given, "--mappings", site)

    assert [patient["turnover"] for patient in (before, after)] == ["high-turnover", "normal"]
    (ctx,) = (used for used in after["used"] if used["marker"] == "ctx")
    assert (ctx["limits"], ctx["limit_source"]) == ("100–900 ng/L", "site: our laboratory's verification, 2026 [V]")
    assert before["rules"]["fingerprint"] != after["rules"]["fingerprint"]


def test_what_an_overlay_changes_is_noted_and_a_later_one_wins(tmp_path: Path, site: Path) -> None:
    given = saved(tmp_path / "a.json", LOW)
    (site / "ours.toml").write_text(CHANGE, "utf-8")
    other = tmp_path / "other"
    other.mkdir()
    (other / "theirs.toml").write_text(CHANGE.replace("3", "50"), "utf-8")

    one = run("convert", given, "--mappings", site, *AS_OF)
    both = run("convert", given, "--mappings", site, "--mappings", other, *AS_OF)

    assert "note: ours.toml changes parameter mof_high of parameters.toml" in one.stderr
    assert "note: theirs.toml changes parameter mof_high of ours.toml" in both.stderr
    assert '"code":"high"' in one.stdout
    assert '"code":"high"' not in both.stdout


def test_a_skeleton_that_was_not_completed_changes_nothing(tmp_path: Path, site: Path) -> None:
    coding = {"system": LAB, "code": "CTX-S", "display": "β-CTX"}
    local = measured("ctx", "ctx", "812") | {"code": {"coding": [coding]}}
    given = saved(tmp_path / "a.json", [WOMAN, *frax("3.2", "0.4"), local])
    assert run("coverage", given, "--concept-map", site / "codes.json").exit_code == 0

    without, with_ = explained(given), explained(given, "--mappings", site)
    assert with_ == without


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("x.toml", "[[limit]]\nid = 1", "x.toml"),
        ("x.toml", "[nonsense]", "is not a key that is known here"),
        ("x.json", "{}", "expected a FHIR R4 ConceptMap"),
        ("x.json", "{", "expected readable TOML or JSON"),
        ("x.txt", "", "expected at least one file that ends in .toml or .json"),
        ("x.toml", LIMIT.replace('"ctx"', '"unknown-marker"'), "expected a known marker"),
    ],
)
def test_a_wrong_mapping_is_named_with_what_was_expected(
    tmp_path: Path, site: Path, name: str, text: str, expected: str
) -> None:
    (site / name).write_text(text, "utf-8")

    result = run("convert", saved(tmp_path / "a.json", OPEN), "--mappings", site, *AS_OF)

    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in result.stderr


def test_checking_an_overlay_says_what_it_changes(site: Path) -> None:
    (site / "ours.toml").write_text(CHANGE, "utf-8")

    result = run("mappings", "check", site)

    assert result.exit_code == 0
    assert "note: ours.toml changes parameter mof_high of parameters.toml" in result.stderr
    assert "0 findings, 1 fact replaced or denied by an overlay" in result.stderr


def test_what_is_shown_and_exported_includes_the_overlay(tmp_path: Path, site: Path) -> None:
    (site / "limits.toml").write_text(LIMIT, "utf-8")
    (site / "codes.json").write_text(json.dumps(concept_map("urn:osteo-fhir:marker", "ctx")), "utf-8")

    shown = run("mappings", "show", "ctx", "--mappings", site).stdout
    run("mappings", "export", "--out", tmp_path / "t", "--mappings", site)

    assert "our laboratory's verification, 2026" in shown
    assert f"{LAB}|CTX-S" in shown
    assert any("CTX-S" in path.read_text("utf-8") for path in (tmp_path / "t").iterdir())
