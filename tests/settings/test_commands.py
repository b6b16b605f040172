"""The commands that show settings and make keys; and what settings make of a server."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapter.entrypoints.cli import main
from adapter.entrypoints.cli_options import settings_options
from adapter.entrypoints.connecting import authorised, connected, options_of
from adapter.errors import SettingsInvalid
from adapter.fhir.releases import Release
from adapter.fhir_server.authorisation import NoAuthorisation
from adapter.fhir_server.keys import read_key
from adapter.fhir_server.transport import RequestsTransport
from adapter.settings.loading import load_settings
from adapter.settings.model import GROUPS, SECRETS, Settings
from tests.servers.token_server import token_server

CANARY = "s3cret-never-to-be-seen"


def run(*arguments: str | Path, **environment: str) -> Result:
    own = {name: None for name in os.environ if name.startswith("OSTEO_FHIR_")}
    result = CliRunner().invoke(main, [str(each) for each in arguments], env={**own, **environment})
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def test_settings_are_shown_with_their_origin_and_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("workers = 2\n", "utf-8")
    result = run(
        *("settings", "--json", "--limit", "5", "--allow-http", "--config", tmp_path / "site.toml"),
        OSTEO_FHIR_AUTH="bearer",
        OSTEO_FHIR_TOKEN=CANARY,
    )
    shown = json.loads(result.stdout)
    assert shown["limit"] == {"value": "5", "from": "flag --limit"}
    assert shown["allow_http"] == {"value": "true", "from": "flag --allow-http"}
    assert shown["workers"] == {"value": "2", "from": f"file {tmp_path / 'site.toml'}"}
    assert shown["token"] == {"value": "********", "from": "environment OSTEO_FHIR_TOKEN"}
    assert shown["language"] == {"value": "en", "from": "default"}
    assert CANARY not in result.output


def test_settings_are_shown_as_a_table_for_people() -> None:
    lines = run("settings", "--no-allow-http", "--mappings", "a", "--mappings", "b").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("allow_http", "mappings", "server"))] == [
        ["server", "-", "default"],
        ["mappings", "a,b", "flag", "--mappings"],
        ["allow_http", "false", "flag", "--allow-http"],
    ]


def test_wrong_settings_stop_the_command_with_what_was_expected() -> None:
    result = run("settings", OSTEO_FHIR_LIMIT=CANARY, OSTEO_FHIR_TOKEN=CANARY)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "environment OSTEO_FHIR_LIMIT: limit: expected a valid integer" in result.stderr
    assert CANARY not in result.stderr


def test_every_setting_but_the_secrets_has_a_flag() -> None:
    command = main.get_command(Any, "settings")  # type: ignore[arg-type]
    assert command is not None
    names = {option.name for option in command.params}
    assert names - {"config", "as_json"} == Settings.model_fields.keys() - SECRETS


def test_a_command_takes_the_groups_it_needs() -> None:
    def command() -> None: ...

    given = settings_options("work")(command)
    assert {option.name for option in given.__click_params__} == {"config", *GROUPS["work"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_new_key_is_its_owners_alone_and_its_public_half_can_be_registered(tmp_path: Path, algorithm: str) -> None:
    out = tmp_path / "keys" / "smart.json"
    made = run("keys", "new", "--alg", algorithm, "--out", out)
    shown = run("keys", "jwks", out)

    assert (made.exit_code, shown.exit_code) == (0, 0)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert json.loads(shown.stdout) == read_key(out.read_bytes(), name="").public_jwks()
    assert json.loads(out.read_bytes())["d"] not in made.output + shown.output


def test_a_key_is_never_overwritten_unasked(tmp_path: Path) -> None:
    out = tmp_path / "smart.json"
    run("keys", "new", "--out", out)
    first = out.read_bytes()
    assert run("keys", "new", "--out", out).exit_code == 2
    assert out.read_bytes() == first
    assert run("keys", "new", "--out", out, "--force").exit_code == 0
    assert out.read_bytes() != first


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    out = tmp_path / "smart.json"
    run("keys", "new", "--out", out)
    out.chmod(0o644)
    result = run("keys", "jwks", out)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"chmod 600 {out}" in result.stderr


def test_a_registered_name_goes_before_the_keys_own(tmp_path: Path) -> None:
    out = tmp_path / "smart.json"
    run("keys", "new", "--out", out)
    assert json.loads(run("keys", "jwks", out, "--kid", "ours").stdout)["keys"][0]["kid"] == "ours"


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("", "expected the base address"),
        ("http://fhir.example/r4", "plain http"),
        ("ftp://fhir.example", "expected the base address"),
    ],
)
def test_without_a_sound_address_there_is_no_server(server: str, told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told):
        connected(load_settings({"server": server}, {}))


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({}, None),
        ({"auth": "bearer", "token": CANARY}, f"Bearer {CANARY}"),
        ({"auth": "basic", "username": "me", "password": "pw"}, "Basic bWU6cHc="),
    ],
)
def test_a_server_is_asked_as_the_settings_say(given: dict[str, str], header: str | None) -> None:
    with token_server() as server:
        environment = {f"OSTEO_FHIR_{name.upper()}": value for name, value in given.items()}
        assert connected(load_settings({"server": server.base}, environment)).read("Patient/one") is not None
        assert server.heard[0].headers.get("authorization") == header


def test_a_smart_client_needs_nothing_but_its_name_and_key(tmp_path: Path) -> None:
    run("keys", "new", "--out", tmp_path / "smart.json")
    flags = {"auth": "smart", "client_id": "us", "key_file": str(tmp_path / "smart.json"), "kid": "ours"}
    with token_server() as server:
        assert connected(load_settings({"server": server.base, **flags}, {})).read("Patient/one") is not None
        assert server.heard[-1].headers["authorization"] == "Bearer token-1"


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("keys", "new", "--out", tmp_path / "smart.json")
    flags = {"auth": "smart", "client_id": "us", "key_file": str(tmp_path / "smart.json")}
    for module in ("adapter.fhir_server.keys", "adapter.fhir_server.smart"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(SettingsInvalid, match=r"needs joserfc: pip install 'osteo-fhir-adapter\[smart\]'"):
        connected(load_settings({"server": "https://fhir.example", **flags}, {}))


def test_limits_are_taken_over() -> None:
    flags = {"server": "https://fhir.example/r4/", "search": "post", "page_size": "7", "retry_tries": "2"}
    server = connected(load_settings(flags, {}))
    assert server.base == "https://fhir.example/r4"
    assert (server.limits.always_post, server.limits.page_size, server.limits.patience.tries) == (True, 7, 2)


def test_choices_for_the_assessment_are_taken_over() -> None:
    options = options_of(load_settings({"fhir": "R5", "language": "zh", "label_ai": True, "qfracture": True}, {}))
    assert (options.release, options.language, options.label_as_ai, options.with_qfracture) == (
        Release.R5,
        "zh",
        True,
        True,
    )
    assert options_of(load_settings({}, {})).release is None


def test_nobody_is_told_who_we_are_by_default() -> None:
    settings = load_settings({}, {})
    assert isinstance(authorised(settings, "https://fhir.example", RequestsTransport()), NoAuthorisation)
