"""What is committed can be read by anyone, anywhere: no machine's paths, no registry, no secret, no overlong file."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# The letters in brackets keep a pattern from finding itself.
FORBIDDEN = {
    "path of a machine": r"(?<![\w./-])/(?:[h]ome/[a-z][\w.-]*|[U]sers/[A-Za-z]\w*|[w]ork|[r]oot)/",
    "registry": r"[p]ypi\.org/simple|[f]iles\.pythonhosted|[r]egistry\.npmjs|(?:extra-)?[i]ndex-url|[f]ind-links",
    "private key": r"-----[B]EGIN [A-Z ]*PRIVATE KEY",
    "access key": r"\b(?:[A]KIA[0-9A-Z]{16}|[g]h[pousr]_[A-Za-z0-9]{36}|[x]ox[abp]-[\w-]{10,}|[s]k-[A-Za-z0-9]{32,})\b",
    "web token": r"\b[e]yJ[\w-]{10,}\.[e]yJ[\w-]{10,}\.[\w-]{10,}",
    "password": r"(?i)(?:[p]assword|[s]ecret|api_?key)[\"']?\s*[:=]\s*[\"'][^\"'\s{<$]{8,}[\"']",
}
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60


@pytest.fixture(scope="module")
def committed(repository: Path) -> list[Path]:
    """Every file under version control."""
    if not (repository / ".git").exists():
        pytest.skip("not a checkout: nothing is committed here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := repository / name).is_file()]


def findings(text: str, pattern: str) -> list[str]:
    """What of a text matches a forbidden pattern."""
    return [match.group() for match in re.finditer(pattern, text)]


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_committed_file_holds_what_belongs_to_a_machine_or_a_person(kind: str, committed: list[Path]) -> None:
    texts = ((path, path.read_bytes().decode("utf-8", errors="replace")) for path in committed)
    found = {str(path): where for path, text in texts if (where := findings(text, FORBIDDEN[kind]))}
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("path of a machine", "see /ho" + "me/ann/notes"),
        ("path of a machine", "see /wo" + "rk/main"),
        ("registry", "--ind" + "ex-url x"),
        ("private key", "-----BE" + "GIN RSA PRIVATE KEY-----"),
        ("access key", "AK" + "IAABCDEFGHIJKLMNOP"),
        ("web token", ".".join(["ey" + "J0123456789", "ey" + "J0123456789", "0123456789"])),
        ("password", "pass" + 'word = "correct-horse"'),
    ],
)
def test_what_is_forbidden_is_found(kind: str, text: str) -> None:
    assert findings(text, FORBIDDEN[kind])


def test_an_address_on_the_web_is_no_path_of_a_machine() -> None:
    assert not findings("https://example.org/" + "home/ann/", FORBIDDEN["path of a machine"])


def test_constraints_name_versions_and_nothing_else(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", pin)] == []


def _python_files(repository: Path) -> list[Path]:
    return [
        path
        for top in ("adapter", "tests")
        for path in sorted((repository / top).rglob("*.py"))
        if "node_modules" not in path.parts
    ]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_too_long_to_read(repository: Path) -> None:
    lengths = {
        path.relative_to(repository): len(path.read_text("utf-8").splitlines()) for path in _python_files(repository)
    }
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_too_long_to_read(repository: Path) -> None:
    long = [
        f"{path.relative_to(repository)}:{function.lineno} {function.name}"
        for path in _python_files(repository)
        for function in _functions(path)
        if (function.end_lineno or 0) - function.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_no_module_is_named_for_leftovers(repository: Path) -> None:
    leftovers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tmp"}
    assert [path for path in _python_files(repository) if path.stem in leftovers or path.parent.name in leftovers] == []


def test_the_package_names_at_most_twelve_things(repository: Path) -> None:
    import adapter

    assert len(getattr(adapter, "__all__", ())) <= 12
