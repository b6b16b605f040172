"""Every command and every option of the command line is explained somewhere a user can read."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from tests.entrypoints.all_commands import COMMANDS


@pytest.fixture(scope="module")
def pages(repository: Path) -> list[str]:
    """The pages that a user reads."""
    return [
        path.read_text("utf-8") for path in [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]
    ]


def _names(word: str, page: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", page) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_options(name: str, pages: list[str]) -> None:
    about = [page for page in pages if _names(name, page)]
    assert about, f"no page names {name}"
    options = [each for each in COMMANDS[name].params if isinstance(each, click.Option) and not each.hidden]
    words = [word for option in options for word in (*option.opts, *option.secondary_opts)]
    assert [word for word in words if not any(_names(word, page) for page in about)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [each.name for each in command.params if isinstance(each, click.Option) and not each.help] == []


def test_the_readme_names_the_two_commands_that_need_nothing_else(repository: Path) -> None:
    readme = (repository / "README.md").read_text("utf-8")
    assert "scripts/demo" in readme
    assert "scripts/check" in readme


def test_whoever_extends_it_reads_of_every_room(repository: Path) -> None:
    page = (repository / "docs" / "extend.md").read_text("utf-8")
    entries = (each for each in (repository / "adapter").iterdir() if not each.name.startswith(("_", ".", "py.")))
    rooms = [f"`{each.name}/`" if each.is_dir() else f"`{each.name}`" for each in entries]
    assert len(rooms) > 10
    assert [room for room in rooms if room not in page] == []
