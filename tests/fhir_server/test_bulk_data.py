"""The client of Bulk Data against a server that behaves as awkwardly as real ones do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import OutputRefused, ServerError
from adapter.fhir_server.bulk_data import Export, manifest_of
from adapter.fhir_server.client import FhirServer
from adapter.fhir_server.limits import Limits
from adapter.fhir_server.retrying import Patience
from adapter.fhir_server.transport import RequestsTransport
from adapter.job.exporting import Fetched, abandon, fetch_export
from tests.servers.bulk_server import BulkServer, Habits, bulk_server

FILES = {
    "Patient.1": b'{"resourceType":"Patient","id":"a"}\n',
    "Observation.1": b'{"resourceType":"Observation","id":"1"}\n{"resourceType":"Observation","id":"2"}\n',
}
TOKEN = "Bearer only-for-this-server"  # noqa: S105


class _Credentials:
    """Credentials of one origin."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def headers(self, url: str) -> Mapping[str, str]:
        return {"Authorization": TOKEN} if url.startswith(f"{self._origin}/") else {}

    def refused(self, url: str) -> bool:
        return False


def client(bulk: BulkServer) -> FhirServer:
    limits = Limits(patience=Patience(tries=2, first_wait=0.01))
    return FhirServer(bulk.base, RequestsTransport(), authorisation=_Credentials(bulk.origin), limits=limits)


def fetch(bulk: BulkServer, folder: Path, export: Export | None = None) -> Fetched:
    return fetch_export(client(bulk), export or Export(), folder, seconds=20, tell=lambda line: None)


def authorised(bulk: BulkServer, part: str) -> list[bool]:
    """For each request to a path that holds this part: whether credentials were sent."""
    return ["Authorization" in headers for _, path, headers, _ in bulk.requests if part in path]


def test_an_export_is_brought_home_whole_with_a_manifest_of_local_names(tmp_path: Path) -> None:
    with bulk_server(FILES) as bulk:
        fetched = fetch(bulk, tmp_path / "export")
    manifest = json.loads((tmp_path / "export/manifest.json").read_bytes())
    assert fetched.is_complete
    assert fetched.resources == {"Patient": 1, "Observation": 2}
    assert [(tmp_path / "export" / each["url"]).read_bytes() for each in manifest["output"]] == list(FILES.values())
    assert manifest["transactionTime"] == fetched.transaction_time
    assert bulk.is_discarded
    assert not list((tmp_path / "export").glob("*.part"))


def test_a_folder_that_holds_this_export_is_taken_only_if_asked_for(tmp_path: Path) -> None:
    with bulk_server(FILES) as bulk:
        first = fetch(bulk, tmp_path / "export")
        asked = len(bulk.requests)
        again = fetch_export(
            client(bulk), Export(), tmp_path / "export", seconds=1, tell=lambda line: None, may_be_done=True
        )
        assert (again, len(bulk.requests)) == (first, asked)
        with pytest.raises(OutputRefused):
            fetch(bulk, tmp_path / "export")


def test_the_request_says_what_is_wanted_by_post_and_by_get_alike(tmp_path: Path) -> None:
    """A6.1, A6.8"""
    export = Export(since="2026-01-01T00:00:00Z", types=("Patient",), type_filters=("Observation?code=a,b",), group="g")
    with bulk_server(FILES) as bulk:
        fetch(bulk, tmp_path / "post", export)
        by_post = bulk.requests[0]
    with bulk_server(FILES, Habits(takes_post=False)) as bulk:
        fetch(bulk, tmp_path / "get", export)
        by_get = bulk.requests[1]
    names = [each["name"] for each in json.loads(by_post[3])["parameter"]]
    assert (by_post[0], by_post[1]) == ("POST", "/fhir/Group/g/$export")
    assert names == ["_outputFormat", "_since", "_type", "_typeFilter"]
    assert by_get[1].startswith("/fhir/Group/g/$export?_type=Patient&_since=2026-01-01T00%3A00%3A00Z&_typeFilter=")
    assert by_get[2]["Prefer"] == "respond-async"


def test_no_token_goes_to_files_that_need_none(tmp_path: Path) -> None:
    """E6, A6.4"""
    with bulk_server(FILES, Habits(requires_token=False)) as bulk:
        fetch(bulk, tmp_path / "export")
    assert authorised(bulk, "$export") == [True]
    assert authorised(bulk, "/files/") == [False, False]


def test_a_token_goes_to_files_that_need_one(tmp_path: Path) -> None:
    with bulk_server(FILES) as bulk:
        fetch(bulk, tmp_path / "export")
    assert authorised(bulk, "/files/") == [True, True]


def test_a_file_on_another_server_is_not_fetched_unless_it_is_allowed(tmp_path: Path) -> None:
    """E7"""
    with bulk_server(FILES) as foreign, bulk_server(FILES, Habits(file_origin=foreign.origin)) as bulk:
        fetched = fetch(bulk, tmp_path / "refused")
        assert foreign.requests == []
        assert len(fetched.refused) == 2
        assert not fetched.is_complete
        allowed = fetch(bulk, tmp_path / "allowed", Export(allowed_origins=(foreign.origin,)))
        assert allowed.is_complete
        assert authorised(foreign, "/files/") == [False, False]


