"""What the README and the pages in ``docs/`` show as output is what the command prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapter.entrypoints.explaining import as_json
from adapter.entrypoints.knowing import check
from adapter.entrypoints.library import assess_bundle
from adapter.fhir.decoding import decode
from adapter.mapping_files import load_knowledge
from adapter.problems import ProblemCode
from tests.packaging.examples import Call, Excerpt, examples, is_part, is_printed, run

PAGES = (
    "README.md",
    *(f"docs/{page}.md" for page in ("integrate", "operate", "understand", "understand.zh", "extend")),
)


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
                resources = [entry["resource"] for entry in _json((desk / file).read_bytes())["entry"]]
                assert any(is_part(_json(text.encode()), each) for each in resources), f"not in {file}: {text}"


def test_the_readme_shows_one_assessment_from_input_to_output(repository: Path) -> None:
    kinds = [type(example) for example in examples((repository / "README.md").read_text("utf-8"))]
    assert Call in kinds
    assert Excerpt in kinds


def test_a_wrong_output_is_found() -> None:
    assert is_printed("a …\nd", "a b\nc\nd")
    assert not is_printed("a …\nd", "a b\nc")
    assert is_part({"a": [1, "x…"]}, {"a": [0, 1, "xyz"], "b": 2})
    assert not is_part({"a": [2, 1]}, {"a": [1, 2]})


@pytest.mark.parametrize("page", PAGES)
def test_every_link_on_a_page_leads_somewhere(page: str, repository: Path) -> None:
    here = repository / page
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", here.read_text("utf-8"))
    lost = [(file, part) for file, part in targets if not _is_there(here.parent / file if file else here, part)]
    assert lost == []


def test_every_reason_is_explained_to_integrators(repository: Path) -> None:
    page = (repository / "docs" / "integrate.md").read_text("utf-8")
    assert [code.value for code in ProblemCode if f"| `{code.value}` |" not in page] == []


def test_every_key_of_explain_is_explained_to_integrators(repository: Path) -> None:
    page = (repository / "docs" / "integrate.md").read_text("utf-8")
    journeys = [
        repository / "fixtures" / "journeys" / name / "input.json"
        for name in ("moderate-raised-turnover", "low-risk-spoiled-sample", "very-high-glucocorticoid-7-5-mg")
    ]
    knowledge = load_knowledge()
    outcomes = [assess_bundle(path.read_bytes(), as_of=date(2026, 6, 15), knowledge=knowledge) for path in journeys]
    keys = {key for outcome in outcomes for key in _keys(_json(as_json(outcome, knowledge)))}
    assert sorted(key for key in keys if f"`{key}`" not in page) == []


@pytest.mark.parametrize("page", ["understand.md", "understand.zh.md"])
def test_every_row_of_the_decision_table_is_explained_to_clinicians(page: str, repository: Path) -> None:
    text = (repository / "docs" / page).read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z]\d+) \|.*\| (V|V2|K|D) \|$", text, re.MULTILINE)
    known = {rule: cited.sureness.value for rule, cited in load_knowledge().rules.items()}
    assert dict(rows) == {rule: sure for rule, sure in known.items() if re.fullmatch(r"[A-Z]\d+", rule)}


def test_the_mappings_shown_to_their_authors_are_whole(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "extend.md").read_text("utf-8")
    shown = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert shown
    (tmp_path / "shown.toml").write_text("\n".join(shown), "utf-8")
    assert check([tmp_path])[0] == []


def _is_there(target: Path, part: str) -> bool:
    if not part:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
    return part in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def _keys(value: object) -> Iterator[str]:
    """The keys of objects, however deep; what ``scores`` and ``values`` hold is named by the data."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _keys(each) if key not in ("scores", "values") else ()
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def _json(data: bytes) -> Any:
    return decode(data, where="a page")
