"""Settings: where each comes from, what is refused, and that no secret is ever in what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.errors import SettingsInvalid
from adapter.settings.loading import load_settings, shown
from adapter.settings.model import SECRETS, Settings

CANARY = "s3cret-never-to-be-seen"


def file(folder: Path, text: str, *, mode: int = 0o600, name: str = "site.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def refused(flags: dict[str, Any] | None = None, environment: dict[str, str] | None = None, **more: Any) -> str:
    with pytest.raises(SettingsInvalid) as error:
        load_settings(flags or {}, environment or {}, **more)
    return str(error.value)


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    config = file(tmp_path, "limit = 3\npage_size = 3\nworkers = 3\n")
    environment = {"OSTEO_FHIR_LIMIT": "2", "OSTEO_FHIR_PAGE_SIZE": "2", "PATH": "/bin", "OSTEO_FHIR_KID": ""}

    settings = load_settings({"limit": "1", "kid": None, "mappings": ()}, environment, config=config)

    assert (settings.limit, settings.page_size, settings.workers, settings.retry_tries) == (1, 2, 3, 5)
    assert [settings.origin(name) for name in ("limit", "page_size", "workers", "retry_tries", "kid")] == [
        "flag --limit",
        "environment OSTEO_FHIR_PAGE_SIZE",
        f"file {config}",
        "default",
        "default",
    ]


def test_the_environment_may_name_the_file_and_a_flag_another_one(tmp_path: Path) -> None:
    said = file(tmp_path, "limit = 1\n", name="said.toml")
    meant = file(tmp_path, "limit = 2\n", name="meant.toml")
    environment = {"OSTEO_FHIR_CONFIG": str(said)}
    assert load_settings({}, environment).limit == 1
    assert load_settings({}, environment, config=meant).limit == 2


def test_paths_in_the_file_are_meant_from_where_it_stands(tmp_path: Path) -> None:
    config = file(tmp_path, 'mappings = ["site", "/etc/ours"]\nledger = "~/ledger"\ninbox = "inbox.sqlite"\n')
    settings = load_settings({}, {}, config=config)
    assert settings.mappings == (tmp_path / "site", Path("/etc/ours"))
    assert settings.ledger == Path.home() / "ledger"
    assert settings.inbox == tmp_path / "inbox.sqlite"
    assert load_settings({"inbox": "inbox.sqlite"}, {}).inbox == Path("inbox.sqlite")


def test_lists_are_separated_by_commas_in_the_environment_and_repeated_as_flags() -> None:
    assert load_settings({}, {"OSTEO_FHIR_MAPPINGS": "a, b,"}).mappings == (Path("a"), Path("b"))
    assert load_settings({"mappings": ("a,b", "c")}, {}).mappings == (Path("a,b"), Path("c"))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("no", False)])
def test_yes_and_no_are_understood_in_the_environment(text: str, value: bool) -> None:
    assert load_settings({}, {"OSTEO_FHIR_ALLOW_HTTP": text}).allow_http is value


def test_all_findings_are_told_at_once_each_with_place_name_and_what_was_expected(tmp_path: Path) -> None:
    config = file(tmp_path, 'page_size = "12"\nwrokers = 3\nmappings = "site"\nallow_http = 1\nca_bundle = 3\n')
    environment = {"OSTEO_FHIR_LANGUAGE": "fr", "OSTEO_FHIR_SERVER_URL": "x", "OSTEO_FHIR_RETRY_SECONDS": "nan"}
    assert refused({"limit": "-1"}, environment, config=config).splitlines() == [
        "flag --limit: limit: expected greater than or equal to 0",
        "environment OSTEO_FHIR_LANGUAGE: language: expected 'en' or 'zh'",
        "environment OSTEO_FHIR_SERVER_URL: server_url: no such setting; is it server?",
        "environment OSTEO_FHIR_RETRY_SECONDS: retry_seconds: expected a finite number",
        f"file {config}: page_size: expected a valid integer",
        f"file {config}: wrokers: no such setting; is it workers?",
        f"file {config}: mappings: expected a valid array",
        f"file {config}: allow_http: expected a valid boolean",
        f"file {config}: ca_bundle: expected a valid string",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a = ", "expected TOML: Invalid value", id="no TOML"),
        pytest.param("a = 1\na = 2", "expected TOML: Cannot overwrite", id="a key twice"),
        pytest.param("[limit]\na = 1", "limit: expected a valid integer", id="a table"),
        pytest.param("limit = 2026-06-15", "limit: expected a valid integer", id="a date"),
        pytest.param("request_seconds = inf", "request_seconds: expected", id="infinity"),
    ],
)
def test_a_file_that_is_not_understood_is_named(tmp_path: Path, text: str, expected: str) -> None:
    config = file(tmp_path, text)
    assert refused(config=config).startswith(f"{config}: {expected}") or f"file {config}: {expected}" in refused(
        config=config
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refused(config=tmp_path / "none.toml") == f"{tmp_path / 'none.toml'}: No such file or directory"


def test_a_file_of_other_bytes_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes(b"\xff\xfe")
    assert "expected TOML: not UTF-8" in refused(config=tmp_path / "site.toml")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"auth": "bearer"}, "auth bearer needs token_file or token"),
        ({"auth": "basic"}, "auth basic needs username and password_file or password"),
        ({"auth": "smart"}, "auth smart needs client_id and key_file"),
        ({"token": CANARY}, "token is set and auth is none; expected auth bearer, basic or smart"),
        (
            {"auth": "bearer", "token": CANARY, "token_file": "t"},
            "token and token_file are both set; expected one of them",
        ),
        ({"secret": CANARY, "secret_file": "t"}, "secret and secret_file are both set; expected one of them"),
        ({"client_key": "k"}, "client_key needs client_certificate beside it"),
    ],
)
def test_half_a_set_of_credentials_is_refused(given: dict[str, str], told: str) -> None:
    assert refused({}, {f"OSTEO_FHIR_{name.upper()}": value for name, value in given.items()}) == told


@pytest.mark.parametrize("name", ["server", "token_url", "jku"])
def test_credentials_in_an_address_are_refused_and_not_repeated(name: str) -> None:
    told = refused({name: f"https://me:{CANARY}@fhir.example/r4"})
    assert (
        told
        == f"flag --{name.replace('_', '-')}: {name}: expected an address without user or password; set auth instead"
    )


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_kept_and_never_shown(name: str, tmp_path: Path) -> None:
    beside = {"token": {"auth": "bearer"}, "password": {"auth": "basic", "username": "me"}}.get(name, {})
    config = file(tmp_path, "".join(f'{key} = "{value}"\n' for key, value in ({name: CANARY} | beside).items()))

    settings = load_settings({}, {}, config=config)

    assert getattr(settings, name).get_secret_value() == CANARY
    rows = list(shown(settings))
    assert (name, "********", f"file {config}") in rows
    assert CANARY not in f"{rows} {settings!r} {settings} {settings.model_dump_json()} {settings.model_dump()}"


def test_a_file_with_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    config = file(tmp_path, f'auth = "bearer"\ntoken = "{CANARY}"\n', mode=0o640)
    assert refused(config=config) == f"{config}: others can read this file (mode 0640); run: chmod 600 {config}"
    assert load_settings({}, {}, config=file(tmp_path, "limit = 1\n", mode=0o644)).limit == 1


def test_what_is_shown_names_every_setting_once() -> None:
    rows = {name: value for name, value, _ in shown(load_settings({"mappings": ("a", "b")}, {}))}
    assert rows.keys() == Settings.model_fields.keys()
    assert (rows["mappings"], rows["allow_http"], rows["token"], rows["limit"]) == ("a,b", "false", "", "0")
