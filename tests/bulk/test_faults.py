"""What is wrong with an export is named; what can be read all the same is read."""

from __future__ import annotations

import errno
import gzip
import json
import os
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from adapter.bulk.export import export_at
from adapter.entrypoints.cli import main
from adapter.errors import OutputRefused
from tests.bulk.building import SMALL, converted, laid_out, ndjson, problems, written
from tests.bulk.populations import hospital

zstandard = pytest.importorskip("zstandard")
_LINES = ndjson(
    [
        {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-02-03"},
        {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2000-8"}]},
            "subject": {"reference": "Patient/p"},
            "effectiveDateTime": "2026-06-01",
            "valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        },
    ]
)


def manifest(*names: str, count: int = 2, kind: str = "output", **more: object) -> bytes:
    """A manifest that names these files."""
    items = [{"type": "Observation", "url": f"https://h.example.org/files/{name}", "count": count} for name in names]
    return json.dumps({"transactionTime": "2026-06-15T00:00:00Z", "output": [], kind: items, **more}).encode()


def convert(*words: object) -> Result:
    """Call the command."""
    return CliRunner().invoke(main, ["convert", *map(str, words), "--as-of", "2026-06-15", "--workers", "1"])


def findings(folder: Path, target: Path) -> str:
    """Why the export is refused."""
    result = convert(folder, "--out", target)
    assert result.exit_code == 3, result.stderr
    assert not list(target.glob("*")), "nothing may be written of an unsound export"
    assert not list(target.glob(".*")), "nothing temporary may stay"
    return result.stderr


def test_a_bad_line_is_set_aside_with_file_and_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A6.6"""
    first, second = _LINES.splitlines()
    data = (
        b"\xef\xbb\xbf" + first + b"\r\n\n{broken\n" + second.replace(b"final", "fi\u2028nal".encode()) + b"\n" + second
    )
    folder = laid_out(tmp_path / "in", {"a.ndjson": data})

    result = convert(folder, "--out", tmp_path / "out")

    assert result.exit_code == 1
    told = {problem["issue"][0]["diagnostics"]: problem["issue"][0]["code"] for problem in problems(tmp_path / "out")}
    assert told["a.ndjson:3"] == "structure"
    assert len(written(tmp_path / "out", "RiskAssessment")) == 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed_data_that_are_cut_short_are_refused(pack: object, tmp_path: Path) -> None:
    """E9"""
    assert callable(pack)
    folder = laid_out(tmp_path / "in", {"a.ndjson.gz": pack(_LINES * 500)[:-7]})
    assert "a.ndjson.gz: the " in (told := findings(folder, tmp_path / "out"))
    assert "cut short" in told or "damaged" in told


def test_damaged_packed_data_are_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(_LINES * 50))
    data[40:50] = b"0123456789"
    assert "damaged" in findings(laid_out(tmp_path / "in", {"a.ndjson.gz": bytes(data)}), tmp_path / "out")


def test_data_packed_to_fill_the_disk_are_refused(tmp_path: Path) -> None:
    """E10"""
    folder = laid_out(tmp_path / "in", {"a.ndjson.gz": gzip.compress(bytes(80 * 1024 * 1024))})
    assert "grow beyond 400 times their size" in findings(folder, tmp_path / "out")


def test_a_file_that_the_manifest_names_must_be_there(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"manifest.json": manifest("a.ndjson", "b.ndjson"), "a.ndjson": _LINES})
    assert "b.ndjson: is named in the manifest, but is not in the folder" in findings(folder, tmp_path / "out")


def test_a_file_must_hold_as_many_resources_as_the_manifest_promises(tmp_path: Path) -> None:
    """E9"""
    folder = laid_out(tmp_path / "in", {"manifest.json": manifest("a.ndjson", count=3), "a.ndjson": _LINES})
    assert "a.ndjson: 2 resources, and the manifest promises 3" in findings(folder, tmp_path / "out")


def test_a_copy_of_a_file_is_named_packed_or_not(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES, "b.ndjson": _LINES, "c.ndjson.gz": gzip.compress(_LINES)})
    told = findings(folder, tmp_path / "out")
    assert "b.ndjson: is a copy of a.ndjson" in told
    assert "c.ndjson.gz: is a copy of a.ndjson" in told


def test_a_file_named_twice_by_the_manifest_is_refused(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"manifest.json": manifest("a.ndjson", "a.ndjson"), "a.ndjson": _LINES})
    assert "named twice" in findings(folder, tmp_path / "out")


def test_changes_alone_are_refused_and_read_together_with_what_they_follow(tmp_path: Path) -> None:
    first, second = _LINES.splitlines(keepends=True)
    since = "https://h.example.org/$export?_type=Observation&_since=2026-06-01T00:00:00Z"
    whole = {"2026/manifest.json": manifest("a.ndjson", count=1), "2026/a.ndjson": first}
    changes = {"later/manifest.json": manifest("b.ndjson", count=1, request=since), "later/b.ndjson": second}
    folder = laid_out(tmp_path / "in", whole | changes)

    assert "holds only what changed since a moment" in findings(folder / "later", tmp_path / "refused")
    assert convert(folder, "--out", tmp_path / "out").exit_code == 1

    (assessment,) = written(tmp_path / "out", "RiskAssessment")
    assert b"Observation/o" in assessment
    assert json.loads((tmp_path / "out/summary.json").read_bytes())["problems"] == {"release-assumed": 1}


@pytest.mark.parametrize("name", ["../a.ndjson", "..%2Fa.ndjson", "x/../../a.ndjson", "..", "", "%5C..%5Ca.ndjson"])
def test_no_name_in_a_manifest_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    """E47"""
    laid_out(tmp_path, {"a.ndjson": _LINES})
    folder = laid_out(tmp_path / "in", {"manifest.json": manifest(name)})
    assert "is not in the folder" in findings(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"output": {}}, "output is no list of files"),
        ({"output": None}, "output is no list of files"),
        ({"deleted": "a.ndjson"}, "deleted is no list of files"),
        ({"output": ["a.ndjson"]}, "named by something else than an object"),
        ({"output": [{"url": "http://h/a.ndjson", "count": "2"}]}, "a.ndjson: the count is no whole number"),
        ({"output": [{"url": "http://h/a.ndjson", "count": 2.5}]}, "a.ndjson: the count is no whole number"),
        ({"link": [{"relation": "next", "url": "http://h/more"}]}, "goes on at another address"),
    ],
)
def test_a_manifest_that_may_not_name_all_is_refused(wrong: dict[str, object], told: str, tmp_path: Path) -> None:
    listed = json.loads(manifest("a.ndjson")) | wrong
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES, "manifest.json": json.dumps(listed).encode()})

    assert told in findings(folder, tmp_path / "out")


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    others = {f"Observation.ndjson.{number}": _LINES for number in range(11)}
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES, "below/b.ndjson.bz2": b"", **others})

    result = convert(folder, "--out", tmp_path / "out")

    assert "in the manifest: Observation.ndjson.0, " in result.stderr
    assert " and 2 more\n" in result.stderr
    assert "below/b.ndjson.bz2" in json.loads((tmp_path / "out" / "summary.json").read_bytes())["unlisted"]


def test_folders_behind_links_are_read_once(tmp_path: Path) -> None:
    laid_out(tmp_path / "elsewhere", {"a.ndjson": _LINES})
    folder = laid_out(tmp_path / "in", {"here/readme.txt": b""})
    for link, target in (("here/on", "elsewhere"), ("here/again", "elsewhere"), ("here/round", "in")):
        (folder / link).symlink_to(tmp_path / target)

    converted(folder, tmp_path / "out")

    assert len(written(tmp_path / "out", "RiskAssessment")) == 1


def test_an_error_that_the_server_reports_is_told_by_the_exit_code(tmp_path: Path) -> None:
    """E8"""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    files = {"a.ndjson": _LINES, "error.ndjson": ndjson([outcome])}
    listed = json.loads(manifest("a.ndjson")) | {
        "error": [{"type": "OperationOutcome", "url": "http://h/error.ndjson"}]
    }
    folder = laid_out(tmp_path / "in", {**files, "manifest.json": json.dumps(listed).encode(), "more.ndjson": b"{}"})

    result = convert(folder, "--out", tmp_path / "out")

    assert result.exit_code == 3
    assert "not in the manifest: more.ndjson\n" in result.stderr
    assert len(written(tmp_path / "out", "RiskAssessment")) == 1
    assert any(
        "the server reports error" in problem["issue"][0]["details"]["text"] for problem in problems(tmp_path / "out")
    )


def test_the_release_that_was_assumed_is_told(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES})

    result = convert(folder, "--out", tmp_path / "out")

    sentence = "nothing in the input tells the release of FHIR; everything was read as R4"
    assert sentence in result.stderr.splitlines()
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["notices"] == [sentence]


def test_the_manifest_itself_may_be_named(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"manifest.json": manifest("a.ndjson"), "a.ndjson": _LINES})
    assert convert(folder / "manifest.json", "--out", tmp_path / "out").exit_code in (0, 1)
    assert len(written(tmp_path / "out", "RiskAssessment")) == 1


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    """E47"""
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES})
    out = laid_out(tmp_path / "out", {"RiskAssessment.0002.ndjson": b"old\n"})
    assert convert(folder, "--out", out).exit_code == 2
    assert convert(folder, "--out", out, "--resume").exit_code == 2, "there is nothing to go on with"
    assert written(out, "RiskAssessment") == [b"old"]
    assert convert(folder, "--out", out, "--force").exit_code in (0, 1)
    assert not (out / "RiskAssessment.0002.ndjson").exists()


def test_the_output_never_lies_within_the_export(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES})
    result = convert(folder, "--out", folder / "out")
    assert (result.exit_code, "lies within the export" in result.stderr) == (2, True)


def test_a_page_in_the_place_of_data_is_told(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"a.ndjson": b"<!doctype html>\n<p>log in\n", "b.ndjson": _LINES})
    assert convert(folder, "--out", tmp_path / "out").exit_code == 1
    (told,) = [each for each in problems(tmp_path / "out") if each["issue"][0]["code"] == "structure"]
    assert "HTML page" in told["issue"][0]["details"]["text"]
    assert told["issue"][0]["diagnostics"] == "a.ndjson"


def test_nothing_is_read_of_a_page_however_long_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapter.bulk import running

    monkeypatch.setattr(running, "RANGE", 10)
    page = b"<!doctype html>\n" + _LINES
    folder = laid_out(tmp_path / "in", {"a.ndjson": page, "b.ndjson": ndjson([])})

    finished = converted(folder, tmp_path / "out")

    assert (finished.summary.problems["json-invalid"], finished.summary.resources) == (1, 0)


def test_where_an_endless_line_ends_is_found_without_holding_it(tmp_path: Path) -> None:
    """E12"""
    from adapter.bulk.lines import ranges

    (tmp_path / "a.ndjson").write_bytes(_LINES)
    os.truncate(tmp_path / "a.ndjson", 200_000_000)
    files = export_at(tmp_path).files
    tracemalloc.start()

    found = list(ranges(files, 1_000_000))

    assert [each.stop for each in found] == [200_000_000]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_an_endless_line_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E12"""
    from adapter.bulk import lines

    monkeypatch.setattr(lines, "LONGEST_LINE", 2000)
    folder = laid_out(tmp_path / "in", {"a.ndjson": b"[" * 3_000_000 + b"\n" + _LINES})
    converted(folder, tmp_path / "out")
    assert len(written(tmp_path / "out", "RiskAssessment")) == 1
    assert any("the line has 3000000 bytes" in str(problem) for problem in problems(tmp_path / "out"))


def test_a_full_disk_is_said_in_one_line_and_can_be_gone_on_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapter.bulk import spilling

    folder = laid_out(tmp_path / "in", hospital(1, patients=4))
    whole = spilling.SpillWriter._write_round

    def full(writer: spilling.SpillWriter) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "scan")

    monkeypatch.setattr(spilling.SpillWriter, "_write_round", full)
    with pytest.raises(OutputRefused, match="No space left on device; mend that, and go on with --resume"):
        converted(folder, tmp_path / "out")
    monkeypatch.setattr(spilling.SpillWriter, "_write_round", whole)
    converted(folder, tmp_path / "out", msgspec.structs.replace(SMALL, resume=True))
    assert written(tmp_path / "out", "RiskAssessment")


def test_what_the_disk_did_not_take_is_never_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = laid_out(tmp_path / "in", hospital(1, patients=4))
    whole, synced = os.fsync, []

    def failing(handle: int) -> None:
        synced.append(handle)
        if len(synced) > 9:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        whole(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OutputRefused, match="go on with --resume"):
        converted(folder, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.ndjson"))
    monkeypatch.setattr(os, "fsync", whole)
    converted(folder, tmp_path / "out", msgspec.structs.replace(SMALL, resume=True))
    converted(folder, tmp_path / "whole")
    assert written(tmp_path / "out", "RiskAssessment") == written(tmp_path / "whole", "RiskAssessment") != []


def test_the_disk_that_is_needed_is_checked_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapter.bulk import order, running

    needed = order.Need(10 << 30, 1 << 30, 5 << 30)
    monkeypatch.setattr(running, "need_of", lambda export, target: needed)
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES})
    with pytest.raises(OutputRefused, match="10240 MB for temporary files and 1024 MB for the output"):
        converted(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_share_of_the_output_is_validated_and_its_cost_told(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES})
    result = convert(folder, "--out", tmp_path / "out", "--validate", "100%")
    assert "validated: 1 patients, which took" in result.stderr
    assert convert(folder, "--out", tmp_path / "out2", "--validate=0%").stderr.count("validated") == 0
    assert convert(folder, "--out", tmp_path / "out3", "--validate-sample", "200%").exit_code == 2
    assert convert(folder, "--out", tmp_path / "out3", "--memory", "much").exit_code == 2


def test_a_dry_run_says_what_is_needed_and_writes_nothing(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "in", {"a.ndjson": _LINES})
    result = convert(folder, "--out", tmp_path / "out", "--dry-run")
    assert "MB for temporary files" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_lost_worker_is_told(tmp_path: Path) -> None:
    from adapter.bulk.workers import WorkerLost, in_parallel

    with pytest.raises(WorkerLost, match="was ended"):
        list(in_parallel([1, 2], lambda task, tell: os._exit(9), workers=2, tell=lambda amount: None))
