"""'English and Chinese for what a clinician reads': whatever stands on a page is there in both."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapter.entrypoints.cli import main
from adapter.knowledge.model import Knowledge
from adapter.mapping_files import load_knowledge

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = [REPOSITORY / "adapter" / room for room in ("fhir", "recognition", "engines")]
# What these say is read by the operator or by a server: the check of what we write, subscriptions, the audit trail.
FOR_OTHERS = {"audit_event.py", "structure.py", "validation.py", "notifications.py", "subscriptions.py"}
# Not said but looked for in data, or part of a resource; a source that the page says in its own words.
NOT_SAID = re.compile(
    r"without |with b|no bmd|including bmd|clinical risk|# per|hip |metal |compression |fractured |vertebral |major |"
    r"<div|referenceRange of |this is for the careful lane|the answer$|Low l|Moderate l|High l|Very high|Artificial"
)
PROSE = re.compile(r"[a-z]{2,}.* [a-z]{2,}|^an? [a-z]+$")
ENGLISH = re.compile(r"(?<![\w./-])[a-z]+(?:[,;:]? [a-z]+){2,}(?![\w/-])")
FOLDERS = sorted(
    path.parent for kind in ("journeys", "wild") for path in (REPOSITORY / "fixtures" / kind).glob("*/*.json")
)
JOURNEYS = sorted({folder for folder in FOLDERS if (folder / "expected.json").exists()})


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    """The shipped knowledge."""
    return load_knowledge()


def sentences_in(module: Path) -> Iterator[str]:
    """Every English text of a module but its docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    told_of = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documentation = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, told_of)}
    for node in ast.walk(tree):
        said = node.value if isinstance(node, ast.Constant) else None
        if isinstance(said, str) and PROSE.search(said) and said not in documentation and not NOT_SAID.match(said):
            yield said


def all_sentences() -> set[str]:
    modules = [module for room in ROOMS for module in room.glob("*.py") if module.name not in FOR_OTHERS]
    return {said for module in modules for said in sentences_in(module)}


def test_every_sentence_about_data_has_its_chinese(knowledge: Knowledge) -> None:
    known = knowledge.sentences["zh"]
    said = all_sentences()
    assert len(said) > 100
    # The name of a release follows what is said of it, and each has its own sentence.
    assert [each for each in said if each not in known and not any(key.startswith(each) for key in known)] == []


def test_every_source_and_every_reason_for_a_denial_has_its_chinese(knowledge: Knowledge) -> None:
    told = {rule.source for rule in knowledge.rules.values()} | {row.why for row in knowledge.denied.values()}
    told |= {limit.source for limits in knowledge.limits.values() for limit in limits}
    assert sorted(told - knowledge.sentences["zh"].keys()) == []


@pytest.mark.parametrize("folder", JOURNEYS, ids=lambda folder: folder.name)
def test_no_english_sentence_remains_on_a_chinese_page(folder: Path, knowledge: Knowledge) -> None:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    arguments = [
        str(folder / "input.json"),
        "--as-of",
        expected["as_of"],
        "--language",
        "zh",
        *expected.get("args", []),
    ]
    pages = [CliRunner().invoke(main, [command, *arguments]).stdout for command in ("explain", "convert")]
    drawn = CliRunner().invoke(main, ["explain", "--html", "-", *arguments]).stdout
    written = [text for line in pages[1].splitlines() for text in texts_of(json.loads(line))]
    assert pages[0]
    assert knowledge.qfracture is not None
    # The licence of QFracture demands its own words.
    told = "\n".join((pages[0], *written, *shown_in(drawn))).replace(knowledge.qfracture.disclaimer, "")
    assert ENGLISH.findall(told) == []


def shown_in(page: str) -> list[str]:
    """The words of a page of HTML."""
    return re.sub("<style>.*?</style>|<[^>]+>", "\n", page, flags=re.DOTALL).splitlines()


def texts_of(written: object) -> Iterator[str]:
    """Everything in a transaction that is made for people."""
    if isinstance(written, dict):
        for name, value in written.items():
            if name in ("div", "text", "mitigation", "rationale") and isinstance(value, str):
                yield re.sub("<[^>]+>", "\n", value)
            else:
                yield from texts_of(value)
    elif isinstance(written, list):
        for each in written:
            yield from texts_of(each)