def test_the_status_on_another_server_is_not_followed(tmp_path: Path) -> None:
    with (
        bulk_server(FILES) as foreign,
        bulk_server(FILES, Habits(status_origin=foreign.origin)) as bulk,
        pytest.raises(ServerError) as error,
    ):
        fetch(bulk, tmp_path / "export")
    assert error.value.code == "cross-origin-link"
    assert foreign.requests == []


@pytest.mark.parametrize("key", ["error", "outcome"])
def test_what_the_server_could_not_export_makes_it_incomplete(tmp_path: Path, key: str) -> None:
    """E8: both names of the list of errors"""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": "exception"}]}
    errors = {"errors.1": json.dumps(outcome).encode() + b"\n"}
    with bulk_server(FILES, Habits(error_key=key), errors=errors) as bulk:
        fetched = fetch(bulk, tmp_path / "export")
    assert fetched.server_errors == ("fatal exception",)
    assert not fetched.is_complete


@pytest.mark.parametrize(
    "habits", [Habits(counts={"Observation.1": 3}), Habits(damages_gzip=True)], ids=["count", "gzip"]
)
def test_a_truncated_file_is_asked_for_again_and_then_refused(tmp_path: Path, habits: Habits) -> None:
    """E9"""
    with bulk_server(FILES, habits) as bulk:
        fetched = fetch(bulk, tmp_path / "export")
    asked = [path for _, path, _, _ in bulk.requests if path.endswith("Observation.1")]
    assert len(asked) == 2
    assert any("Observation" in each for each in fetched.refused)
    assert not list((tmp_path / "export").glob("Observation*"))
    assert not list((tmp_path / "export").glob("*.part"))


def test_an_expired_link_is_renewed_by_a_fresh_manifest(tmp_path: Path) -> None:
    """A6.5"""
    with bulk_server(FILES, Habits(expires_once=True)) as bulk:
        assert fetch(bulk, tmp_path / "export").is_complete


def test_a_manifest_in_parts_is_read_to_its_end(tmp_path: Path) -> None:
    """A6.3"""
    with bulk_server(FILES, Habits(parts=True)) as bulk:
        assert fetch(bulk, tmp_path / "export").resources == {"Patient": 1, "Observation": 2}


@pytest.mark.parametrize("habits", [Habits(transient_polls=1), Habits(answers_200_with_status_header=True)])
def test_a_passing_failure_or_an_odd_status_only_makes_it_wait(tmp_path: Path, habits: Habits) -> None:
    """A6.2"""
    with bulk_server(FILES, habits) as bulk:
        assert fetch(bulk, tmp_path / "export").is_complete


def test_a_failed_export_is_an_error_that_names_nobody(tmp_path: Path) -> None:
    with bulk_server(FILES, Habits(fails_with=400)) as bulk, pytest.raises(ServerError) as error:
        fetch(bulk, tmp_path / "export")
    assert "secret-name" not in str(error.value)
    assert error.value.issues == ("fatal exception",)


