"""``osteo-fhir convert``: what goes in, what comes out where, and with which exit code."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.fhir.decoding import encode
from tests.entrypoints.building import AS_OF, LOW, OPEN, OTHER, WOMAN, run, saved, types
from tests.laws.bundles import Json, in_bundle, measured, observation, of_patient, quantity

TRANSACTION = ["RiskAssessment", "Device", "Provenance"]


def test_a_patient_whose_risk_is_clear_ends_with_zero(tmp_path: Path) -> None:
    result = run("convert", saved(tmp_path / "a.json", LOW), *AS_OF)

    assert result.exit_code == 0
    assert types(result.stdout_bytes) == TRANSACTION
    assert "1 patient: 1 assessed, 0 undetermined; 1 written; 4 entries read as R4" in result.stderr
    # How the release was found is told, and is no problem.
    assert "everything was read as R4" in result.stderr
    assert "problems:" not in result.stderr


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encode(in_bundle(OPEN)), "1 undetermined"),
        (encode(in_bundle([*LOW, {"resourceType": "Banana", "id": "b"}])), "type-unknown"),
        (b"no JSON at all", "json-invalid"),
        (b" \n", "there is nothing in it"),
        (b"PK\x03\x04\x14\x00", "a zip archive; unpack it first"),
        (b"%PDF-1.4\n", "a PDF, and no FHIR"),
    ],
)
def test_what_could_not_be_read_or_assessed_ends_with_one(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.json").write_bytes(data)

    result = run("convert", tmp_path / "a.json", *AS_OF)

    assert result.exit_code == 1
    assert words in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["missing.json"],
        ["*.nothing"],
        ["x" * 300],
        [".", "--as-of", "15.06.2026"],
        [".", "--as-of", "2026-02-30"],
        [".", "--fhir", "R3"],
        [".", "--language", "de"],
        [".", "--format", "xml"],
        [".", "--mappings", "missing"],
        [".", "--out", "out.json.gz"],
        [".", "--no-such-option"],
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_a_wrong_call_ends_with_two_and_says_what_is_expected(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.json", LOW)

    result = run("convert", *arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr) > 20


def test_an_empty_folder_is_a_wrong_call(tmp_path: Path) -> None:
    result = run("convert", tmp_path)

    assert result.exit_code == 2
    assert "holds no file that ends in .json, .ndjson, .jsonl" in result.stderr


def test_a_file_that_cannot_be_opened_ends_with_one(tmp_path: Path) -> None:
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")

    result = run("convert", tmp_path / "*.json", *AS_OF)

    assert result.exit_code == 1
    assert "gone.json: No such file or directory" in result.stderr


def test_one_unreadable_file_costs_no_other(tmp_path: Path) -> None:
    saved(tmp_path / "good.json", LOW)
    (tmp_path / "bad.json").write_bytes(b"{")

    result = run("convert", tmp_path, *AS_OF)

    assert (result.exit_code, types(result.stdout_bytes)) == (1, TRANSACTION)


@pytest.mark.parametrize("word", ["exports", "exports/deep", "exports/*/*.json", "exports/**/*.json", "exports/*"])
def test_folders_are_walked_and_patterns_are_followed(
    tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "exports" / "deep" / "a.json", LOW)
    (tmp_path / "exports" / "deep" / "README.md").write_text("no FHIR", "utf-8")

    result = run("convert", word, *AS_OF)

    assert (result.exit_code, types(result.stdout_bytes)) == (0, TRANSACTION)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("ward", "clinic/east"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.json").write_bytes(b"{")
    (tmp_path / "b.json").write_bytes(b"{")

    result = run("convert", tmp_path, *AS_OF)

    told = [line.split(":")[0].strip() for line in result.stderr.splitlines() if "no JSON" in line]
    assert sorted(told) == ["b.json", "clinic/east/a.json", "ward/a.json"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.json", LOW)

    assert "4 entries" in run("convert", path, path, *AS_OF).stderr


@pytest.mark.parametrize("name", ["a.json.gz", "a.ndjson.gz", "a.JSON", "a.jsonl"])
def test_packed_files_and_lines_are_known_by_their_name(tmp_path: Path, name: str) -> None:
    lines = "nd" in name or "jsonl" in name
    data = b"\n".join(map(encode, LOW)) if lines else encode(in_bundle(LOW))
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

    assert run("convert", tmp_path, *AS_OF).exit_code == 0


def test_standard_input_is_read_and_named_so_in_problems() -> None:
    result = run("convert", "-", *AS_OF, stdin=b"{")

    assert result.exit_code == 1
    assert "standard-input: no JSON at line 1" in result.stderr


def test_several_files_of_one_patient_are_one_patient(tmp_path: Path) -> None:
    for number, resource in enumerate(LOW):
        (tmp_path / f"{number}.json").write_bytes(encode(resource))

    result = run("convert", tmp_path, "--out", tmp_path / "out", *AS_OF)

    assert result.exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p.json"]


def test_one_transaction_per_patient_is_written_into_a_folder(tmp_path: Path) -> None:
    both = saved(tmp_path / "in.json", [*LOW, *of_patient(LOW, "q")])

    result = run("convert", both, "--out", f"{tmp_path}/out/deep/", *AS_OF)

    assert result.exit_code == 0
    files = sorted((tmp_path / "out" / "deep").iterdir())
    assert [path.name for path in files] == ["p.json", "q.json"]
    assert [types(path.read_bytes()) for path in files] == [TRANSACTION] * 2


def test_bare_resources_are_written_as_one_file_per_type(tmp_path: Path) -> None:
    both = saved(tmp_path / "in.json", [*LOW, *of_patient(LOW, "q")])

    run("convert", both, "--out", tmp_path / "out", "--format", "resources", *AS_OF)

    lines = {path.name: len(path.read_bytes().splitlines()) for path in (tmp_path / "out").iterdir()}
    assert lines == {"RiskAssessment.ndjson": 2, "Device.ndjson": 1, "Provenance.ndjson": 2}


def test_lines_give_lines(tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_bytes(b"\n".join(map(encode, [*LOW, *of_patient(LOW, "q")])))

    run("convert", tmp_path / "in.ndjson", "--out", tmp_path / "out", *AS_OF)
    run("convert", tmp_path / "in.ndjson", "--out", tmp_path / "one.json", *AS_OF)

    written = (tmp_path / "out" / "transactions.ndjson").read_bytes()
    assert [types(line) for line in written.splitlines()] == [TRANSACTION] * 2
    assert (tmp_path / "one.json").read_bytes() == written


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [("o.json", "transaction", 1), ("o.json", "resources", 3), ("o.ndjson", "transaction", 1)],
)
def test_one_patient_fits_one_file(tmp_path: Path, name: str, shape: str, count: int) -> None:
    given = saved(tmp_path / "in.json", LOW)

    assert run("convert", given, "--out", tmp_path / name, "--format", shape, *AS_OF).exit_code == 0
    assert len((tmp_path / name).read_bytes().splitlines()) == count


def test_several_patients_do_not_fit_one_json_file(tmp_path: Path) -> None:
    both = saved(tmp_path / "in.json", [*LOW, *of_patient(LOW, "q")])

    result = run("convert", both, "--out", tmp_path / "out.json", *AS_OF)

    assert result.exit_code == 2
    assert "2 patients do not fit one Bundle; name a folder or an .ndjson file" in result.stderr
    assert not (tmp_path / "out.json").exists()


def test_where_no_assessment_may_be_written_there_is_no_file(tmp_path: Path) -> None:
    child = saved(tmp_path / "in.json", [WOMAN | {"birthDate": "2015-01-01"}])

    result = run("convert", child, "--out", tmp_path / "out.json", *AS_OF)

    assert result.exit_code == 1
    assert "0 written" in result.stderr
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["a b", "..", "ä"], ["a-b.json", "patient.json", "patient.*.json"]),
        (["x" * 300], [f"{'x' * 80}.json"]),
        (["-", "--force"], ["force.json", "patient.json"]),
        (["same/../../1"], ["1.json"]),
    ],
)
def test_file_names_are_safe_whatever_the_ids(tmp_path: Path, ids: list[str], names: list[str]) -> None:
    given = tmp_path / "in.ndjson"
    given.write_bytes(encode(in_bundle([WOMAN | {"id": each} for each in ids], base="")))

    run("convert", given.rename(tmp_path / "in.json"), "--out", tmp_path / "out", "--no-validate", *AS_OF)

    found = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert len(found) == len(names)
    assert all(any(Path(name).match(pattern) for pattern in names) for name in found), found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.json", "out"]


def test_patients_of_two_servers_with_one_id_get_two_files(tmp_path: Path) -> None:
    for server in ("one", "two"):
        record = in_bundle(LOW, base=f"https://{server}.example.org/fhir")
        (tmp_path / f"{server}.json").write_bytes(encode(record))

    run("convert", tmp_path, "--out", tmp_path / "out", *AS_OF)

    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(tmp_path: Path) -> None:
    given = saved(tmp_path / "in.json", LOW)

    result = run("convert", given, "--out", tmp_path / "out", "--dry-run", *AS_OF)

    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 would be written" in result.stderr
    assert sorted(tmp_path.iterdir()) == [given]


def test_what_would_be_invalid_is_withheld_for_one_patient_and_written_for_the_others(tmp_path: Path) -> None:
    nameless = {"fullUrl": "urn:x:1", "resource": {name: each for name, each in OTHER.items() if name != "id"}}
    bundle = in_bundle(LOW)
    bundle["entry"].append(nameless)
    (tmp_path / "in.json").write_bytes(encode(bundle))

    result = run("convert", tmp_path / "in.json", *AS_OF)

    assert result.exit_code == 1
    assert [types(line) for line in result.stdout_bytes.splitlines()] == [TRANSACTION]
    assert "refused to write: in.json#Bundle.entry[4].resource: RiskAssessment.subject.reference" in result.stderr


def test_without_validation_everything_is_written(tmp_path: Path) -> None:
    given = saved(tmp_path / "in.json", LOW)

    assert run("convert", given, "--no-validate", *AS_OF).stdout == run("convert", given, *AS_OF).stdout


def test_texts_are_written_in_the_language_asked_for(tmp_path: Path) -> None:
    given = saved(tmp_path / "in.json", LOW)

    english, chinese = (run("convert", given, "--language", each, *AS_OF).stdout for each in ("en", "zh"))

    assert '"language":"zh"' in chinese
    assert "低" in chinese
    assert "低" not in english


@pytest.mark.parametrize(("release", "name"), [("R4", "R4"), ("R4B", "R4B"), ("R5", "R5"), ("STU3", "STU3")])
def test_the_release_is_the_one_asked_for(tmp_path: Path, release: str, name: str) -> None:
    result = run("convert", saved(tmp_path / "in.json", LOW), "--fhir", release, *AS_OF)

    assert result.exit_code == 0
    assert f"read as {name}" in result.stderr
    assert "release-assumed" not in result.stderr


def test_the_day_of_the_assessment_decides_what_counts(tmp_path: Path) -> None:
    given = saved(tmp_path / "in.json", LOW)

    days = {day: run("convert", given, "--as-of", day).exit_code for day in ("2026-06-15", "2026-05-01", "2028-01-01")}

    assert days == {"2026-06-15": 0, "2026-05-01": 1, "2028-01-01": 1}


def test_without_a_day_it_is_today(tmp_path: Path) -> None:
    assert '"occurrenceDateTime":"20' in run("convert", saved(tmp_path / "in.json", LOW)).stdout


@pytest.mark.parametrize(
    ("option", "result"),
    [
        ("--allow-preliminary", measured("ctx", "ctx", "812", status="preliminary")),
        ("--read-text", observation("ctx", "41171-0", None, valueString="812 ng/L")),
        ("--use-issued", measured("ctx", "ctx", "812", effectiveDateTime=None, issued="2026-06-02T08:10:00Z")),
    ],
)
def test_what_is_switched_on_is_used_and_else_it_is_not(tmp_path: Path, option: str, result: Json) -> None:
    given = saved(tmp_path / "in.json", [*LOW[:-1], result])

    without, with_ = (run("convert", given, *AS_OF, *more).stdout for more in ([], [option]))

    assert "Observation/ctx" not in str(json.loads(without)["entry"][0]["resource"].get("basis"))
    assert "Observation/ctx" in str(json.loads(with_)["entry"][0]["resource"]["basis"])


def test_what_was_written_is_labelled_as_made_by_an_algorithm_only_if_wanted(tmp_path: Path) -> None:
    given = saved(tmp_path / "in.json", LOW)

    assert "AIAST" not in run("convert", given, *AS_OF).stdout
    assert "AIAST" in run("convert", given, "--label-ai", *AS_OF).stdout


def test_qfracture_is_shown_only_if_wanted(tmp_path: Path) -> None:
    body = [measured("w", "weight", "62"), measured("h", "height", "1.60")]
    given = saved(tmp_path / "in.json", [*LOW, *body])

    assert "QFracture" not in run("convert", given, *AS_OF).stdout
    assert "ClinRisk" in run("convert", given, "--qfracture", *AS_OF).stdout


def test_the_summary_counts_reasons_and_shows_the_first_problems(tmp_path: Path) -> None:
    strays = [measured(f"s{number}", "ctx", "1", subject={"reference": "Group/g"}) for number in range(25)]
    old = measured("old", "pth", "40", effectiveDateTime="2019-01-01")
    wrong = measured("wrong", "vitamin-d", "40") | {"valueQuantity": quantity(Decimal(1), "bananas")}

    errors = run("convert", saved(tmp_path / "in.json", [*LOW, *strays, old, wrong]), *AS_OF).stderr

    assert "set aside: too-old 1, unit-unknown 1" in errors
    assert "subject-unresolved 25" in errors
    assert errors.count("the subject is no Patient but a Group") == 19
    assert "… and 6 more; see `osteo-fhir explain --json`" in errors
