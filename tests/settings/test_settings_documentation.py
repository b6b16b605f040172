"""Every setting stands in the operators' page, in the words of the help, with its flag and its default."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.settings.loading import flag
from adapter.settings.model import GROUPS, LISTS, SECRETS, Settings


def row(name: str) -> str:
    """The row of a setting in the table of docs/operate.md."""
    field = Settings.model_fields[name]
    flags = f"`{flag(name)}`" + (f", `--no-{flag(name)[2:]}`" if field.annotation is bool else "")
    said = str(field.default).lower() if field.annotation is bool else field.default
    default = "" if name in LISTS or said in (None, "") else f"`{said}`"
    return f"| `{name}` | {'' if name in SECRETS else flags} | {default} | {field.description} |"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str, repository: Path) -> None:
    assert row(name) in (repository / "docs" / "operate.md").read_text("utf-8").splitlines()


def test_every_setting_is_in_one_group() -> None:
    grouped = [name for group in GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(Settings.model_fields)


def test_every_setting_says_what_it_is() -> None:
    said = [field.description for field in Settings.model_fields.values()]
    assert all(each and each.endswith(".") for each in said)
