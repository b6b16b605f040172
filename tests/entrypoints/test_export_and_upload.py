"""Out of a server by export, assessed here, and back by upload: each assessment stands there once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapter.entrypoints.cli import main
from tests.servers.bulk_server import Habits, bulk_server
from tests.servers.sekmet import Sekmet, sekmet

AS_OF = ("--as-of", "2026-06-15")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Sekmet]:
    journeys = [repository / "fixtures/journeys" / name / "input.json" for name in ("moderate-raised-turnover",)]
    with sekmet(tmp_path_factory.mktemp("sekmet")) as running:
        for journey in journeys:
            running.load([entry["resource"] for entry in json.loads(journey.read_bytes())["entry"]])
        yield running


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSTEO_FHIR_LEDGER", str(tmp_path / "ledger.sqlite"))
    return tmp_path / "ledger.sqlite"


def called(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def endings(result: Result) -> list[str]:
    """How each patient ended, by the JSON lines."""
    events = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return [each["ending"] for each in events if each["event"] == "patient"]


def test_an_export_is_assessed_and_written_back_once(server: Sekmet, tmp_path: Path, ledger: Path) -> None:
    exported, assessed = tmp_path / "exported", tmp_path / "assessed"
    there = ("--server", server.base)
    assert called("export", *there, "--out", exported).exit_code == 0
    called("convert", exported, "--out", assessed, "--format", "resources", *AS_OF)
    assert endings(called("upload", assessed, *there, "--dry-run")) == ["would-write"]
    assert server.found("RiskAssessment") == []
    first = called("upload", assessed, *there)
    again = called("upload", assessed, *there)
    assert (first.exit_code, endings(first), endings(again)) == (0, ["written"], ["unchanged"])
    (only,) = server.found("RiskAssessment")
    assert only["subject"]["reference"].endswith("Patient/p-01")
    # The job comes to the same assessment, and finds it there.
    assert endings(called("run", *there, "--all", *AS_OF)) == ["unchanged"]
    events = [json.loads(line) for line in ledger.with_name("ledger.audit.ndjson").read_text().splitlines()]
    assert [each["subtype"][0]["code"] for each in events] == ["operation", "create", "search"]


def test_the_next_export_begins_where_the_last_one_ended(server: Sekmet, tmp_path: Path, ledger: Path) -> None:
    there = ("--server", server.base)
    called("export", *there, "--out", tmp_path / "first")
    second = called("export", *there, "--since", "last", "--out", tmp_path / "second")
    assert second.exit_code == 0
    assert "Observation" not in second.stderr
    assert "this is only what changed" in second.stderr
    alone = called("convert", tmp_path / "second", "--out", tmp_path / "assessed", *AS_OF)
    assert (alone.exit_code, "holds only what changed" in alone.stderr) == (3, True)


def test_what_could_not_be_had_is_named_and_moves_no_watermark(tmp_path: Path, ledger: Path) -> None:
    """E8, E9: exit code 3"""
    patients = {"Patient.1": b'{"resourceType":"Patient","id":"a"}\n'}
    with bulk_server(patients, Habits(counts={"Patient.1": 2})) as bulk:
        options = ("export", "--server", bulk.base, "--type", "Patient")
        short = called(*options, "--out", tmp_path / "short")
        bulk.habits = Habits()
        later = called(*options, "--since", "last", "--out", tmp_path / "later")
        asked = [json.loads(body) for method, path, _, body in bulk.requests if path.endswith("$export")]
    assert (short.exit_code, later.exit_code) == (3, 0)
    converted = called("convert", tmp_path / "short", "--out", tmp_path / "assessed", *AS_OF)
    assert (converted.exit_code, list(tmp_path.glob("assessed/*"))) == (3, [])
    assert "Patient.0001.ndjson: is named in the manifest, but is not in the folder" in converted.stderr
    assert "missing: Patient.0001.ndjson" in short.stderr
    assert not [each for each in asked[1]["parameter"] if each["name"] == "_since"]


_ERROR = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}\n'


@pytest.mark.parametrize(
    ("more", "errors", "habits"),
    [
        ({}, {"error.1": _ERROR}, Habits()),
        ({"OperationOutcome.1": _ERROR}, {}, Habits()),
        ({"Condition.1": b'{"resourceType":"Condition"}\n'}, {}, Habits(counts={"Condition.1": 2})),
    ],
    ids=["an error in the manifest", "an error among the data", "a file cut short"],
)
def test_of_an_export_that_is_not_whole_nothing_is_written_back(
    more: dict[str, bytes],
    errors: dict[str, bytes],
    habits: Habits,
    tmp_path: Path,
    ledger: Path,
    repository: Path,
) -> None:
    """A6.7, E9: what is missing would read as if the patient did not have it"""
    journey = json.loads((repository / "fixtures/journeys/moderate-raised-turnover/input.json").read_bytes())
    lines = b"".join(json.dumps(entry["resource"]).encode() + b"\n" for entry in journey["entry"])
    with bulk_server({"Patient.1": lines, **more}, habits, errors=errors) as bulk:
        round_ = ("bulk", "--server", bulk.base, "--type", "Patient", "--work", tmp_path / "round", *AS_OF)
        first = called(*round_)
        last, _, _, _ = bulk.requests[-1]
        again = called(*round_)
    assert (first.exit_code, again.exit_code) == (3, 3)
    assert last == "DELETE", "once the export is discarded, the server is left alone"
    assert all(endings(each) == [] for each in (first, again))


def test_a_time_that_cannot_be_the_servers_clock_is_no_watermark(tmp_path: Path, ledger: Path) -> None:
    """A6.8: all that happens until the year 9999 would be passed by"""
    with bulk_server(
        {"Patient.1": b'{"resourceType":"Patient","id":"p"}\n'}, Habits(time="9999-01-01T00:00:00Z")
    ) as bulk:
        there = ("--server", bulk.base, "--type", "Patient")
        assert "cannot be its clock" in called("export", *there, "--out", tmp_path / "one").stderr
        called("export", *there, "--since", "last", "--out", tmp_path / "two")
        asked = [body for method, path, _, body in bulk.requests if method == "POST" and path.endswith("$export")]
    assert len(asked) == 2
    assert b"_since" not in asked[1]


def test_a_group_that_is_no_id_is_told_before_anything_is_asked(tmp_path: Path, ledger: Path) -> None:
    with bulk_server({}) as bulk:
        result = called("export", "--server", bulk.base, "--group", "../Patient", "--out", tmp_path / "out")
    assert (result.exit_code, bulk.requests) == (2, [])


def test_a_server_that_exports_nothing_is_one_clear_line(tmp_path: Path, ledger: Path) -> None:
    with bulk_server({}, Habits(content_location=False)) as bulk:
        result = called("export", "--server", bulk.base, "--type", "Patient", "--out", tmp_path / "x")
    assert result.exit_code == 3
    assert "export-refused" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no Device.ndjson"),
        ({"Device": "{}"}, "holds no RiskAssessment.ndjson"),
        ({"Device": '{"id":"d"}', "RiskAssessment": "{}", "Provenance": "{}"}, "is no RiskAssessment of ours"),
        ({"Device": '{"id":"d"}', "RiskAssessment": '{"id":"a"}', "Provenance": ""}, "not as many Provenances"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused_before_anything_is_sent(
    server: Sekmet, tmp_path: Path, ledger: Path, files: dict[str, str], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / f"{name}.ndjson").write_text(content + "\n" if content else "")
    before = len(server.found("RiskAssessment"))
    result = called("upload", tmp_path, "--server", server.base)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(server.found("RiskAssessment")) == before


def test_an_assessment_of_a_patient_elsewhere_is_not_written(server: Sekmet, tmp_path: Path, ledger: Path) -> None:
    device = {"resourceType": "Device", "id": "d"}
    assessment = {
        "resourceType": "RiskAssessment",
        "id": "a",
        "subject": {"reference": "https://elsewhere.example/fhir/Patient/p-01"},
        "performer": {"reference": "Device/d"},
    }
    provenance = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "RiskAssessment/a"}]}
    for each in (device, assessment, provenance):
        (tmp_path / f"{each['resourceType']}.ndjson").write_text(json.dumps(each) + "\n")
    result = called("upload", tmp_path, "--server", server.base)
    assert (result.exit_code, endings(result)) == (1, ["refused"])


def test_the_whole_round_writes_each_assessment_once_and_leaves_no_patients_data(
    tmp_path: Path, ledger: Path, repository: Path
) -> None:
    journey = json.loads((repository / "fixtures/journeys/moderate-raised-turnover/input.json").read_bytes())
    with sekmet(tmp_path / "sekmet") as server:
        server.load([entry["resource"] for entry in journey["entry"]])
        round_ = ("bulk", "--server", server.base, "--work", tmp_path / "round", *AS_OF)
        tried = called(*round_, "--dry-run")
        assert endings(tried) == ["would-write"]
        assert server.found("RiskAssessment") == []
        done = called(*round_)
        assert (done.exit_code, endings(done)) == (0, ["written"])
        assert not (tmp_path / "round").exists()
        assert len(server.found("RiskAssessment")) == 1
        assert endings(called(*round_)) == ["unchanged"]


@pytest.mark.parametrize("words", [("export", "--out"), ("bulk", "--work")], ids=["export", "bulk"])
def test_a_folder_that_cannot_be_made_is_one_clear_line(
    words: tuple[str, str], server: Sekmet, tmp_path: Path, ledger: Path
) -> None:
    (tmp_path / "file").touch()
    command, option = words

    result = called(command, "--server", server.base, option, tmp_path / "file" / "out")

    assert result.exit_code == 2
    assert result.stderr.startswith(f"osteo-fhir: {tmp_path / 'file' / 'out'}")
    assert result.stderr.endswith(": Not a directory\n")


def test_a_size_that_is_none_is_told_before_anything_is_exported(tmp_path: Path, ledger: Path) -> None:
    with bulk_server({}) as asked:
        result = called("bulk", "--server", asked.base, "--work", tmp_path / "round", "--memory", "much")
    assert (result.exit_code, asked.requests) == (2, [])
    assert "--memory much" in result.stderr