def test_a_disk_that_is_full_is_named_and_the_export_goes_on_once_there_is_room(tmp_path: Path) -> None:
    """E45"""
    resource = pytest.importorskip("resource")
    with bulk_server({**FILES, "Condition.1": b'{"resourceType":"Condition"}\n' * 5000}) as bulk:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(OutputRefused, match=r"Condition\.0003\.ndjson: .*; make room") as full:
                fetch(bulk, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "unreachable" not in str(full.value)
        assert not list(tmp_path.glob("*.part"))
        assert fetch(bulk, tmp_path).resources == {"Patient": 1, "Observation": 2, "Condition": 5000}
        assert [method for method, path, _, _ in bulk.requests if path.endswith("$export")] == ["POST"]


def test_an_export_that_was_interrupted_is_resumed_and_not_begun_again(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with bulk_server(FILES, Habits(polls_before_ready=1000, retry_after="5")) as bulk:
        with pytest.raises(ServerError):
            fetch_export(client(bulk), Export(), folder, seconds=0.1, tell=lambda line: None)
        bulk.habits = Habits()
        fetched = fetch(bulk, folder)
    assert [path for method, path, _, _ in bulk.requests if path.endswith("$export")] == ["/fhir/Patient/$export"]
    assert fetched.is_complete


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with bulk_server(FILES) as bulk, pytest.raises(OutputRefused):
        fetch(bulk, tmp_path)
    assert bulk.requests == []


def test_an_abandoned_export_is_told_to_the_server(tmp_path: Path) -> None:
    """A6.9"""
    with bulk_server(FILES, Habits(polls_before_ready=1000, retry_after="5")) as bulk:
        with pytest.raises(ServerError):
            fetch_export(client(bulk), Export(), tmp_path / "export", seconds=0.1, tell=lambda line: None)
        abandon(client(bulk), tmp_path / "export")
    assert bulk.is_discarded


class _Reordering(dict[str, bytes]):
    """Files that are listed in the other order from the second time on."""

    turns = 0

    def items(self) -> Any:
        self.turns += 1
        return list(super().items())[:: 1 if self.turns == 1 else -1]


TWO = {f"Observation.{number}": b'{"resourceType":"Observation","id":"%d"}\n' % number for number in (1, 2)}


def contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.glob("Observation*.ndjson")}


def test_a_fresh_manifest_in_another_order_puts_no_file_in_the_place_of_another(tmp_path: Path) -> None:
    """A6.5: the first file was here, the link to the second ran out, and the server lists them anew"""
    with bulk_server(TWO, Habits(expires_once=True, expires="Observation.2")) as bulk:
        bulk.files = _Reordering(TWO)
        fetched = fetch(bulk, tmp_path / "export")
    assert fetched.is_complete
    assert contents(tmp_path / "export") == set(TWO.values())


def test_an_export_that_is_resumed_under_another_order_is_brought_home_anew(tmp_path: Path) -> None:
    def killed(line: str) -> None:
        if line.startswith("2 of 2"):
            raise KeyboardInterrupt

    with bulk_server(TWO) as bulk:
        bulk.files = _Reordering(TWO)
        with pytest.raises(KeyboardInterrupt):
            fetch_export(client(bulk), Export(), tmp_path / "export", seconds=20, tell=killed)
        fetched = fetch(bulk, tmp_path / "export")
    assert fetched.is_complete
    assert contents(tmp_path / "export") == set(TWO.values())


def test_a_link_that_is_renewed_to_another_server_is_not_followed(tmp_path: Path) -> None:
    """E7"""
    with bulk_server(FILES) as foreign, bulk_server(FILES, Habits(expires_once=True)) as bulk:
        bulk.habits.fresh_origin = foreign.origin
        fetched = fetch(bulk, tmp_path / "export")
    assert foreign.requests == []
    assert len(fetched.refused) == 2


def test_each_part_of_a_manifest_speaks_for_its_own_files(tmp_path: Path) -> None:
    """A6.4: "SHALL NOT" send the token where a part says that its files need none"""
    with bulk_server(FILES, Habits(parts=True, second_requires_token=False)) as bulk:
        assert fetch(bulk, tmp_path / "export").is_complete
    assert authorised(bulk, "/files/") == [True, False]


@pytest.mark.parametrize(
    "content", [b"<html>login</html>\n", b'{"resourceType":"Observation","id":"1"}\n{"resourceType":"Obs'], ids=str
)
def test_a_page_or_half_a_line_is_no_file_where_nothing_is_counted(tmp_path: Path, content: bytes) -> None:
    """E9"""
    with bulk_server({**FILES, "Observation.1": content}, Habits(counts={"Observation.1": None})) as bulk:
        fetched = fetch(bulk, tmp_path / "export")
    assert not fetched.is_complete
    assert not contents(tmp_path / "export")


def test_an_error_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    """A1.7, here too: it would pass for an export of nobody's results"""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    files = {**FILES, "Observation.1": json.dumps(outcome).encode() + b"\n"}
    with bulk_server(files) as bulk:
        fetched = fetch(bulk, tmp_path / "export")
    assert not fetched.is_complete
    assert not list((tmp_path / "export").glob("Observation*"))


def test_a_file_of_errors_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with bulk_server(FILES, errors={"errors.1": b"<html>\n"}) as bulk:
        fetched = fetch(bulk, tmp_path / "export")
    assert fetched.server_errors == ("something that is no OperationOutcome",)


@pytest.mark.parametrize(
    "said", [{}, {"output": None}, {"output": {}}, {"output": ["x"]}, {"output": [], "deleted": "x"}], ids=str
)
def test_a_manifest_without_its_lists_is_none(said: Mapping[str, Any]) -> None:
    """It would pass for an export of nobody"""
    with pytest.raises(ServerError, match="no list of files"):
        manifest_of(json.dumps({"transactionTime": "2026-01-01T00:00:00Z", **said}).encode())


def test_a_type_that_is_a_path_names_no_file_outside_the_folder() -> None:
    """E47"""
    body = {"transactionTime": "2026-01-01T00:00:00Z", "output": [{"type": "../../x", "url": "https://h/f"}]}
    manifest = manifest_of(json.dumps(body).encode())
    assert manifest.files[0].type == "Mixed"
    assert not manifest.files[0].requires_token


@pytest.mark.parametrize("count", ["5", 1.5, True])
def test_a_count_that_is_no_whole_number_is_told(count: object) -> None:
    output = [{"type": "Observation", "url": "https://h/f", "count": count}]
    with pytest.raises(ServerError, match="no whole number"):
        manifest_of(json.dumps({"transactionTime": "2026-01-01T00:00:00Z", "output": output}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"transactionTime":1}', b"<html>", b"[" * 100000])
def test_what_is_no_manifest_is_a_clear_error(body: bytes) -> None:
    with pytest.raises(ServerError):
        manifest_of(body)
