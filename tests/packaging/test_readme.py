"""What the README and the pages in ``docs/`` show as output is what the command prints."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.packaging.examples import Call, Excerpt, examples, is_part, is_printed, run

PAGES = ("README.md", "docs/integrate.md", "docs/operate.md", "docs/understand.md", "docs/understand.zh.md", "docs/extend.md")


@pytest.fixture
def desk(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the repository's fixtures, so that the commands of a page run as they are written."""
    (tmp_path / "fixtures").symlink_to(repository / "fixtures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_output_on_a_page_is_real(page: str, repository: Path, desk: Path) -> None:
    for example in examples((repository / page).read_text("utf-8")):
        match example:
            case Call(command, claimed):
                printed = run(command)
                assert is_printed(claimed, printed), f"{command} prints:\n{printed}"
            case Excerpt(file, text):
                resources = [entry["resource"] for entry in _decoded((desk / file).read_bytes())["entry"]]
                assert any(is_part(_decoded(text.encode()), each) for each in resources), f"not in {file}: {text}"


def test_the_readme_shows_one_assessment_from_input_to_output(repository: Path) -> None:
    kinds = [type(example) for example in examples((repository / "README.md").read_text("utf-8"))]
    assert Call in kinds
    assert Excerpt in kinds


def test_a_wrong_output_is_found() -> None:
    assert is_printed("a …\nd", "a b\nc\nd")
    assert not is_printed("a …\nd", "a b\nc")
    assert is_part({"a": [1, "x…"]}, {"a": [0, 1, "xyz"], "b": 2})
    assert not is_part({"a": [2, 1]}, {"a": [1, 2]})


def _decoded(data: bytes) -> dict[str, object]:
    # Decimals, so that 12.40 and 12.4 in an excerpt are compared as numbers without loss.
    decoded: dict[str, object] = msgspec.json.decode(data, type=dict, float_hook=Decimal)
    return decoded
