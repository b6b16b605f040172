"""``osteo-fhir explain``: line by line for people, the same as JSON for programs."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.entrypoints.building import AS_OF, LOW, OPEN, explained, run, saved
from tests.laws.bundles import Json, coded, measured, observation, of_patient, quantity
from tests.recognition.building import SNOMED

# What docs promise to programs; a name that is taken away breaks somebody.
PATIENT_KEYS = {
    *("patient", "as_of", "age", "stratum", "stratum_rule", "turnover", "plan", "gates", "flags", "missing"),
    *("findings", "scores", "used", "set_aside", "cautions", "irrelevant", "writes", "rules"),
}


def test_the_page_says_category_plan_values_limits_and_sources(tmp_path: Path) -> None:
    result = run("explain", saved(tmp_path / "a.json", LOW), *AS_OF)

    assert result.exit_code == 0
    for words in ("Patient/p  2026-06-15", "812 ng/L", "98–646 ng/L", "P2", "FRAX", "clinician decides"):
        assert words in result.stdout, words


def test_the_page_names_what_was_set_aside_with_its_place(tmp_path: Path) -> None:
    wrong = measured("wrong", "vitamin-d", "40") | {"valueQuantity": quantity(Decimal(1), "bananas")}
    stray = measured("stray", "ctx", "1", subject={"reference": "Group/g"})

    page = run("explain", saved(tmp_path / "a.json", [*LOW, wrong, stray]), *AS_OF).stdout

    assert "a.json#Bundle.entry[4].resource.value: [unit-unknown] the unit code 'bananas' is not known" in page
    assert "a.json#Bundle.entry[5].resource.subject: the subject is no Patient but a Group" in page


def test_the_page_is_in_the_language_asked_for(tmp_path: Path) -> None:
    given = saved(tmp_path / "a.json", LOW)

    english, chinese = (run("explain", given, "--language", each, *AS_OF).stdout for each in ("en", "zh"))

    assert "骨折风险：低" in chinese
    assert "骨折" not in english
    assert "⟦" not in chinese + english


def test_several_patients_are_several_pages(tmp_path: Path) -> None:
    page = run("explain", saved(tmp_path / "a.json", [*LOW, *of_patient(OPEN, "q")]), *AS_OF).stdout

    assert page.index("Patient/p  2026") < page.index("Patient/q  2026")


@pytest.mark.parametrize(("record", "code"), [(LOW, 0), (OPEN, 1)], ids=["clear", "open"])
def test_the_exit_code_says_whether_all_could_be_assessed(
    tmp_path: Path, record: list[dict[str, object]], code: int
) -> None:
    given = saved(tmp_path / "a.json", record)

    assert [run("explain", given, *more, *AS_OF).exit_code for more in ([], ["--json"])] == [code, code]


def test_programs_get_every_name_that_is_promised(tmp_path: Path) -> None:
    told = json.loads(run("explain", saved(tmp_path / "a.json", LOW), "--json", *AS_OF).stdout)

    assert told.keys() == {"release", "entries", "patients", "problems", "irrelevant"}
    assert told["patients"][0].keys() == PATIENT_KEYS
    assert (told["release"], told["entries"]) == ("R4", 4)


def test_a_used_result_has_its_digits_its_limits_and_where_both_come_from(tmp_path: Path) -> None:
    sent = measured("ctx", "ctx", "0.8120", "ng/mL", meta={"versionId": "7"})

    patient = explained(saved(tmp_path / "a.json", [*LOW[:-1], sent]))

    (ctx,) = (used for used in patient["used"] if used["marker"] == "ctx")
    assert ctx["where"] == "a.json#Bundle.entry[3].resource"
    assert ctx["resource"] == "Observation/ctx/_history/7"
    assert (ctx["value"], ctx["unit"]) == ("0.8120", "ng/mL")
    assert (ctx["canonical_value"], ctx["canonical_unit"]) == ("812.0000", "ng/L")
    assert (ctx["limits"], ctx["reading"]) == ("98–646 ng/L", "H")
    assert ctx["limit_source"].startswith("fallback: ")


@pytest.mark.parametrize(
    ("comparator", "shown"), [(None, "400"), ("<", "<400"), ("<=", "<=400"), (">", ">400"), (">=", ">=400")]
)
def test_a_bound_is_shown_with_its_sign(tmp_path: Path, comparator: str | None, shown: str) -> None:
    sent = measured("ctx", "ctx", "400")
    sent["valueQuantity"] |= {"comparator": comparator} if comparator else {}

    patient = explained(saved(tmp_path / "a.json", [*LOW[:-1], sent]))

    assert [used["canonical_value"] for used in patient["used"] if used["marker"] == "ctx"] == [shown]


def test_a_range_is_shown_with_both_ends(tmp_path: Path) -> None:
    ends = {"low": quantity(Decimal(300), "ng/L"), "high": quantity(Decimal(400), "ng/L")}
    sent = observation("ctx", "41171-0", None, valueRange=ends)

    patient = explained(saved(tmp_path / "a.json", [*LOW[:-1], sent]))

    assert [used["canonical_value"] for used in patient["used"] if used["marker"] == "ctx"] == [">=300 <=400"]


def test_risk_factors_and_the_patient_are_among_what_was_used(tmp_path: Path) -> None:
    fracture = {
        "resourceType": "Condition",
        "id": "f",
        "code": coded(SNOMED, "431031001"),
        "subject": {"reference": "Patient/p"},
        "onsetDateTime": "2011",
    }
    falls = [observation(f"falls{n}", "75856-5", quantity(Decimal(n), "1"), effectiveDateTime=None) for n in (0,)]

    patient = explained(saved(tmp_path / "a.json", [*LOW, fracture, *falls]))

    used = {each["marker"]: each for each in patient["used"]}
    assert used["patient"]["value"] == "female"
    assert (used["fracture"]["value"], used["fracture"]["effective"]) == ("yes", "2011")
    assert (used["falls"]["value"], used["falls"]["amount"], used["falls"]["effective"]) == ("no", "0", None)


def test_a_caution_does_not_outlive_the_result_it_warned_of(tmp_path: Path) -> None:
    faulty = [{"low": "ninety"}]
    old = measured("old", "ctx", "500", effectiveDateTime="2026-03-02", referenceRange=faulty)
    new = measured("new", "ctx", "812", referenceRange=faulty)
    bundle = saved(tmp_path / "a.json", [*LOW[:-1], old, new])

    told = explained(bundle)

    assert [problem["resource"] for problem in told["cautions"]] == ["Observation/new"]
    assert [problem["resource"] for problem in told["set_aside"]] == ["Observation/old"]


def test_what_an_engine_refused_is_told_once_among_what_was_set_aside(tmp_path: Path) -> None:
    answer = observation("fasting", "49541-6", None, valueCodeableConcept=coded("http://loinc.org", "LA32-8"))
    page = run("explain", saved(tmp_path / "a.json", [*LOW, answer]), *AS_OF).stdout

    assert page.count("the sample was not taken fasting") == 1
    assert "[not-fasting] the sample was not taken fasting" in page


@pytest.mark.parametrize("option", [("explain", "--html"), ("coverage", "--concept-map")])
def test_a_page_may_go_to_standard_output_and_a_second_file_may_not(tmp_path: Path, option: tuple[str, str]) -> None:
    command, name = option

    result = run(command, saved(tmp_path / "a.json", LOW), name, "-")

    assert result.exit_code == (2 if command == "coverage" else 0)
    assert result.stdout.startswith("<!doctype html>") is (command == "explain")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"deceasedBoolean": True}, "patient-deceased"),
        ({"deceasedDateTime": "2026-06-10"}, "patient-deceased"),
        ({"deceasedDateTime": "2026"}, "patient-deceased"),
        ({"active": False}, "patient-inactive"),
    ],
)
def test_a_record_of_the_dead_or_out_of_use_is_flagged(said: Json, rule: str, tmp_path: Path) -> None:
    """A4.7."""
    patient = explained(saved(tmp_path / "in.json", [LOW[0] | said, *LOW[1:]]))

    assert [finding["rule"] for finding in patient["findings"] if finding["rule"].startswith("patient-")] == [rule]


@pytest.mark.parametrize("said", [{"deceasedBoolean": False}, {"deceasedDateTime": "2026-06-20"}, {"active": True}])
def test_nobody_is_flagged_as_dead_before_they_died(said: Json, tmp_path: Path) -> None:
    patient = explained(saved(tmp_path / "in.json", [LOW[0] | said, *LOW[1:]]))

    assert [finding["rule"] for finding in patient["findings"] if finding["rule"].startswith("patient-")] == []
